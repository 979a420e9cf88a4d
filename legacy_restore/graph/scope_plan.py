"""Planning to restore a scope of the caller's graph, and making the operations."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph import build_findings, scopes
from legacy_restore.graph.finalized import refuse_finalized
from legacy_restore.graph.operations import ModelOperations
from legacy_restore.graph.restore_graph import Restorable, entered, make_groups
from legacy_restore.graph.saveables import OwnedSaveable, repeated_names
from legacy_restore.graph.table_findings import with_table_findings
from legacy_restore.graph.variables import OwnedVariable, is_resource
from legacy_restore.mapping.model_rules import (
    KeptRule,
    packs_of,
    remaps_of,
    renames_of,
)
from legacy_restore.mapping.partial import Partial
from legacy_restore.mapping.vocabulary import read_row_maps
from legacy_restore.planning.assemble import PlanInput, plan_model
from legacy_restore.planning.plan import Action, ModelPlan, Plan, rows_by_source
from legacy_restore.planning.spec import ModelSpec
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.refusals import open_or_refuse, refuse_unless_ok
from legacy_restore.tf import tf

# Graphs of all threads: what it guards takes milliseconds, once for each scope.
_making = threading.Lock()


@dataclasses.dataclass(frozen=True, eq=False)
class ScopeOperations:
    """The operations that restore a scope, kept in its graph.

    Attributes:
      restored: The names of the variables that they restore, in the groups in which
        they do it.
      model: Those that read and assign.
      has_value: Tells of each part of the scope's variables whether it has a value, by
        the name of its operation.
    """

    restored: Tuple[Tuple[str, ...], ...]
    model: ModelOperations
    has_value: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class ScopePlan:
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
    operations: ScopeOperations
    tables: Tuple[Any, ...]


def plan_scope(
    graph: Any,
    scope: Any,
    location: LocationLike,
    rules: Sequence[KeptRule],
    partial: Partial,
    **more: Any,
) -> ScopePlan:
    """Plans a restore, and makes its operations where there are none yet."""
    name = scopes.scope_name(scope)
    variables = scopes.owned_in_scope(graph, name)
    orphans = scopes.orphans_in_scope(graph, name)
    saveables = scopes.saveables_in_scope(graph, name)
    if not variables and not orphans and not saveables.owned:
        raise scopes.no_variables(graph, name)
    row_maps = read_row_maps(name or scopes.ROOT, remaps_of(rules))
    spec = scopes.describe_scope(
        graph,
        name,
        variables,
        saveables.owned,
        rules=renames_of(rules),
        packs=packs_of(rules),
        partial=dataclasses.replace(partial, remaps=row_maps.maps),
        **more,
    )
    opened = open_or_refuse(spec.name, location, f"{spec.name!r} cannot be restored")
    tables = scopes.tables_in_scope(graph, name)
    findings = (
        *saveables.findings,
        *repeated_names(spec.name, list(variables), saveables),
        *build_findings.orphan_findings(spec.name, orphans, variables),
        *build_findings.vocabulary_findings(spec.name, tables),
        *row_maps.findings,
    )
    given = PlanInput(spec, opened.source, findings)
    plan = plan_model(given, [given])
    plan = with_table_findings(plan, saveables.by_row(), opened.prefix)
    refuse_unless_ok(Plan((plan,), plan.findings))
    by_row = saveables.by_row()
    operations = _operations(graph, spec, variables, by_row, plan)
    return ScopePlan(
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
) -> ScopeOperations:
    """The operations for what a plan restores, made unless the graph has them."""
    restored = tuple(
        tuple(row.variable.name for row in group)
        for group in rows_by_source(plan.rows_to(Action.RESTORE))
    )
    with _making:
        # Collections whose key is no text stay out of an exported graph.
        key = ("legacy_restore/scopes", spec.scope)
        known: List[ScopeOperations] = graph.get_collection_ref(key)
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
    restored: Tuple[Tuple[str, ...], ...],
) -> ScopeOperations:
    groups = make_groups(graph, [Restorable(plan, variables, saveables)])
    model = ModelOperations(groups[plan.name], writer=None)
    with entered(graph, ""), tf.name_scope("legacy_restore/has_value"):
        has_value = {name: _has_value(part) for name, part in _parts(variables).items()}
    return ScopeOperations(restored, model, has_value)


def _has_value(variable: Any) -> Any:
    # tf.is_variable_initialized is logged as an error where it is not run.
    if is_resource(variable):
        return tf.raw_ops.VarIsInitializedOp(resource=variable.handle)
    return tf.raw_ops.IsVariableInitialized(ref=variable.op.outputs[0])


def _parts(variables: Mapping[str, OwnedVariable]) -> Dict[str, Any]:
    return {part.op.name: part for one in variables.values() for part in one.parts}
