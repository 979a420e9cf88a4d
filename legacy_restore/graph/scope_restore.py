"""Restoring a scope of a graph and a session that the caller keeps.

That session may have values that matter: what fails must leave every variable that was
initialised before as it was. So the values of the restored variables are kept until
the last step has succeeded.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph import scopes
from legacy_restore.graph.closing import closing_is
from legacy_restore.graph.converting import (
    ConvertedModel,
    feeds_at_once,
    initialize_and_merge,
)
from legacy_restore.graph.kept import Kept, values_kept
from legacy_restore.graph.reading import Reading, run_initializers, run_reads
from legacy_restore.graph.saveable_values import has_entries, objects_kept
from legacy_restore.graph.scope_plan import ScopePlan, plan_scope
from legacy_restore.graph.tables import initializers_but
from legacy_restore.mapping import waivers
from legacy_restore.mapping.model_rules import Rule, check_model_rules
from legacy_restore.mapping.partial import ShapeWaivers, check_partial
from legacy_restore.planning.plan import Action
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.restoring.refusals import (
    raise_for,
    refuse_if_changed,
)
from legacy_restore.restoring.reports import ModelReport, model_report
from legacy_restore.tf import tf

_CONSEQUENCE = "variables that had values have them still"


def restore_scope(
    session: Any,
    scope: Any,
    location: LocationLike,
    *,
    rules: Sequence[Rule] = (),
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
    allow_shape: ShapeWaivers = (),
    cast: Optional[Mapping[str, Any]] = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> ModelReport:
    """Restores the variables of a scope in a session of the caller's own.

    For code that keeps its graph and its session. Everything is checked before
    anything is changed. Of the variables that may be missing only those run their
    initialisers that have no value yet. The session's graph need not be the default
    one, and TensorFlow may execute eagerly (``Saver.restore`` then fails outside of
    ``graph.as_default()``). A second call for the same variables adds no operation.

    Args:
      session: A ``tf.compat.v1.Session``.
      scope: The scope's name, or a ``tf.compat.v1.VariableScope``; ``""`` is the root,
        which has all variables.
      location: A location as ``open_checkpoint`` takes it.
      rules: ``Rename`` rules for the checkpoint's keys, and ``VocabularyRemap``.
      allow_missing: Patterns, matched with whole names without the scope, of variables
        that may be missing in the checkpoint.
      allow_unused: Patterns, matched with whole keys, of weights that may be left in
        the checkpoint.
      allow_shape: As for ``Model``; what a larger variable does not get from the
        checkpoint is initialised only where it has no value yet, else it stays.
      cast: As for ``Model``.
      only: As for ``Model``.
      exclude: As for ``Model``.

    Returns:
      What was restored.

    Raises:
      RestoreError: The checkpoint does not fit or cannot be read, an initialiser or a
        table failed, or the graph is finalised and the scope was not restored before
        (``init_fn`` is for that). Variables that had values have them still.
      UsageError: An argument cannot be meant, or the scope has no variables.
      ClosedError: The session was closed.
    """
    graph = getattr(session, "graph", None)
    if not isinstance(graph, tf.Graph) or not hasattr(session, "run"):
        raise errors.UsageError(f"{session!r} is no session")
    planned = plan_scope(
        graph,
        scope,
        location,
        rules=check_model_rules(rules),
        allow_missing=waivers.check_patterns("allow_missing", allow_missing),
        allow_unused=waivers.check_patterns("allow_unused", allow_unused),
        partial=check_partial(allow_shape, cast, only, exclude),
    )
    return _in_session(session, planned)


def init_fn(
    scope: Any,
    location: LocationLike,
    *,
    graph: Any = None,
    rules: Sequence[Rule] = (),
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
    allow_shape: ShapeWaivers = (),
    cast: Optional[Mapping[str, Any]] = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Callable[..., ModelReport]:
    """Returns a function that restores a scope once there is a session.

    For code whose session is made by ``Scaffold`` (``MonitoredTrainingSession``),
    ``Supervisor`` or ``tf_slim.learning``, which finalise the graph first. The
    checkpoint is looked at, and refused, when the function is made.

    Args:
      scope: As for ``restore_scope``.
      location: The checkpoint; its prefix is settled now.
      graph: A ``tf.Graph``; the default graph unless given.
      rules: As for ``restore_scope``.
      allow_missing: As for ``restore_scope``.
      allow_unused: As for ``restore_scope``.
      allow_shape: As for ``restore_scope``.
      cast: As for ``restore_scope``.
      only: As for ``restore_scope``.
      exclude: As for ``restore_scope``.

    Returns:
      A function that takes ``(session)``, or ``(scaffold, session)`` as ``Scaffold``
      gives them, and restores as ``restore_scope`` does.

    Raises:
      RestoreError: The checkpoint does not fit, or the graph is finalised already.
      UsageError: An argument cannot be meant, or the scope has no variables.
    """
    planned = plan_scope(
        scopes.graph_of(graph),
        scope,
        location,
        rules=check_model_rules(rules),
        allow_missing=waivers.check_patterns("allow_missing", allow_missing),
        allow_unused=waivers.check_patterns("allow_unused", allow_unused),
        partial=check_partial(allow_shape, cast, only, exclude),
    )

    def restore(*scaffold_and_session: Any) -> ModelReport:
        session = scaffold_and_session[-1] if scaffold_and_session else None
        if getattr(session, "graph", None) is not planned.graph:
            raise errors.UsageError(
                f"{session!r} is no session of the graph that init_fn was made for"
            )
        return _in_session(session, planned)

    return restore


def _in_session(session: Any, planned: ScopePlan) -> ModelReport:
    run_step_fn = getattr(session, "run_step_fn", None)
    if run_step_fn is None:
        return _carry_out(session, planned)
    # The session inside of a MonitoredSession runs no hooks.
    report: ModelReport = run_step_fn(
        lambda step_context: _carry_out(step_context.session, planned)
    )
    return report


def _carry_out(session: Any, planned: ScopePlan) -> ModelReport:
    refuse_if_changed({planned.spec.name: planned.opened})
    with closing_is(errors.ClosedError("the session was closed")):
        remarks = _restore(session, planned)
    return model_report(planned.plan, remarks)


def _restore(session: Any, planned: ScopePlan) -> List[Finding]:
    has_value = _which_have_values(session, planned)
    left = [
        part for part in _parts_to_initialize(planned) if not has_value[part.op.name]
    ]
    groups = planned.operations.model.groups
    without_value = frozenset(name for name, has in has_value.items() if not has)
    tables = _initializers_of_tables(session, planned)
    kept = Kept(groups, (), planned.variables, without_value)
    with values_kept(session, kept), objects_kept(session, groups, ()):
        remarks = list(_read(session, planned))
        refuse_if_changed({planned.spec.name: planned.opened})
        models = [_converted_model(planned)]
        remarks += initialize_and_merge(session, left, models, _CONSEQUENCE)
        run_initializers(session, tables, _CONSEQUENCE)
    return remarks


def _which_have_values(session: Any, planned: ScopePlan) -> Dict[str, bool]:
    try:
        found: Dict[str, bool] = session.run(dict(planned.operations.has_value))
    except tf.errors.CancelledError:
        raise  # The session was closed.
    except tf.errors.OpError as error:
        reason = reason_of(error)
        finding = Finding(KINDS["restore-failed"], planned.spec.name, reason)
        raise_for([finding], "the session cannot run its graph")
        raise
    return found


def _initializers_of_tables(session: Any, planned: ScopePlan) -> List[Any]:
    """What fills tables, but for those that are restored or have entries already."""
    left = {row.variable.name for row in planned.plan.rows_to(Action.INITIALIZE)}
    filled = {
        one.table.name
        for name, one in planned.saveables.items()
        if one.table is not None and (name not in left or has_entries(session, one))
    }
    return initializers_but(planned.tables, filled)


def _parts_to_initialize(planned: ScopePlan) -> List[Any]:
    return [
        part
        for row in planned.plan.rows
        if row.is_merged
        or (row.action is Action.INITIALIZE and not row.variable.saved_with)
        for part in planned.variables[row.variable.name].parts
    ]


def _converted_model(planned: ScopePlan) -> ConvertedModel:
    groups = planned.operations.model.groups
    return ConvertedModel(planned.plan, planned.opened, planned.variables, groups)


def _read(session: Any, planned: ScopePlan) -> Sequence[Finding]:
    name = planned.spec.name
    model = planned.operations.model
    converted = _converted_model(planned)
    fed = feeds_at_once([converted], _CONSEQUENCE)
    assignments = [one.assign for one in converted.at_once()]
    if not assignments:
        return fed.remarks
    rows = planned.plan.rows_to(Action.RESTORE)
    keys = {row.variable.name: str(row.key) for row in rows}
    reading = Reading([planned.plan], {name: planned.opened}, _CONSEQUENCE)
    run_reads(
        session,
        reading,
        assignments,
        lambda prefixes: {
            **model.prefix_feeds(prefixes[name]),
            **model.key_feeds(keys),
            **fed.feeds,
        },
    )
    return fed.remarks
