"""Building models: one graph, each model in its own variable scope."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Collection, List, Mapping, Optional, Set, Tuple

from legacy_restore.graph import build_findings
from legacy_restore.graph import variables as variables_lib
from legacy_restore.graph.built_by_code import construct_by_code
from legacy_restore.graph.constructed import BuiltSignature, Constructed
from legacy_restore.graph.graph_source import GraphSource
from legacy_restore.graph.interface import Input
from legacy_restore.graph.model import Model
from legacy_restore.graph.nest import leaves
from legacy_restore.graph.ownership import Ownership
from legacy_restore.graph.saveables import OwnedSaveable, repeated_names
from legacy_restore.graph.tables import is_anonymous, is_mutable_table
from legacy_restore.graph.variables import OwnedVariable
from legacy_restore.mapping.model_rules import packs_of, remaps_of, renames_of
from legacy_restore.mapping.vocabulary import read_row_maps
from legacy_restore.planning.spec import ModelSpec
from legacy_restore.report.findings import Finding

_log = logging.getLogger("legacy_restore")


@dataclasses.dataclass(frozen=True)
class BuiltModel:
    """A model whose part of the graph exists.

    Attributes:
      model: The description that it was built from.
      spec: What the plan needs to know of it.
      variables: The variables that the model created, by name, in that order.
      saveables: Its saveable objects, by the name of each of their rows.
      inputs: What to feed: the placeholders that its builder created, by name without
        the scope; of a saved graph, those of its interface.
      outputs: Exactly what the builder returned; of a saved graph, a dictionary.
      operations: All operations that the model created.
      table_initializers: The operations that fill the model's lookup tables.
      findings: What was found while it was built.
      signatures: Of a saved graph, everything that may be called by name.
      written: Variables that the model's own operations write when it is called.
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
    signatures: Mapping[str, BuiltSignature] = dataclasses.field(default_factory=dict)
    written: Tuple[str, ...] = ()

    def tables_among(self, rows: Collection[str]) -> Set[str]:
        """Returns the names of the mutable tables' operations that rows stand for."""
        return {
            one.table.name
            for name, one in self.saveables.items()
            if one.table is not None and name in rows
        }


def build_model(
    graph: Any,
    model: Model,
    ownership: Ownership,
    prefix: Optional[str] = None,
    wired: Optional[Mapping[str, Any]] = None,
) -> BuiltModel:
    """Puts a model into its scope of the graph.

    Args:
      graph: The graph to build in.
      model: The model.
      ownership: The variables of the models that were built before; those of this one
        are added.
      prefix: The prefix of its checkpoint, or None without one.
      wired: Of a saved graph, tensors of the models before it by the names of the
        inputs in whose place they come; those of code are wired afterwards.

    Raises:
      BuilderFailure: The builder raised, its scope was taken, or it returned what
        cannot be computed; or the saved graph cannot be imported.
    """
    if isinstance(model.build, GraphSource):
        from legacy_restore.graph.imported import construct_by_import

        made = construct_by_import(graph, model, model.build, prefix, wired or {})
    else:
        made = construct_by_code(graph, model, model.build)
    created_here = variables_lib.created_by(made.operations, made.objects)
    owned = variables_lib.group_parts(created_here)
    row_maps = read_row_maps(model.name, remaps_of(model.rules))
    findings = [*made.findings, *made.saveables.findings, *row_maps.findings]
    findings += _findings(model, made, owned)
    findings += _ownership_findings(model, made, ownership)
    described = variables_lib.describe_all(graph, owned.values(), model.scope)
    rows = (row for one in made.saveables.owned for row in one.rows)
    spec = ModelSpec(
        name=model.name,
        scope=model.scope,
        variables=(*described, *rows),
        rules=renames_of(model.rules),
        packs=packs_of(model.rules),
        allow_missing=model.allow_missing,
        allow_unused=model.allow_unused,
        weights=model.weights,
        average_names=made.average_names,
        partial=dataclasses.replace(model.partial, remaps=row_maps.maps),
        own=dataclasses.replace(made.own, refused=made.saveables.refused),
        num_constants=made.num_constants,
    )
    _log.debug("built model %r: %d variables", model.name, len(owned))
    return BuiltModel(
        model=model,
        spec=spec,
        variables=owned,
        saveables=made.saveables.by_row(),
        inputs=made.inputs,
        outputs=made.outputs,
        operations=made.operations,
        table_initializers=made.table_initializers,
        findings=tuple(findings),
        signatures=made.signatures,
        written=made.written,
    )


def _findings(
    model: Model, made: Constructed, owned: Mapping[str, OwnedVariable]
) -> List[Finding]:
    variables = [
        operation.name
        for operation in made.operations
        if variables_lib.is_variable_operation(operation)
    ]
    mutable = [one for one in made.operations if is_mutable_table(one)]
    return [
        *build_findings.orphan_findings(model.name, variables, made.objects),
        *build_findings.escape_findings(model, owned),
        *repeated_names(model.name, list(owned), made.saveables),
        *build_findings.unsaved_findings(model, mutable, made.saveables),
    ]


def _ownership_findings(
    model: Model, made: Constructed, ownership: Ownership
) -> List[Finding]:
    returned = [leaf.value for leaf in leaves(made.outputs)]
    claims = ownership.claims(model.name, made.operations, returned, made.wired)
    created = variables_lib.created_by(made.operations, made.objects)
    stored = [variable.op for variable in created]
    stored += [
        one
        for one in made.operations
        if is_mutable_table(one) and not is_anonymous(one)
    ]
    return [*claims, *ownership.add(model.name, stored, made.operations)]
