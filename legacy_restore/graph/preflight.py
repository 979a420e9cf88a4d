"""What can be told of models before one of them is built: that their files open.

Nothing here loads TensorFlow: a process that only starts others does without it.
"""

from __future__ import annotations

from typing import Any, Iterable, List

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.graph.locations import checkpoint_of
from legacy_restore.graph.model import Model
from legacy_restore.planning.unopened import input_findings
from legacy_restore.report.findings import Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names

_VERIFY = ("read", "session")


def check_verify(verify: Any) -> None:
    """Raises if ``verify`` is none of the ways to prove what is restored.

    Raises:
      UsageError: It is not.
    """
    if verify not in _VERIFY:
        raise errors.UsageError(f'verify has to be "read" or "session", not {verify!r}')


def listed_models(models: Any) -> List[Model]:
    """Returns models that are restored apart, so that names and scopes may repeat.

    Raises:
      UsageError: It is no list of models, or an empty one.
    """
    if isinstance(models, Model):
        raise errors.UsageError("models have to be a list", hint="[model]")
    if not isinstance(models, Iterable) or isinstance(models, (str, bytes)):
        raise errors.UsageError(f"{models!r} is no list of models")
    found = list(models)
    for one in found:
        if not isinstance(one, Model):
            raise errors.UsageError(f"{one!r} is not a Model")
    if not found:
        raise errors.UsageError("there is no model")
    return found


def refuse_unless_all_open(models: Iterable[Model]) -> None:
    """Opens the checkpoint of every model and reads its index.

    Raises:
      RestoreError: Some cannot be opened; all of them are in its findings.
    """
    findings: List[Finding] = []
    failed: List[str] = []
    for model in models:
        location = checkpoint_of(model)
        if location is None:
            continue
        try:
            with open_checkpoint(location):
                pass
        except (errors.CheckpointError, errors.MissingDependencyError) as error:
            findings += input_findings(model.name, location, error)
            failed.append(repr(model.name))
    if failed:
        text = f"no model was restored: the checkpoint of {cut_names(failed)} is none"
        raise errors.RestoreError(refusal_text(text, findings), findings=findings)
