"""Running builders: one graph, each model in its own variable scope."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import Any, Collection, List, Mapping, Set, Tuple

from legacy_restore.graph import build_findings
from legacy_restore.graph import variables as variables_lib
from legacy_restore.graph.averages import asked_names, average_names
from legacy_restore.graph.collections import own_collections
from legacy_restore.graph.interface import Input, inputs_of
from legacy_restore.graph.keras_names import own_layer_names
from legacy_restore.graph.model import Model
from legacy_restore.graph.nest import leaves
from legacy_restore.graph.ownership import Ownership
from legacy_restore.graph.running import check_outputs, run_builder
from legacy_restore.graph.saveables import (
    OwnedSaveable,
    find_saveables,
    repeated_names,
)
from legacy_restore.graph.tables import is_anonymous, is_mutable_table
from legacy_restore.graph.variables import OwnedVariable
from legacy_restore.mapping.vocabulary import read_row_maps, remaps_of, renames_of
from legacy_restore.planning.spec import ModelSpec
from legacy_restore.report.findings import Finding
from legacy_restore.tf import tf

_log = logging.getLogger("legacy_restore")


@dataclasses.dataclass(frozen=True)
class BuiltModel:
    """A model whose part of the graph exists.

    Attributes:
      model: The description that it was built from.
      spec: What the plan needs to know of it.
      variables: The variables that the builder created, by name, in that order.
      saveables: Its saveable objects, by the name of each of their rows.
      inputs: The placeholders that the builder created, by name without the scope.
      outputs: Exactly what the builder returned.
      operations: All operations that the builder created.
      table_initializers: The operations that fill the model's lookup tables.
      findings: What was found while it was built.
    """

    model: Model
    spec: ModelSpec
    variables: Mapping[str, OwnedVariable]
    saveables: Mapping[str, OwnedSaveable]
    inputs: Mapping[str, Input]
    outputs: Any
    operations: Tuple[Any, ...]
    table_initializers: Tuple[Any, ...]
    findings: Tuple[Finding, ...]

    def tables_among(self, rows: Collection[str]) -> Set[str]:
        """Returns the names of the mutable tables' operations that rows stand for."""
        return {
            one.table.name
            for name, one in self.saveables.items()
            if one.table is not None and name in rows
        }


def build_model(graph: Any, model: Model, ownership: Ownership) -> BuiltModel:
    """Runs a model's builder in the model's scope of the graph.

    Args:
      graph: The graph to build in.
      model: The model.
      ownership: The variables of the models that were built before; those of this one
        are added.

    Raises:
      BuilderFailure: The builder raised, its scope was taken, or it returned what
        cannot be computed.
    """
    before = len(graph.get_operations())
    with graph.as_default(), own_collections(graph):
        with contextlib.ExitStack() as stack:
            created = stack.enter_context(variables_lib.recorded_variables())
            stack.enter_context(own_layer_names(graph))
            asked = stack.enter_context(asked_names(graph))
            outputs = run_builder(model)
        check_outputs(graph, model, outputs)
        operations = graph.get_operations()[before:]
        objects = variables_lib.objects_by_operation(
            graph, [*created, *_collected_variables()]
        )
        tables = tuple(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
        saveables = find_saveables(
            model.name,
            model.scope,
            tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS),
            operations,
        )
    variable_names = [
        operation.name
        for operation in operations
        if variables_lib.is_variable_operation(operation)
    ]
    findings = list(saveables.findings)
    findings += build_findings.orphan_findings(model.name, variable_names, objects)
    created_here = [objects[name] for name in variable_names if name in objects]
    owned = variables_lib.group_parts(created_here)
    described = variables_lib.describe_all(graph, owned.values(), model.scope)
    row_maps = read_row_maps(model.name, remaps_of(model.rules))
    spec = ModelSpec(
        name=model.name,
        scope=model.scope,
        variables=(*described, *(row for one in saveables.owned for row in one.rows)),
        rules=renames_of(model.rules),
        allow_missing=model.allow_missing,
        allow_unused=model.allow_unused,
        weights=model.weights,
        average_names=average_names(operations, created_here, asked),
        partial=dataclasses.replace(model.partial, remaps=row_maps.maps),
    )
    findings += row_maps.findings
    findings += ownership.claims(
        model.name, operations, [leaf.value for leaf in leaves(outputs)]
    )
    findings += build_findings.vocabulary_findings(model.name, tables)
    mutable = [one for one in operations if is_mutable_table(one)]
    stored = [variable.op for variable in created_here]
    stored += [one for one in mutable if not is_anonymous(one)]
    findings += ownership.add(model.name, stored, operations)
    findings += build_findings.escape_findings(model, owned)
    findings += build_findings.input_findings(model, operations)
    findings += repeated_names(model.name, list(owned), saveables)
    findings += build_findings.unsaved_findings(model, mutable, saveables)
    _log.debug("built model %r: %d variables", model.name, len(owned))
    return BuiltModel(
        model=model,
        spec=spec,
        variables=owned,
        saveables=saveables.by_row(),
        inputs=inputs_of(model.scope, operations, outputs),
        outputs=outputs,
        operations=tuple(operations),
        table_initializers=tables,
        findings=tuple(findings),
    )


def _collected_variables() -> List[Any]:
    """Variables that were made past the creators, as ``import_meta_graph`` does."""
    keys = (
        tf.GraphKeys.GLOBAL_VARIABLES,
        tf.GraphKeys.LOCAL_VARIABLES,
        tf.GraphKeys.TRAINABLE_VARIABLES,
        tf.GraphKeys.MODEL_VARIABLES,
    )
    return [item for key in keys for item in tf.get_collection(key)]
