"""Restored models: one graph, one session, ready to be called."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    Sequence,
    Union,
)

from legacy_restore import errors
from legacy_restore.checkpoint.closed_on_exit import ClosedOnExit
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.check import check_session
from legacy_restore.graph.closing import closing_is
from legacy_restore.graph.cluster_session import time_limited
from legacy_restore.graph.copied_through import copied_through
from legacy_restore.graph.frugal_swap import swapped_by_tensors
from legacy_restore.graph.gate import Gate
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.restored_signature import RestoredSignature
from legacy_restore.graph.saving import replace_variables, save_variables
from legacy_restore.graph.swap import plan_swap, swapped
from legacy_restore.report.check_report import CheckReport
from legacy_restore.restoring.reports import ModelReport, RestoreReport, model_report

_SWAPS: Mapping[str, Callable[..., Any]] = {
    "full": swapped,
    "low": swapped_by_tensors,
}


class RestoredModel:
    """One restored model; calling it computes its outputs.

    Calls are safe from several threads at once. Where models share variables
    (``Shared``), each has objects of its own for one storage: what the one trains or
    swaps, the others see.

    Attributes:
      name: The model's name.
      scope: Its variable scope.
      inputs: The tensors to feed, by name without the scope.
      outputs: Exactly what the builder returned; of a saved graph, a dictionary.
      signatures: Of a saved graph, all of its signatures, by name, each to be called as
        the model itself.
      variables: The ``tf.Variable`` objects that the builder created, in that order;
        of a partitioned variable its parts.
      report: What was restored, or swapped in last.
    """

    def __init__(self, owner: Restored, built: BuiltModel, report: ModelReport) -> None:
        """Wraps a model of a restored session; ``restored[name]`` gives it."""
        self._owner = owner
        self._built = built
        self.name = built.model.name
        self.scope = built.model.scope
        called = f"model {self.name!r}"
        self._main = RestoredSignature(called, built.inputs, built.outputs, owner._used)
        self.inputs = self._main.inputs
        self.outputs = self._main.outputs
        self.signatures: Dict[str, RestoredSignature] = {
            name: RestoredSignature(
                f"{called}, signature {name!r}", one.inputs, one.outputs, owner._used
            )
            for name, one in built.signatures.items()
        }
        self.variables: List[Any] = [
            part for owned in built.variables.values() for part in owned.parts
        ]
        self.report = report

    @property
    def saver(self) -> Any:
        """A ``tf.compat.v1.train.Saver`` over the restored variables, or None.

        It has the checkpoint's own keys; of variables that share a key (averages of a
        training graph) it has the first, and nothing that another model restores for
        this one (``Shared``). None for a model that restores nothing itself. It is
        made when it is first asked for, which adds its operations to the graph:
        restoring, swapping and saving take none. Where TensorFlow executes eagerly, it
        works only inside of ``with restored.graph.as_default()``. ``swap`` checks what
        its ``restore`` does not.

        Raises:
          RestoreError: It is not made yet, and the graph is finalised.
        """
        return self._owner.plan.operations.saver(self.name)

    @property
    def required_inputs(self) -> List[str]:
        """The names of the inputs that have no default."""
        return self._main.required_inputs

    def __call__(self, *feeds: Mapping[Any, Any], **inputs: Any) -> Any:
        """Computes the model's outputs.

        Args:
          *feeds: At most one mapping of arrays by the name of the input without the
            scope, or by its tensor; for names that are no Python identifiers.
          **inputs: Arrays by the name of the input.

        Returns:
          The nest that the builder returned, with arrays for tensors and None for
          operations, which are never run.

        Raises:
          InputError: An input is missing, unknown or unusable, or the builder returned
            nothing to compute.
          ClosedError: The session was closed.
        """
        return self._main(*feeds, **inputs)

    def swap(self, location: LocationLike, *, memory: str = "full") -> ModelReport:
        """Gives the model the weights of another checkpoint; adds no operation.

        The keys may be others; rules and waivers are the model's. Calls that have begun
        are waited for, and new ones held until it is done: none sees weights of both.
        (What is run through ``session`` itself is not held.) Old and new weights of the
        model may be in memory at once. Variables that the restore left to their
        initialisers keep their values, also those that were computed from old weights.
        What is shared is swapped for all models with the owner that was named; any
        other checkpoint has to hold what is in the session, or, beside a named owner,
        has it left alone.

        Args:
          location: A location as ``open_checkpoint`` takes it.
          memory: ``"full"`` keeps the old weights until the last step has succeeded.
            ``"low"`` verifies the whole checkpoint and then assigns tensor by tensor,
            which takes the largest tensor twice besides the weights. It is not atomic:
            if the files change meanwhile, or it is interrupted, some weights are new
            and others old. The error says so, and another swap mends it.

        Returns:
          What was restored; ``check`` compares with this checkpoint from now on.

        Raises:
          RestoreError: It does not fit or cannot be read, or it has variables that the
            restore left to their initialisers, or lacks some that were restored. The
            weights are as they were, but for ``swap-half-done`` among its findings.
          UsageError: ``memory`` cannot be meant.
          ClosedError: The session was closed.
        """
        if memory not in _SWAPS:
            known = " or ".join(f'"{one}"' for one in _SWAPS)
            raise errors.UsageError(f"memory has to be {known}, not {memory!r}")
        return self._owner._swap_model(self, location, _SWAPS[memory])

    def save(
        self,
        prefix: Union[str, os.PathLike[str]],
        *,
        overwrite: bool = False,
        allow_lost: Sequence[str] = (),
    ) -> str:
        """Writes the model's current values under its names without the scope.

        So the checkpoint fits the model in any scope, and its builder without one. All
        variables are written but local ones, shared ones too. It is read back before
        it takes its name. What trains meanwhile through ``session`` may be written in
        the midst of a step. Of a saved graph, what its outputs do not need is copied
        from the checkpoint that it is restored from, and all keys are those of its
        file, whose own Saver reads what is saved. No state file is written: several
        models may go into one directory.

        Args:
          prefix: The prefix of the new checkpoint, such as ``"out/decoder"``; its
            directory has to exist.
          overwrite: Permits to replace the checkpoint that is there.
          allow_lost: Patterns of keys that are not to be copied, where the files that
            they would come from are gone, or nobody wants them.

        Returns:
          The prefix.

        Raises:
          RestoreError: There is a checkpoint, or it cannot be written; whatever was
            there is there still.
          UsageError: The prefix cannot be meant, or the model has no variables.
          ClosedError: The session was closed.
        """
        session = self._owner.session
        writer = self._owner.plan.operations.models[self.name].writer
        if writer is None:
            raise errors.UsageError(f"model {self.name!r} has no variables to save")
        with self._owner._used():
            copied = copied_through(self._owner.plan, self.name, writer, allow_lost)
            if overwrite:
                return replace_variables(session, writer, prefix, copied)
            return save_variables(session, writer, prefix, copied)

    def __repr__(self) -> str:
        return f"<RestoredModel {self.name!r}: {len(self.variables)} variables>"


class Restored(Mapping[str, RestoredModel], ClosedOnExit):
    """All models of a restore, by name, in one graph and one session.

    Owns both; a context manager. ``with`` only closes: everything is restored from
    the start.

    Attributes:
      plan: The plan that was carried out; a swap replaces its model's part.
      report: What was restored at first, and how long it took.
      graph: The ``tf.Graph``; it is not finalised.
    """

    def __init__(self, session: Any, plan: GraphPlan, report: RestoreReport) -> None:
        """Takes over a session; ``restore`` is the way to get one."""
        self._session = session
        self._is_closed = False
        self._gate = Gate()
        self._swapping = threading.Lock()
        self.plan = plan
        self.report = report
        self.graph = plan.graph
        self._models = {
            name: RestoredModel(self, built, report.models[name])
            for name, built in plan.built.items()
        }

    @property
    def session(self) -> Any:
        """The ``tf.compat.v1.Session``.

        Raises:
          ClosedError: It was closed.
        """
        if self._is_closed:
            raise self._closed()
        return self._session

    def check(self) -> CheckReport:
        """Compares every variable with its checkpoint; may be called at any time.

        Proved is the equality of contents by the CRC32C that the checkpoint stores.

        Raises:
          ClosedError: The session was closed.
        """
        with self._used() as session:
            return check_session(session, self.plan)

    def _swap_model(
        self, model: RestoredModel, location: LocationLike, swapping: Callable[..., Any]
    ) -> ModelReport:
        session = self.session
        with closing_is(self._closed()), self._swapping:
            before = self.plan, model.report
            plan = plan_swap(session, self.plan, model.name, location)
            with self._gate.change():  # Calls go on while the files are looked at.
                try:
                    with time_limited(session), swapping(
                        session, plan, model.name
                    ) as remarks:
                        report = model_report(plan[model.name], remarks)
                        self.plan, model.report = plan, report
                except BaseException:
                    self.plan, model.report = before
                    raise
        return report

    @contextlib.contextmanager
    def _used(self) -> Iterator[Any]:
        """Gives the session, and keeps swaps out while it is used.

        Raises:
          ClosedError: It was closed.
        """
        session = self.session
        limit = time_limited(session)
        with closing_is(self._closed()), self._gate.use(), limit:
            yield session

    def _closed(self) -> errors.ClosedError:
        return errors.ClosedError(
            f"the session of {', '.join(self._models)} was closed",
            hint="keep what you need of it, or restore again",
        )

    def close(self) -> None:
        """Closes the session; may be called twice."""
        self._is_closed = True
        self._gate.open_for_good()
        self._session.close()

    def __getitem__(self, name: str) -> RestoredModel:
        """Returns a model by its name.

        Raises:
          KeyError: There is no such model.
        """
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)
