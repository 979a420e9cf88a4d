"""Restoring all models of a plan into one new session: all of them or none."""

from __future__ import annotations

import time
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Union

from legacy_restore import errors
from legacy_restore.graph.check import check_session
from legacy_restore.graph.cluster import cluster_of, session_for, state_remarks
from legacy_restore.graph.converting import (
    ConvertedModel,
    feeds_at_once,
    initialize_and_merge,
)
from legacy_restore.graph.devices import check_devices
from legacy_restore.graph.memory_limit import refuse_unless_fits
from legacy_restore.graph.model import Model
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.plan import plan as make_plan
from legacy_restore.graph.preflight import check_verify
from legacy_restore.graph.reading import Reading, run_initializers, run_reads
from legacy_restore.graph.restored import Restored
from legacy_restore.graph.shared import storage_names
from legacy_restore.graph.tables import initializers_but
from legacy_restore.planning.plan import Action
from legacy_restore.planning.shared import Shared
from legacy_restore.report.check_report import CheckReport
from legacy_restore.report.findings import Finding
from legacy_restore.report.sizes import Size, parse_size
from legacy_restore.restoring.refusals import refuse_if_changed, refuse_unless_ok
from legacy_restore.restoring.reports import RestoreReport, model_report
from legacy_restore.tf import tf

_CONSEQUENCE = "no session was left"


def restore(
    models: Union[Iterable[Model], GraphPlan],
    *,
    shared: Optional[Iterable[Shared]] = None,
    connect: Optional[Mapping[str, str]] = None,
    config: Any = None,
    verify: str = "read",
    memory_limit: Optional[Size] = None,
    target: Optional[str] = None,
    state: Optional[str] = None,
    timeout: Optional[float] = None,
) -> Restored:
    """Restores models into one new session: all of them, or none.

    Every file, shape and dtype is checked before there is a session; then the session
    has to have every device that the models ask for. One ``session.run`` reads
    everything, each tensor verified by its checksum, and assigns only when all of it
    was read. Last run the initialisers of what the plan leaves to them, and of lookup
    tables; no other initialiser is run.

    TensorFlow's own ``Saver.restore`` checks no shapes of resource variables, and
    leaves variables changed when it fails half-way (``BaseSaverBuilder`` in
    ``tensorflow/python/training/saver.py``).

    Args:
      models: Models, or a plan of them.
      shared: Which variables are to have one storage, as in ``plan``; not with a plan.
      connect: Which output becomes which input, as in ``plan``; not with a plan.
      config: A ``tf.compat.v1.ConfigProto`` for the session; TensorFlow's defaults
        unless given. With ``allow_soft_placement``, other devices may come in the
        place of those that are missing.
      verify: ``"read"`` relies on the checksum that TensorFlow compares of each tensor
        while it reads; ``"session"`` also proves the variables before it returns, as
        ``check()`` does, and puts what it found into the report.
      memory_limit: The most that all variables may take while they are restored, such
        as ``"12GiB"``, or bytes. What TensorFlow itself, the graph and calls take
        comes on top of it. What takes more is refused before there is a session, with
        what each model takes and the ways that would fit.
      target: A task of a cluster of ``tf.compat.v1.train.Server``, such as
        ``"grpc://host:2222"``, which makes the session; this process unless given. Each
        variable is read from the files by the task that it is on.
      state: Whose the variables in a cluster are: ``"isolated"``, this session's alone
        (the default); ``"shared"``, those of all sessions, and refused if a variable of
        that name has a value there already; ``"reset"``, shared after everything that
        the cluster holds was cleared and the target's other sessions were closed. With
        a ``config``, its ``isolate_session_state`` decides between the first two.
      timeout: The seconds that a cluster has for each step, 300 unless given: to be
        there, to read everything, and so on, also later for ``swap``, ``check``,
        ``save`` and calls. After that, the tasks that do not answer are named.

    Returns:
      Graph and session, which live until ``close()``; a context manager.

    Raises:
      RestoreError: The plan does not add up, or the restore failed; all problems are
        in its findings, and no session is left behind.
      CheckError: With ``verify="session"``: a variable does not equal its checkpoint.
      UsageError: The models cannot be planned together, or an argument cannot be meant.
      BuildError: A builder failed.
    """
    check_verify(verify)
    limit = None if memory_limit is None else parse_size("memory_limit", memory_limit)
    if config is not None and not isinstance(config, tf.ConfigProto):
        raise errors.UsageError(f"config has to be a ConfigProto, not {config!r}")
    cluster = cluster_of(target, config, state, timeout)
    started = time.monotonic()
    if isinstance(models, GraphPlan):
        for name, given in (("shared", shared), ("connect", connect)):
            if given is not None:
                raise errors.UsageError(
                    f"{name} belongs to the call that made the plan"
                )
        plan = models
    else:
        plan = make_plan(
            models, shared=() if shared is None else shared, connect=connect
        )
    if limit is None:
        refuse_unless_ok(plan)
    else:
        refuse_unless_fits(plan, limit)
    refuse_if_changed(plan.opened)
    planned = time.monotonic()
    plan.operations.prepare()
    with session_for(plan, config, cluster) as session:
        remarks = [
            *state_remarks(cluster),
            *check_devices(session, plan, config),
            *_read_and_assign(session, plan),
        ]
        # What was read is what was planned only if no file was replaced meanwhile.
        refuse_if_changed(plan.opened)
        remarks += _initialize_rest(session, plan)
        check = _proved(session, plan) if verify == "session" else None
        done = time.monotonic()
        report = RestoreReport(
            plan=plan,
            models={model.name: model_report(model, remarks) for model in plan.models},
            seconds_planning=planned - started,
            seconds_restoring=done - planned,
            check=check,
            remarks=tuple(remarks),
        )
        return Restored(session, plan, report)


def _converted_models(plan: GraphPlan) -> List[ConvertedModel]:
    """The models that restore something, with the operations that do it."""
    operations = plan.operations.models
    groups = [group for model in operations.values() for group in model.groups]
    return [
        ConvertedModel(
            plan=plan[name],
            opened=plan.opened[name],
            variables=plan.built[name].variables,
            groups=operations[name].groups,
            others=groups,
        )
        for name in plan.operations.restored_models
    ]


def _read_and_assign(session: Any, plan: GraphPlan) -> Sequence[Finding]:
    models = _converted_models(plan)
    if not models:
        return ()
    plans = [model.plan for model in models]
    devices = {one.name: plan.operations.reading_devices(one.name) for one in plans}
    reading = Reading(plans, plan.opened, _CONSEQUENCE, devices)
    if not any(model.fed_groups() for model in models):
        run = plan.operations.restore_run(session)
        run_reads(session, reading, run.operations, run.feeds)
        return ()
    fed = feeds_at_once(models, _CONSEQUENCE)
    operations = [group.assign for model in models for group in model.at_once()]
    if operations:
        run_reads(
            session,
            reading,
            operations,
            lambda prefixes: {**plan.operations.feeds(prefixes), **fed.feeds},
        )
    return fed.remarks


def _initialize_rest(session: Any, plan: GraphPlan) -> List[Finding]:
    left = [
        part
        for row in plan.rows
        if row.is_merged
        or (row.action is Action.INITIALIZE and not row.variable.saved_with)
        for part in plan.built[row.model].variables[row.variable.name].parts
    ]
    models = _converted_models(plan)
    storage = storage_names(plan.built, plan)
    remarks = initialize_and_merge(session, left, models, _CONSEQUENCE, storage)
    restored = {row.variable.name for row in plan.rows if row.action is Action.RESTORE}
    tables = [
        operation
        for built in plan.built.values()
        for operation in initializers_but(
            built.table_initializers, built.tables_among(restored)
        )
    ]
    run_initializers(session, tables, _CONSEQUENCE)
    return remarks


def _proved(session: Any, plan: GraphPlan) -> CheckReport:
    check = check_session(session, plan)
    check.raise_if_failed()
    return check
