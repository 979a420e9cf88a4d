"""From a file to a graph that can be imported: all passes, in their order.

What the file says is read of all of it: which keys its Saver reads, what fills its
tables, which averages it keeps. Only then is left out what the outputs do not need.
"""

from __future__ import annotations

import dataclasses
from typing import AbstractSet, Any, FrozenSet, List, Mapping, Set, Tuple

from legacy_restore.importing.asset_readers import AssetReaders, find_asset_readers
from legacy_restore.importing.assets import (
    Asset,
    asset_nodes,
    find_assets,
    place_assets,
)
from legacy_restore.importing.average_names import average_names
from legacy_restore.importing.effects import EffectsReader
from legacy_restore.importing.file_readers import find_file_readers
from legacy_restore.importing.function_names import rename_functions
from legacy_restore.importing.graph_index import GraphIndex
from legacy_restore.importing.initializing import Initializers, find_initializers
from legacy_restore.importing.interface import resolve_interface
from legacy_restore.importing.isolating import isolate
from legacy_restore.importing.keeping import with_initializers
from legacy_restore.importing.message_lists import keep_only
from legacy_restore.importing.needed import tensors_of
from legacy_restore.importing.needed_initializers import (
    NeededInitializers,
    initializers_of,
)
from legacy_restore.importing.nodes import node_of
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.op_libraries import load_contrib, load_op_libraries
from legacy_restore.importing.own_keys import objects_left, own_table
from legacy_restore.importing.prepared import Prepared
from legacy_restore.importing.pruning import Kept, after_cuts, needed_for, prune
from legacy_restore.importing.python_functions import (
    check_python_functions,
    python_calls,
)
from legacy_restore.importing.ref_to_resource import to_resource, value_nodes
from legacy_restore.importing.remnants import remnant_findings, remnants
from legacy_restore.importing.repairing import remaining_faults, repair
from legacy_restore.importing.replacing import replace_operations
from legacy_restore.importing.saved_graph import (
    GraphKind,
    ImportOptions,
    Interface,
    SavedGraph,
)
from legacy_restore.importing.saved_variables import (
    SavedVariable,
    added_nodes,
    find_variables,
    left_in_graph,
    variable_definition,
)
from legacy_restore.importing.saver_table import (
    SaverTable,
    read_named_saver,
    read_saver_table,
    table_of_names,
)
from legacy_restore.importing.trusting import check_trust
from legacy_restore.importing.unfilled_queues import unfilled_queues
from legacy_restore.importing.unknown_ops import (
    available_signatures,
    unknown_operations,
)
from legacy_restore.report.findings import Finding

# How a file that has its variables beside it says their keys.
_READ_TABLE = {
    GraphKind.HUB_MODULE: table_of_names,
    GraphKind.SAVED_MODEL: read_named_saver,
}


@dataclasses.dataclass(frozen=True, eq=False)
class _Facts:
    """What the whole file says, before anything is left out.

    Attributes:
      variables: Its variables.
      table: The keys that its Saver reads.
      initializers: What initialises what.
      average_names: What its moving averages are called.
      tokens: The tokens of the Python functions that it calls.
      assets: The files that it reads.
      asset_readers: What reads files, and none but declared or given assets.
        What is left of the graph would not tell: of a variable that names a file it
        lacks that a Saver restores it.
    """

    variables: Tuple[SavedVariable, ...]
    table: SaverTable
    initializers: Initializers
    average_names: Tuple[str, ...]
    tokens: FrozenSet[str]
    assets: Tuple[Asset, ...]
    asset_readers: AssetReaders

    def saved(self, names: AbstractSet[str]) -> Set[str]:
        """Returns which of some nodes get their value from a checkpoint."""
        known = {one.name for one in self.variables}
        tables = {one.node for one in self.table.objects}
        found = (known | tables) & names
        return found - self.table.unsaved(found) - self._local()

    def _local(self) -> Set[str]:
        return {one.name for one in self.variables if one.is_local}


@dataclasses.dataclass(frozen=True, eq=False)
class _Whole:
    """All of a file's graph in order, and what it says.

    Attributes:
      saved: The file, with the graph repaired and operations replaced.
      op_defs: The definitions of its operations.
      interface: What can be called of it.
      facts: What all of it says.
      findings: What was mended, and what cannot be.
    """

    saved: SavedGraph
    op_defs: OpDefs
    interface: Interface
    facts: _Facts
    findings: List[Finding]


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """What is imported of a file's graph, with names as they are in the file.

    Attributes:
      meta_graph: The part.
      interface: What can be called of it.
      variables: The variables in it.
      needed: Its initialisers.
      written: The variables that a call of a signature writes.
      findings: What stands in the way.
    """

    meta_graph: Any
    interface: Interface
    variables: Tuple[SavedVariable, ...]
    needed: NeededInitializers
    written: Tuple[str, ...]
    findings: List[Finding]

    def run(self) -> Set[str]:
        """Returns the nodes that are run, to initialise or in a call."""
        found = {*self.needed.nodes, *(one.initializer for one in self.variables)}
        for signature in self.interface.all():
            found.update(map(node_of, tensors_of(signature.outputs)))
        return found


def prepare(
    saved: SavedGraph, options: ImportOptions, scope: str, model: str
) -> Prepared:
    """Takes a saved graph through all passes.

    Args:
      saved: The graph as its file holds it; its message is taken over.
      options: What is asked of it.
      scope: The scope that it will be imported into.
      model: The model's name, for findings.

    Returns:
      What to import. Whatever stands in the way of that is in its findings, all of it.

    Raises:
      BuildError: Nobody can tell what goes in and comes out.
      UsageError: An argument names what the file does not have.
    """
    whole = _whole(saved, options)
    part = _part(whole, options, model)
    facts = whole.facts
    calls = python_calls(part.meta_graph)
    findings = [
        *whole.findings,
        *part.findings,
        *unknown_operations(part.meta_graph, whole.op_defs),
        *remaining_faults(part.meta_graph),
        *check_python_functions(model, calls, options.py_functions, facts.tokens),
        *check_trust(
            model,
            part.meta_graph,
            whole.saved,
            facts.asset_readers.nodes,
            options,
            part.run(),
        ),
    ]
    meta_graph = isolate(part.meta_graph, scope, whole.op_defs)
    meta_graph = rename_functions(meta_graph, scope)
    definitions = {
        one.name: variable_definition(one, facts.table.keys.get(one.name))
        for one in part.variables
    }
    return Prepared(
        path=saved.path,
        meta_graph=meta_graph,
        interface=part.interface,
        definitions=definitions,
        own=own_table(
            facts.table,
            definitions,
            meta_graph,
            _initialised(facts, part.needed),
            facts.asset_readers.variables,
        ),
        saved_objects=objects_left(facts.table, meta_graph),
        initializers=part.needed.nodes,
        average_names=facts.average_names,
        python_calls=calls,
        written=part.written,
        findings=tuple(_of_model(findings, model)),
    )


def _whole(saved: SavedGraph, options: ImportOptions) -> _Whole:
    """Puts a file's graph in order, and reads what all of it says."""
    findings: List[Finding] = []
    if options.trust:
        findings += load_op_libraries(options.op_libraries)
    meta_graph = load_contrib(saved.meta_graph)
    op_defs = OpDefs(meta_graph)
    meta_graph, found = repair(meta_graph, op_defs)
    findings += found
    meta_graph, found = replace_operations(meta_graph, options.op_replacements, op_defs)
    findings += found
    saved = dataclasses.replace(saved, meta_graph=meta_graph)
    interface, found = available_signatures(
        meta_graph, resolve_interface(saved, options), op_defs
    )
    findings += found
    return _Whole(
        saved, op_defs, interface, _facts_of(saved, op_defs, options), findings
    )


def _part(whole: _Whole, options: ImportOptions, model: str) -> _Part:
    """Leaves out what is not asked for, and gives the rest its files and its kind."""
    meta_graph, interface = whole.saved.meta_graph, whole.interface
    op_defs, facts = whole.op_defs, whole.facts
    findings: List[Finding] = []
    if not options.prune:
        left_out = remnants(meta_graph, facts.variables, facts.table, interface)
        keep_only(meta_graph.graph_def.node, lambda one: one.name not in left_out)
        findings += remnant_findings(left_out, facts.variables)
    called = needed_for(meta_graph, interface)
    findings += unfilled_queues(meta_graph, called.nodes)
    written = _written(meta_graph, op_defs, called)
    kept = _kept(meta_graph, called, facts, options)
    needed = initializers_of(
        facts.initializers,
        meta_graph,
        kept.nodes,
        restored=facts.saved(kept.nodes),
        given=asset_nodes(facts.assets),
        model=model,
    )
    findings += needed.findings
    if options.prune:
        meta_graph = prune(meta_graph, kept.nodes | needed.keep, kept.cuts)
        interface = after_cuts(interface, kept.cuts)
    meta_graph, placed = place_assets(
        meta_graph,
        facts.assets,
        options.assets,
        whole.saved.directory,
        model,
        options.trust,
    )
    findings += placed
    variables = left_in_graph(facts.variables, meta_graph)
    if options.variables == "resource":
        interface = after_cuts(interface, value_nodes(meta_graph))
        meta_graph, found = to_resource(meta_graph, op_defs, variables)
        findings += found
        variables = find_variables(meta_graph, op_defs)
    variables = _initialised_by(variables, needed.assignments)
    for one in variables:
        meta_graph.graph_def.node.extend(added_nodes(one))
    return _Part(meta_graph, interface, variables, needed, written, findings)


def _facts_of(saved: SavedGraph, op_defs: OpDefs, options: ImportOptions) -> _Facts:
    meta_graph = saved.meta_graph
    readers = find_file_readers(meta_graph, op_defs)
    assets = find_assets(saved, readers)
    index = GraphIndex(meta_graph)
    variables = find_variables(meta_graph, op_defs, index)
    read_table = _READ_TABLE.get(saved.kind, read_saver_table)
    return _Facts(
        variables=variables,
        table=read_table(meta_graph, op_defs),
        initializers=find_initializers(meta_graph, op_defs, index),
        average_names=average_names(meta_graph, variables),
        tokens=frozenset(one.token for one in python_calls(meta_graph)),
        assets=assets,
        asset_readers=find_asset_readers(meta_graph, readers, assets, options.assets),
    )


def _kept(meta_graph: Any, called: Kept, facts: _Facts, options: ImportOptions) -> Kept:
    """What is kept of the graph, of which calls of its signatures need a part."""
    if not options.prune:
        return Kept(frozenset(node.name for node in meta_graph.graph_def.node))
    nodes = with_initializers(meta_graph, facts.variables, called.nodes)
    return dataclasses.replace(called, nodes=frozenset(nodes))


def _initialised_by(
    variables: Tuple[SavedVariable, ...], assignments: Mapping[str, str]
) -> Tuple[SavedVariable, ...]:
    """Variables with the initialiser that the file runs where they have no other."""
    return tuple(
        dataclasses.replace(
            one, initializer=one.initializer or assignments.get(one.name, "")
        )
        for one in variables
    )


def _written(meta_graph: Any, op_defs: OpDefs, called: Kept) -> Tuple[str, ...]:
    """The variables that a call of a signature writes."""
    reader = EffectsReader(meta_graph, op_defs)
    found: Set[str] = set()
    for name in called.nodes:
        found |= reader.of(name).variables
    return tuple(sorted(found))


def _initialised(facts: _Facts, needed: NeededInitializers) -> Set[str]:
    """The variables that no checkpoint has, and the file itself initialises.

    What no Saver reads need not be among them: a part of the model may come from
    elsewhere, which only ``allow_missing`` tells.
    """
    unsaved = facts.table.unsaved(needed.assignments)
    loaded = {
        name
        for name, assignment in needed.assignments.items()
        if name in unsaved and assignment in facts.initializers.parts
    }
    return loaded | {one.name for one in facts.variables if one.is_local}


def _of_model(findings: List[Finding], model: str) -> List[Finding]:
    return [
        one if one.model is not None else dataclasses.replace(one, model=model)
        for one in findings
    ]
