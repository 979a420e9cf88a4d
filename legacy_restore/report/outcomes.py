"""What became of the models of which each had a process of its own."""

from __future__ import annotations

import dataclasses
from typing import Any, List, Optional, Sequence

from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a function gave for one model, or why it gave nothing.

    Attributes:
      model: The model's name.
      error: What the function raised in its process, or a ``ChildError`` where there
        is nothing to raise: the process died, or what it gave cannot be handed over.
        None where all is well.
    """

    model: str
    error: Optional[BaseException] = None
    # Behind a property, so that nobody takes an absent result for one.
    _result: Any = None

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.error is None

    @property
    def result(self) -> Any:
        """What the function returned.

        Raises:
          BaseException: ``error``, where there is no result.
        """
        if self.error is not None:
            raise self.error
        return self._result


class ChildTraceback(Exception):
    """The traceback of another process as text; the cause of what it raised."""

    def __init__(self, text: str) -> None:
        """Takes the text."""
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def raise_for_failed(outcomes: Sequence[Outcome], num_models: int) -> None:
    """Raises if there is no result for one of the models.

    Args:
      outcomes: Those of the models that were run.
      num_models: Number of all models; the others were not run.

    Raises:
      ChildError: The outcomes of all are in it; the first failure is its cause.
    """
    failed = [one for one in outcomes if one.error is not None]
    if not failed:
        return
    findings: List[Finding] = []
    for one in failed:
        if isinstance(one.error, errors.ChildError):
            findings += one.error.findings
        else:
            findings.append(_failure(one))
    names = cut_names([repr(one.model) for one in failed])
    headline = f"{len(failed)} of {num_models} models failed: {names}"
    if len(outcomes) < num_models:
        headline += f"; {num_models - len(outcomes)} were not run"
    raise errors.ChildError(
        refusal_text(headline, findings), findings=findings, outcomes=outcomes
    ) from failed[0].error


def _failure(one: Outcome) -> Finding:
    text = str(one.error).strip().partition("\n")[0]
    return Finding(
        KINDS["child-failed"],
        one.model,
        f"{type(one.error).__name__}: {text}",
        model=one.model,
    )


def child_error(
    kind: str, model: str, message: str, hint: Optional[str] = None
) -> errors.ChildError:
    """Returns the error for a model of which there is nothing else to raise.

    Args:
      kind: The id of its finding.
      model: The model's name.
      message: What happened.
      hint: What to do.
    """
    finding = Finding(KINDS[kind], model, message, model=model, hint=hint)
    text = f"model {model!r}: {message}"
    return errors.ChildError(text, findings=[finding], hint=hint)
