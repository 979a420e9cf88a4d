"""Running a builder, and looking at what it returned."""

from __future__ import annotations

import contextlib
import os
import traceback
from typing import Any, Callable, Iterator, Optional, Sequence

from legacy_restore import errors
from legacy_restore.graph.model import Model
from legacy_restore.graph.nest import leaves
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import tf


class BuilderFailure(Exception):
    """A model cannot be built; the cause is what a builder raised, if it raised."""

    def __init__(
        self,
        *findings: Finding,
        cause: Optional[BaseException] = None,
        refusal: Optional[errors.LegacyRestoreError] = None,
    ) -> None:
        """Takes the findings, and what the builder raised.

        Args:
          *findings: What was found, all of one model.
          cause: What was raised, if anything was.
          refusal: An error that says more than its findings, to be raised where it is
            the only one.
        """
        super().__init__(findings[0].message)
        self.model = findings[0].model
        self.findings = findings
        self.cause = cause
        self.refusal = refusal


@contextlib.contextmanager
def entered_scope(model: Model) -> Iterator[None]:
    """Enters a model's variable scope in the default graph, and its device.

    Raises:
      BuilderFailure: The scope was taken.
    """
    with tf.device(model.device), tf.variable_scope(model.scope) as scope:
        # Names of operations follow the name scope, those of tf.get_variable the
        # variable scope: only where both agree is a model all in one place.
        if scope.original_name_scope != model.scope + "/":
            raise BuilderFailure(
                Finding(
                    KINDS["scope-in-use"],
                    model.scope,
                    "another model's builder has used it for operations of its own",
                    model=model.name,
                    hint="give the model another scope",
                )
            )
        yield


def run_builder(model: Model, build: Callable[[], Any]) -> Any:
    """Runs a builder in its model's scope of the default graph, on its device.

    Args:
      model: The model.
      build: Its builder.

    Raises:
      BuilderFailure: It raised, or its scope was taken.
    """
    with entered_scope(model):
        try:
            outputs = build()
            if tf.get_default_graph().finalized:
                raise RuntimeError("it finalised the graph: variables need operations")
            return outputs
        except (Exception, SystemExit) as error:
            finding = _builder_finding(model, error)
            raise BuilderFailure(finding, cause=error) from error


def _builder_finding(model: Model, error: BaseException) -> Finding:
    text = str(error).strip().splitlines()
    return Finding(
        KINDS["builder-failed"],
        getattr(model.build, "__qualname__", repr(model.build)),
        f"{_place(error)}{type(error).__name__}: {text[0] if text else ''}"[:300],
        model=model.name,
    )


def _place(error: BaseException) -> str:
    """File and line of the innermost code that is no installed package."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "site-packages" not in one.filename]
    if len(own) < 2:  # Our own call of the builder is always there.
        return ""
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}: "


def check_outputs(graph: Any, model: Model, outputs: Any) -> None:
    """Demands that a graph can compute all that a builder returned.

    Raises:
      BuilderFailure: It cannot, or two of the outputs have one path.
    """
    try:
        found = leaves(outputs)
    except TypeError as error:
        text = f"what it returned is no nest of tensors: {error}"
        raise _bad_outputs(model, text, error) from error
    paths = [leaf.path for leaf in found]
    if len(set(paths)) < len(paths):
        text = f"two of its outputs have the path {_first_twice(paths)!r}"
        raise _bad_outputs(model, text, ValueError(text))
    for leaf in found:
        if leaf.value is None:
            continue
        try:
            if isinstance(leaf.value, (str, bytes)):
                raise TypeError("a text is no tensor")
            for part in tf.nest.flatten(leaf.value, expand_composites=True):
                graph.as_graph_element(part)
        except (TypeError, ValueError, AttributeError) as error:
            where = f"its output {leaf.path!r}" if leaf.path else "what it returned"
            kind = type(leaf.value).__name__
            text = f"{where} is a {kind}, which this graph cannot compute"
            raise _bad_outputs(model, text, error) from error


def _first_twice(names: Sequence[str]) -> str:
    return next(name for place, name in enumerate(names) if name in names[:place])


def _bad_outputs(model: Model, message: str, cause: Exception) -> BuilderFailure:
    finding = Finding(
        KINDS["builder-failed"],
        getattr(model.build, "__qualname__", repr(model.build)),
        message,
        model=model.name,
        hint="return tensors that the builder made, in any nest",
    )
    return BuilderFailure(finding, cause=cause)
