"""What initialises the tables, iterators and variables of a saved graph.

TensorFlow runs a file's init, main or legacy-init operation whole, after the variables
are restored (``tensorflow/python/saved_model/loader_impl.py``). Many such operations
assign fresh values to all weights. Here they are taken apart by what their parts do:
only what fills a table, initialises an iterator, or gives a value to a variable that
nothing else gives one to, is of use.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from legacy_restore.importing.effects import (
    VARIABLES,
    Effects,
    EffectsReader,
)
from legacy_restore.importing.graph_index import GraphIndex
from legacy_restore.importing.nodes import node_of, upstream
from legacy_restore.importing.op_defs import OpDefs

# Collections of operations that are run whole when a graph is loaded: SavedModels have
# the first two (``saved_model/constants.py``), session bundles the third.
_LOADING = ("saved_model_main_op", "legacy_init_op", "serving_init_op")
# Those that a training program runs before it begins.
_BEGINNING = ("table_initializer", "local_init_op", "init_op")
# TensorFlow 2 names its main operation in a signature.
_INIT_SIGNATURE = "__saved_model_init_op"
_ASSIGNMENTS = ("Assign", "AssignVariableOp")
_RESTORES = ("Restore", "RestoreSlice", "RestoreV2")


@dataclasses.dataclass(frozen=True)
class Initializers:
    """What initialises what in a saved graph, by names of nodes.

    Attributes:
      tables: The nodes that fill each table.
      iterators: The nodes that initialise each iterator; several of one that may go
        through several datasets.
      assignments: The node that gives each variable its first value.
      needing: All tables and iterators that something has to fill or initialise.
      loading: The operations that TensorFlow runs when it loads the file.
      parts: What does something among what those operations run, in the order of the
        file, with what it does.
    """

    tables: Mapping[str, Tuple[str, ...]]
    iterators: Mapping[str, Tuple[str, ...]]
    assignments: Mapping[str, str]
    needing: Tuple[str, ...]
    loading: Tuple[str, ...]
    parts: Mapping[str, Effects]


def find_initializers(
    meta_graph: Any, op_defs: OpDefs, index: Optional[GraphIndex] = None
) -> Initializers:
    """Finds what initialises tables, iterators and variables, in the whole file.

    Args:
      meta_graph: The ``MetaGraphDef``, before anything is left out; not changed.
      op_defs: What is known about its operations.
      index: Its nodes, where they are at hand.
    """
    return _Finder(meta_graph, op_defs, index or GraphIndex(meta_graph)).found()


class _Finder:
    """Looks through one graph."""

    def __init__(self, meta_graph: Any, op_defs: OpDefs, index: GraphIndex) -> None:
        self._index = index
        self._nodes = index.nodes
        self._reader = EffectsReader(meta_graph, op_defs, index)
        self._loading = self._roots(meta_graph, _LOADING)
        self._first = self._run_by(self._loading)
        self._then = self._run_by(self._roots(meta_graph, _BEGINNING))
        self._out_of_checkpoints = self._below_restores()

    def found(self) -> Initializers:
        """Returns everything."""
        tables: Dict[str, List[str]] = {}
        iterators: Dict[str, List[str]] = {}
        variables: Dict[str, List[str]] = {}
        for name, effects in self._candidates().items():
            for written, listed in (
                (effects.tables, tables),
                (effects.iterators, iterators),
                (effects.variables, variables),
            ):
                for one in sorted(written):
                    listed.setdefault(one, []).append(name)
        chosen_tables = {one: self._preferred(found) for one, found in tables.items()}
        chosen = {one: self._preferred(found) for one, found in iterators.items()}
        assignments = {
            one: first
            for one, found in variables.items()
            for first in [self._assignment(one, found)]
            if first is not None
        }
        return Initializers(
            tables=chosen_tables,
            iterators=chosen,
            assignments=assignments,
            needing=tuple(
                name
                for name in self._nodes
                if self._reader.is_table(name) or self._reader.is_iterator(name)
            ),
            loading=self._loading,
            parts={name: self._reader.of(name) for name in self._first},
        )

    def _roots(self, meta_graph: Any, keys: Iterable[str]) -> Tuple[str, ...]:
        """The operations that stand in some collections."""
        names: List[str] = []
        for key in keys:
            if key in meta_graph.collection_def:
                names += meta_graph.collection_def[key].node_list.value
        if _INIT_SIGNATURE in meta_graph.signature_def and keys is _LOADING:
            outputs = meta_graph.signature_def[_INIT_SIGNATURE].outputs
            names += sorted(one.name for one in outputs.values())
        found = dict.fromkeys(map(node_of, names))
        return tuple(name for name in found if name in self._nodes)

    def _run_by(self, roots: Iterable[str]) -> Tuple[str, ...]:
        """The nodes that do something when some operations run."""
        seen = upstream(self._nodes, roots)
        return tuple(
            name for name in self._nodes if name in seen and self._reader.of(name)
        )

    def _candidates(self) -> Dict[str, Effects]:
        """The nodes that may be initialisers, in the order of the file."""
        named = {*self._first, *self._then}
        found: Dict[str, Effects] = {}
        for name, node in self._nodes.items():
            if name not in named and not _looks_like_one(node.op):
                continue
            effects = self._reader.of(name)
            # What a Saver read is put where it belongs by the restore.
            if effects and not self._is_restored(name):
                found[name] = effects
        return found

    def _is_restored(self, name: str) -> bool:
        """Whether the value that a node writes comes out of a checkpoint."""
        values = (node_of(one) for one in self._nodes[name].input[1:])
        return any(one in self._out_of_checkpoints for one in values)

    def _below_restores(self) -> Set[str]:
        """The nodes that what was read from a checkpoint goes into, not by variables.

        Followed down once: a training graph has an assignment for each weight with all
        of its gradients above.
        """
        stack = [name for name, node in self._nodes.items() if node.op in _RESTORES]
        found = set(stack)
        while stack:
            for node in self._index.consumers(stack.pop()):
                if node.name not in found and node.op not in VARIABLES:
                    found.add(node.name)
                    stack.append(node.name)
        return found

    def _preferred(self, names: List[str]) -> Tuple[str, ...]:
        """What the file itself runs, where it says that."""
        for run in (self._first, self._then):
            named = tuple(name for name in names if name in run)
            if named:
                return named
        return tuple(names)

    def _assignment(self, variable: str, names: List[str]) -> Optional[str]:
        """The one that gives a variable its first value, or None."""
        plain = [one for one in names if self._nodes[one].op in _ASSIGNMENTS]
        at_loading = [one for one in names if one in self._first]
        if len(at_loading) == 1:
            return at_loading[0]
        if f"{variable}/Assign" in names:
            return f"{variable}/Assign"
        at_beginning = [one for one in names if one in self._then]
        for choice in (at_beginning, plain):
            if len(choice) == 1:
                return choice[0]
        return None


def _looks_like_one(op: str) -> bool:
    return (
        op in _ASSIGNMENTS
        or op.startswith(("InitializeTable", "LookupTableImport"))
        or op == "MakeIterator"
    )
