"""Restoring all models of a plan into one new session: all of them or none."""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.graph.alias import readable_prefixes
from legacy_restore.graph.initialise import initialization_waves
from legacy_restore.graph.model import Model
from legacy_restore.graph.plan import GraphPlan, file_stamps
from legacy_restore.graph.plan import plan as make_plan
from legacy_restore.graph.reasons import reason_of
from legacy_restore.graph.reports import ModelReport, RestoreReport
from legacy_restore.graph.restored import Restored
from legacy_restore.graph.tf import tf
from legacy_restore.planning.hints import waiver_hints
from legacy_restore.planning.plan import Action
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names, human_bytes

_log = logging.getLogger("legacy_restore")


def restore(
    models: Union[Iterable[Model], GraphPlan],
    *,
    connect: Optional[Mapping[str, str]] = None,
    config: Any = None,
) -> Restored:
    """Restores models into one new session: all of them, or none.

    Every file, shape and dtype is checked before there is a session. Then one
    ``session.run`` reads everything, each tensor verified by its checksum, and assigns
    only when all of it was read. Last run the initialisers of what the plan leaves to
    them, and of lookup tables; no other initialiser is run.

    TensorFlow's own ``Saver.restore`` checks no shapes of resource variables, and
    leaves variables changed when it fails half-way (``BaseSaverBuilder`` in
    ``tensorflow/python/training/saver.py``).

    Args:
      models: Models, or a plan of them.
      connect: Which output becomes which input, as in ``plan``; not with a plan.
      config: A ``tf.compat.v1.ConfigProto`` for the session; TensorFlow's defaults
        unless given.

    Returns:
      Graph and session, which live until ``close()``; a context manager.

    Raises:
      RestoreError: The plan does not add up, or the restore failed; all problems are
        in its findings, and no session is left behind.
      UsageError: The models cannot be planned together.
      BuildError: A builder failed.
    """
    started = time.monotonic()
    if isinstance(models, GraphPlan):
        if connect is not None:
            raise errors.UsageError("connect belongs to the call that made the plan")
        plan = models
    else:
        plan = make_plan(models, connect=connect)
    _refuse_unless_ok(plan)
    _refuse_if_changed(plan)
    planned = time.monotonic()
    if config is not None and not isinstance(config, tf.ConfigProto):
        raise errors.UsageError(f"config has to be a ConfigProto, not {config!r}")
    session = tf.Session(graph=plan.graph, config=config)
    try:
        _read_and_assign(session, plan)
        # What was read is what was planned only if no file was replaced meanwhile.
        _refuse_if_changed(plan)
        _initialize_rest(session, plan)
    except BaseException:
        session.close()
        raise
    done = time.monotonic()
    report = _report(plan, seconds_planning=planned - started, seconds=done - planned)
    return Restored(session, plan, report)


def _refuse_unless_ok(plan: GraphPlan) -> None:
    if plan.ok:
        return
    refused = [model for model in plan.models if not model.ok]
    if len(refused) == 1:
        model = refused[0]
        where = "" if model.location is None else f" from {model.location.prefix}"
        unfit = len(model.rows_to(Action.REFUSE))
        what = f"{unfit} of {len(model.rows)} variables" if unfit else "it"
        headline = f"model {model.name!r}: {what} cannot be restored{where}"
    else:
        names = cut_names([model.name for model in refused])
        headline = (
            f"{len(refused)} of {len(plan.models)} models cannot be restored: {names}"
        )
    raise errors.RestoreError(
        refusal_text(
            f"{headline}; nothing was changed", plan.findings, waiver_hints(plan)
        ),
        findings=plan.findings,
    )


def _refuse_if_changed(plan: GraphPlan) -> None:
    """The plan's shapes are only as good as the files that they were read from."""
    findings = []
    for name, opened in plan.opened.items():
        now = file_stamps(opened.stamps)
        changed = [
            path for path, stamp in opened.stamps.items() if now.get(path) != stamp
        ]
        findings += [
            Finding(
                KINDS["checkpoint-changed"],
                path,
                "it is gone" if path not in now else "it was written to",
                model=name,
                hint="make the plan again",
            )
            for path in changed
        ]
    _raise_for(findings, "a checkpoint is no longer the one that was planned")


def _raise_for(findings: List[Finding], headline: str) -> None:
    if findings:
        raise errors.RestoreError(
            refusal_text(f"{headline}; nothing was changed", findings),
            findings=findings,
        )


def _read_and_assign(session: Any, plan: GraphPlan) -> None:
    operations = plan.operations.restore_operations()
    if not operations:
        return
    names = list(plan.operations.savers)
    prefixes = {name: plan.opened[name].prefix for name in names}
    files = {name: plan.opened[name].paths for name in names}
    size = sum(row.entry.nbytes for row in plan.rows if row.entry is not None)
    _log.debug("reading %s from %d checkpoints", human_bytes(size), len(names))
    try:
        with readable_prefixes(files, prefixes) as readable:
            session.run(operations, plan.operations.feeds(readable))
    except (tf.errors.OpError, OSError) as error:
        findings = _faults(plan) or [_failure(error)]
        raise errors.RestoreError(
            refusal_text(
                "the checkpoints cannot be read; no session was left", findings
            ),
            findings=findings,
        ) from error


def _faults(plan: GraphPlan) -> List[Finding]:
    """Reads every planned tensor once more to name the ones that are damaged."""
    findings: List[Finding] = []
    for model in plan.models:
        rows = model.rows_to(Action.RESTORE)
        if rows and model.location is not None:
            prefix = plan.opened[model.name].prefix
            found = _faults_of(prefix, [str(row.key) for row in rows])
            findings += [dataclasses.replace(one, model=model.name) for one in found]
    return findings


def _faults_of(prefix: str, keys: List[str]) -> List[Finding]:
    try:
        # By its index: a directory may have the name of the prefix.
        with open_checkpoint(prefix + ".index") as checkpoint:
            found = list(errors_of(checkpoint.findings))
            for key in keys:
                try:
                    checkpoint.verify_tensor(key)
                except errors.LegacyRestoreError as error:
                    found += error.findings
            return found
    except errors.LegacyRestoreError as error:
        return [Finding(KINDS["corrupt"], prefix, error.message)]


def _failure(error: Exception) -> Finding:
    return Finding(KINDS["restore-failed"], type(error).__name__, reason_of(error))


def _initialize_rest(session: Any, plan: GraphPlan) -> None:
    left = [
        part
        for row in plan.rows
        if row.action is Action.INITIALIZE
        for part in plan.built[row.model].variables[row.variable.name].parts
    ]
    waves = [
        [variable.initializer for variable in wave]
        for wave in initialization_waves(left)
    ]
    tables = [
        operation
        for built in plan.built.values()
        for operation in built.table_initializers
    ]
    for operations in [*waves, tables]:
        if operations:
            _log.debug("running %d initialisers", len(operations))
            _run_initializers(session, operations)


def _run_initializers(session: Any, operations: List[Any]) -> None:
    try:
        session.run(operations)
    except tf.errors.OpError as error:
        finding = Finding(
            KINDS["initializer-failed"], _culprit(error, operations), reason_of(error)
        )
        raise errors.RestoreError(
            refusal_text("an initialiser failed; no session was left", [finding]),
            findings=[finding],
        ) from error


def _culprit(error: Any, operations: List[Any]) -> str:
    """The operation that failed; TensorFlow 2 does not tell one inside a function."""
    if error.op is not None:
        return str(error.op.name)
    first, rest = operations[0].name, len(operations) - 1
    return f"{first} or one of {rest} more" if rest else str(first)


def _report(
    plan: GraphPlan, *, seconds_planning: float, seconds: float
) -> RestoreReport:
    models: Dict[str, ModelReport] = {}
    for model in plan.models:
        rows = model.rows_to(Action.RESTORE)
        models[model.name] = ModelReport(
            plan=model, nbytes=sum(row.entry.nbytes for row in rows if row.entry)
        )
    return RestoreReport(plan, models, seconds_planning, seconds)
