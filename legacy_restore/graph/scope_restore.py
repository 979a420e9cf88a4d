"""Restoring a scope of a graph and a session that the caller keeps.

That session may have values that matter: what fails must leave every variable that was
initialised before as it was. So the values of the restored variables are kept until
the last step has succeeded.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph import build_findings, scopes
from legacy_restore.graph.closing import closing_is
from legacy_restore.graph.finalized import refuse_finalized
from legacy_restore.graph.initialise import initialization_waves
from legacy_restore.graph.kept import Kept, values_kept
from legacy_restore.graph.operations import ModelOperations
from legacy_restore.graph.plan import Opened
from legacy_restore.graph.reading import Reading, run_initializers, run_reads
from legacy_restore.graph.reasons import reason_of
from legacy_restore.graph.refusals import (
    open_or_refuse,
    raise_for,
    refuse_if_changed,
    refuse_unless_ok,
)
from legacy_restore.graph.reports import ModelReport, model_report
from legacy_restore.graph.restore_graph import Restorable, entered, make_savers
from legacy_restore.graph.saveable_values import has_entries, objects_kept
from legacy_restore.graph.saveables import OwnedSaveable, repeated_names
from legacy_restore.graph.table_findings import with_table_findings
from legacy_restore.graph.tables import initializers_but
from legacy_restore.graph.tf import tf
from legacy_restore.graph.variables import OwnedVariable, is_resource
from legacy_restore.mapping import waivers
from legacy_restore.mapping.rules import Rename, check_rules
from legacy_restore.planning.assemble import PlanInput, plan_model
from legacy_restore.planning.plan import Action, ModelPlan, Plan
from legacy_restore.planning.spec import ModelSpec
from legacy_restore.report.findings import KINDS, Finding

_CONSEQUENCE = "variables that had values have them still"

# Graphs of all threads: what it guards takes milliseconds, once for each scope.
_making = threading.Lock()


@dataclasses.dataclass(frozen=True, eq=False)
class _ScopeOperations:
    """The operations that restore a scope, kept in its graph.

    Attributes:
      restored: The names of the variables that they restore.
      model: Those that read and assign.
      has_value: Tells of each part of the scope's variables whether it has a value, by
        the name of its operation.
    """

    restored: Tuple[str, ...]
    model: ModelOperations
    has_value: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class _ScopePlan:
    """A scope that is ready to be restored.

    Attributes:
      graph: The graph.
      spec: The scope, as a plan needs to know it.
      variables: Its variables, by name.
      saveables: Its saveable objects, by the name of each of their rows.
      opened: The checkpoint.
      plan: What is to become of each variable.
      operations: What does it.
      tables: The operations that fill the scope's lookup tables.
    """

    graph: Any
    spec: ModelSpec
    variables: Mapping[str, OwnedVariable]
    saveables: Mapping[str, OwnedSaveable]
    opened: Opened
    plan: ModelPlan
    operations: _ScopeOperations
    tables: Tuple[Any, ...]


def restore_scope(
    session: Any,
    scope: Any,
    location: LocationLike,
    *,
    rules: Sequence[Rename] = (),
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
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
      rules: ``Rename`` rules for the checkpoint's keys.
      allow_missing: Patterns, matched with whole names without the scope, of variables
        that may be missing in the checkpoint.
      allow_unused: Patterns, matched with whole keys, of weights that may be left in
        the checkpoint.

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
    planned = _plan_scope(
        graph,
        scope,
        location,
        rules=check_rules(rules),
        allow_missing=waivers.check_patterns("allow_missing", allow_missing),
        allow_unused=waivers.check_patterns("allow_unused", allow_unused),
    )
    return _in_session(session, planned)


def init_fn(
    scope: Any,
    location: LocationLike,
    *,
    graph: Any = None,
    rules: Sequence[Rename] = (),
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
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

    Returns:
      A function that takes ``(session)``, or ``(scaffold, session)`` as ``Scaffold``
      gives them, and restores as ``restore_scope`` does.

    Raises:
      RestoreError: The checkpoint does not fit, or the graph is finalised already.
      UsageError: An argument cannot be meant, or the scope has no variables.
    """
    planned = _plan_scope(
        scopes.graph_of(graph),
        scope,
        location,
        rules=check_rules(rules),
        allow_missing=waivers.check_patterns("allow_missing", allow_missing),
        allow_unused=waivers.check_patterns("allow_unused", allow_unused),
    )

    def restore(*scaffold_and_session: Any) -> ModelReport:
        session = scaffold_and_session[-1] if scaffold_and_session else None
        if getattr(session, "graph", None) is not planned.graph:
            raise errors.UsageError(
                f"{session!r} is no session of the graph that init_fn was made for"
            )
        return _in_session(session, planned)

    return restore


def _plan_scope(
    graph: Any, scope: Any, location: LocationLike, **rules_and_waivers: Any
) -> _ScopePlan:
    """Plans a restore, and makes its operations where there are none yet."""
    name = scopes.scope_name(scope)
    variables = scopes.owned_in_scope(graph, name)
    orphans = scopes.orphans_in_scope(graph, name)
    saveables = scopes.saveables_in_scope(graph, name)
    if not variables and not orphans and not saveables.owned:
        raise scopes.no_variables(graph, name)
    spec = scopes.describe_scope(
        graph, name, variables, saveables.owned, **rules_and_waivers
    )
    opened = open_or_refuse(spec.name, location, f"{spec.name!r} cannot be restored")
    tables = scopes.tables_in_scope(graph, name)
    findings = (
        *saveables.findings,
        *repeated_names(spec.name, list(variables), saveables),
        *build_findings.orphan_findings(spec.name, orphans, variables),
        *build_findings.vocabulary_findings(spec.name, tables),
    )
    given = PlanInput(spec, opened.source, findings)
    plan = plan_model(given, [given])
    plan = with_table_findings(plan, saveables.by_row(), opened.prefix)
    refuse_unless_ok(Plan((plan,), plan.findings))
    by_row = saveables.by_row()
    operations = _operations(graph, spec, variables, by_row, plan)
    return _ScopePlan(
        graph=graph,
        spec=spec,
        variables=variables,
        saveables=by_row,
        opened=opened,
        plan=plan,
        operations=operations,
        tables=tables,
    )


def _operations(
    graph: Any,
    spec: ModelSpec,
    variables: Mapping[str, OwnedVariable],
    saveables: Mapping[str, OwnedSaveable],
    plan: ModelPlan,
) -> _ScopeOperations:
    """The operations for what a plan restores, made unless the graph has them."""
    restored = tuple(row.variable.name for row in plan.rows_to(Action.RESTORE))
    with _making:
        # Collections whose key is no text stay out of an exported graph.
        key = ("legacy_restore/scopes", spec.scope)
        known: List[_ScopeOperations] = graph.get_collection_ref(key)
        for one in known:
            if one.restored == restored and set(one.has_value) == set(
                _parts(variables)
            ):
                return one
        hint = f"init_fn({spec.scope!r}, location), before it is finalised"
        refuse_finalized(graph, spec.name, hint)
        made = _make(graph, variables, saveables, plan, restored)
        known.append(made)
    return made


def _make(
    graph: Any,
    variables: Mapping[str, OwnedVariable],
    saveables: Mapping[str, OwnedSaveable],
    plan: ModelPlan,
    restored: Tuple[str, ...],
) -> _ScopeOperations:
    savers = make_savers(graph, [Restorable(plan, variables, saveables)])
    model = ModelOperations(savers[plan.name], writer=None)
    with entered(graph, ""), tf.name_scope("legacy_restore/has_value"):
        has_value = {name: _has_value(part) for name, part in _parts(variables).items()}
    return _ScopeOperations(restored, model, has_value)


def _has_value(variable: Any) -> Any:
    # tf.is_variable_initialized is logged as an error where it is not run.
    if is_resource(variable):
        return tf.raw_ops.VarIsInitializedOp(resource=variable.handle)
    return tf.raw_ops.IsVariableInitialized(ref=variable.op.outputs[0])


def _parts(variables: Mapping[str, OwnedVariable]) -> Dict[str, Any]:
    return {part.op.name: part for one in variables.values() for part in one.parts}


def _in_session(session: Any, planned: _ScopePlan) -> ModelReport:
    run_step_fn = getattr(session, "run_step_fn", None)
    if run_step_fn is None:
        return _carry_out(session, planned)
    # The session inside of a MonitoredSession runs no hooks.
    report: ModelReport = run_step_fn(
        lambda step_context: _carry_out(step_context.session, planned)
    )
    return report


def _carry_out(session: Any, planned: _ScopePlan) -> ModelReport:
    refuse_if_changed({planned.spec.name: planned.opened})
    with closing_is(errors.ClosedError("the session was closed")):
        _restore(session, planned)
    return model_report(planned.plan)


def _restore(session: Any, planned: _ScopePlan) -> None:
    has_value = _which_have_values(session, planned)
    left = [
        part
        for part in _parts_to(planned, Action.INITIALIZE)
        if not has_value[part.op.name]
    ]
    savers = planned.operations.model.savers
    without_value = frozenset(name for name, has in has_value.items() if not has)
    tables = _initializers_of_tables(session, planned)
    kept = Kept(savers, (), planned.variables, without_value)
    with values_kept(session, kept), objects_kept(session, savers, ()):
        _read(session, planned)
        refuse_if_changed({planned.spec.name: planned.opened})
        for wave in initialization_waves(left):
            initializers = [variable.initializer for variable in wave]
            run_initializers(session, initializers, _CONSEQUENCE)
        run_initializers(session, tables, _CONSEQUENCE)


def _which_have_values(session: Any, planned: _ScopePlan) -> Dict[str, bool]:
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


def _initializers_of_tables(session: Any, planned: _ScopePlan) -> List[Any]:
    """What fills tables, but for those that are restored or have entries already."""
    left = {row.variable.name for row in planned.plan.rows_to(Action.INITIALIZE)}
    filled = {
        one.table.name
        for name, one in planned.saveables.items()
        if one.table is not None and (name not in left or has_entries(session, one))
    }
    return initializers_but(planned.tables, filled)


def _parts_to(planned: _ScopePlan, action: Action) -> List[Any]:
    return [
        part
        for row in planned.plan.rows_to(action)
        if not row.variable.saved_with
        for part in planned.variables[row.variable.name].parts
    ]


def _read(session: Any, planned: _ScopePlan) -> None:
    name = planned.spec.name
    model = planned.operations.model
    if not model.savers:
        return
    rows = planned.plan.rows_to(Action.RESTORE)
    keys = {row.variable.name: str(row.key) for row in rows}
    reading = Reading([planned.plan], {name: planned.opened}, _CONSEQUENCE)
    run_reads(
        session,
        reading,
        model.assignments,
        lambda prefixes: {
            **model.prefix_feeds(prefixes[name]),
            **model.key_feeds(keys),
        },
    )
