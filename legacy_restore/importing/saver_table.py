"""Which key of a checkpoint goes into which variable, as the saved graph itself says.

A Saver is part of the graph: a ``RestoreV2`` (in old files ``Restore`` and
``RestoreSlice``) that reads keys, which it has as constants, and assignments of what
was read (``BaseSaverBuilder`` in ``tensorflow/python/training/saver.py``). A graph may
have several Savers, and a sharded Saver one such operation for each device. What is
read need not go straight into a variable: tables import it, and the parameters of cuDNN
are made of many tensors.

Not every such operation is a Saver's. ``tf.train.init_from_checkpoint`` makes one that
initialises variables from another model's checkpoint, under that one's keys: it reads a
file of its own, to which nothing is saved.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

from legacy_restore.checkpoint.slices import count_elements
from legacy_restore.importing.data_flow import DataFlow, Output, Step
from legacy_restore.importing.nodes import node_of
from legacy_restore.importing.object_keys import keys_of_objects
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.saved_variables import VARIABLE_TYPES, find_variables
from legacy_restore.importing.stored_as import StoredAs
from legacy_restore.tf import tf

_RESTORES = frozenset(["Restore", "RestoreSlice", "RestoreV2"])
_SAVES = frozenset(["Save", "SaveSlices", "SaveV2"])
_ASSIGNMENTS = frozenset(["Assign", "AssignVariableOp"])
_IMPORTS = frozenset(["LookupTableImport", "LookupTableImportV2"])
_PLACEHOLDERS = frozenset(["Placeholder", "PlaceholderV2", "PlaceholderWithDefault"])
_READS = frozenset(["ReadVariableOp"])

# More tensors than any checkpoint has; a small file can declare any number.
_MAX_KEYS = 1 << 24

SAVER = "the file's own table"
NAMES = "the names in the file"


@dataclasses.dataclass(frozen=True)
class SavedObject:
    """What a Saver restores besides variables that it reads as they are.

    Attributes:
      op: The type of the operation that takes what was read.
      node: The node that holds what is restored: a table, or a variable.
      keys: The keys that it is made of; of a table, those of its keys and its values.
      is_table: Whether a mutable table imports the two tensors as they are stored.
    """

    op: str
    node: str
    keys: Tuple[str, ...]
    is_table: bool = False

    @property
    def rows(self) -> Mapping[str, str]:
        """What the keys and the values of a table are called, each with its key."""
        names = (f"{self.node}-keys", f"{self.node}-values")
        return dict(zip(names, self.keys)) if self.is_table else {}


@dataclasses.dataclass(frozen=True)
class SaverTable:
    """What the save and restore operations of a file say.

    Attributes:
      keys: Under what each variable is stored, by its node. Of one about which Savers
        disagree, the first.
      conflicts: What the Savers say of each variable about which they disagree.
      objects: What is restored besides.
      all_keys: The keys of the Saver that wrote the file, sorted; of all Savers where
        it does not say which, none without a Saver.
      source: Where the keys come from, in words.
      has_saver: Whether a Saver was found: what it does not restore it never did.
    """

    keys: Mapping[str, StoredAs]
    conflicts: Mapping[str, Tuple[StoredAs, ...]] = dataclasses.field(
        default_factory=dict
    )
    objects: Tuple[SavedObject, ...] = ()
    all_keys: Tuple[str, ...] = ()
    source: str = NAMES
    has_saver: bool = False

    def unsaved(self, names: Any) -> FrozenSet[str]:
        """Returns which variables the file's Savers never restore.

        Args:
          names: Nodes of variables.
        """
        if not self.has_saver:
            return frozenset()
        restored = {*self.keys, *(one.node for one in self.objects)}
        return frozenset(name for name in names if name not in restored)


def read_saver_table(meta_graph: Any, op_defs: OpDefs) -> SaverTable:
    """Returns what a saved graph says about the keys of its variables.

    Without a Saver, a variable is stored under the name that its ``VariableDef`` gives
    it, else under the path of its object in a SavedModel of TensorFlow 2, else under
    its own.

    Args:
      meta_graph: The ``MetaGraphDef``, all of it; it is not changed.
      op_defs: What is known about its operations.
    """
    found = _Savers(meta_graph, op_defs).read()
    return table_of_names(meta_graph, op_defs) if found is None else found


def read_named_saver(meta_graph: Any, op_defs: OpDefs) -> SaverTable:
    """Returns the table of the one Saver that a file names as its own.

    Of a SavedModel that Saver wrote the variables, and a loader runs no other
    (``restore_variables`` in ``tensorflow/python/saved_model/loader_impl.py``). Others
    are in many: the program that exported it had first restored from its training, the
    averages for example, under other keys.

    Args:
      meta_graph: The ``MetaGraphDef``, all of it; it is not changed.
      op_defs: What is known about its operations.
    """
    found = _Savers(meta_graph, op_defs).read_named()
    return read_saver_table(meta_graph, op_defs) if found is None else found


def table_of_names(meta_graph: Any, op_defs: OpDefs) -> SaverTable:
    """Returns the keys of a graph's variables where no Saver in it counts.

    TF-Hub writes a module with a Saver that it leaves out of the file, under the names
    of the variables (``_ModuleImpl`` in ``tensorflow_hub/native_module.py``). Savers in
    such a file are those with which modules inside the module were once made: they
    say under what keys the *inner* modules had their variables.

    Args:
      meta_graph: The ``MetaGraphDef``, all of it; it is not changed.
      op_defs: What is known about its operations.
    """
    variables = find_variables(meta_graph, op_defs)
    of_objects = keys_of_objects(meta_graph, [one.name for one in variables])
    keys: Dict[str, StoredAs] = {}
    for one in variables:
        if one.definition is None and one.name in of_objects:
            keys[one.name] = StoredAs(of_objects[one.name])
        elif one.slice is not None:
            keys[one.name] = StoredAs(one.slice.full_name, one.slice.text)
        else:
            keys[one.name] = StoredAs(one.name)
    return SaverTable(keys)


class _Savers:
    """The save and restore operations of a graph."""

    def __init__(self, meta_graph: Any, op_defs: OpDefs) -> None:
        self._op_defs = op_defs
        types = _RESTORES | _SAVES | _ASSIGNMENTS | _IMPORTS
        self._flow = DataFlow(meta_graph, op_defs, lambda node: node.op in types)
        self._file = node_of(meta_graph.saver_def.filename_tensor_name)
        self._keys: Dict[str, List[StoredAs]] = {}
        self._objects: Dict[str, SavedObject] = {}
        # What each output of a restore operation is read from.
        self._read: Dict[Output, StoredAs] = {}
        self._restored: Set[str] = set()

    def read(self) -> Optional[SaverTable]:
        """Returns the table of all Savers, or None if the graph has none."""
        saves = list(self._flow.of_type(_SAVES))
        written = {root for one in saves for root in self._roots(one)}
        restores = [
            one
            for one in self._flow.of_type(_RESTORES)
            if self._is_of_saver(one, written)
        ]
        return self._table(restores, saves)

    def read_named(self) -> Optional[SaverTable]:
        """Returns the table of the Saver that the file names, or None without it."""
        restores, saves = (
            [one for one in self._flow.of_type(types) if self._is_named(one)]
            for types in (_RESTORES, _SAVES)
        )
        return self._table(restores, saves) if restores else None

    def _is_named(self, step: Step) -> bool:
        return self._file in self._roots(step)

    def _table(self, restores: List[Step], saves: List[Step]) -> Optional[SaverTable]:
        if not restores and not saves:
            return None
        for one in restores:
            for number, stored in enumerate(self._stored(one)):
                self._read[one.name, number] = stored
        self._follow([one.name for one in restores])
        for one in saves:
            self._add_saved(one)
        if not self._keys and not self._objects:
            return None
        conflicts = {
            name: tuple(found) for name, found in self._keys.items() if len(found) > 1
        }
        return SaverTable(
            keys={name: found[0] for name, found in self._keys.items()},
            conflicts=conflicts,
            objects=tuple(self._objects.values()),
            all_keys=self._all_keys([*restores, *saves]),
            source=SAVER,
            has_saver=True,
        )

    def _all_keys(self, operations: List[Step]) -> Tuple[str, ...]:
        own = [one for one in operations if self._is_named(one)]
        found = {
            stored.key for one in own or operations for stored in self._stored(one)
        }
        return tuple(sorted(found))

    def _roots(self, step: Step) -> Set[str]:
        """The constants and placeholders that the path of a file is made of."""
        found: Set[str] = set()
        stack = [step.inputs[0][0]] if step.inputs else []
        seen = set(stack)
        while stack:
            one = self._flow.steps.get(stack.pop())
            if one is None:
                continue
            dtype = one.node.attr["dtype"].type if "dtype" in one.node.attr else None
            is_text = dtype == tf.string.as_datatype_enum
            if one.node.op in _PLACEHOLDERS or (not one.inputs and is_text):
                found.add(one.name)
                continue
            new = [above for above, _ in one.inputs if above not in seen]
            seen.update(new)
            stack += new
        return found

    def _is_of_saver(self, restore: Step, written: Set[str]) -> bool:
        """Whether what a restore reads may be what is saved, or what a caller names."""
        roots = self._roots(restore)
        return (
            self._file in roots
            or bool(roots & written)
            or any(self._flow.steps[one].node.op in _PLACEHOLDERS for one in roots)
        )

    def _stored(self, step: Step) -> List[StoredAs]:
        """The keys and slices of a save or restore operation, in order."""
        keys = self._texts(step, 1)
        has_slices = step.node.op not in ("Restore", "Save")
        slices = self._texts(step, 2) if has_slices else []
        slices += [""] * (len(keys) - len(slices))
        return [StoredAs(*pair) for pair in zip(keys, slices)]

    def _texts(self, step: Step, number: int) -> List[str]:
        """The texts of an input that is a constant; none where it is computed."""
        if number >= len(step.inputs):
            return []
        source = self._flow.steps.get(self._flow.origin(step.inputs[number])[0])
        if source is None or source.node.op != "Const":
            return []
        tensor = source.node.attr["value"].tensor
        texts = [one.decode("utf-8", "surrogateescape") for one in tensor.string_val]
        count = count_elements([one.size for one in tensor.tensor_shape.dim])
        if texts and len(texts) < count <= _MAX_KEYS:  # The last one stands for more.
            texts += texts[-1:] * (count - len(texts))
        return texts

    def _follow(self, start: List[str]) -> None:
        """Follows what was read to what takes it."""
        stack = list(start)
        self._restored = set(start)
        sinks: Dict[str, Step] = {}
        while stack:
            for one in self._flow.consumers(stack.pop()):
                if one.name in self._restored or one.name in sinks:
                    continue
                if self._is_sink(one):
                    sinks[one.name] = one
                    continue
                self._restored.add(one.name)
                stack.append(one.name)
        for name in self._flow.steps:  # In the order of the file.
            if name in sinks:
                self._add_sink(sinks[name])

    def _is_sink(self, step: Step) -> bool:
        """Whether an operation puts what it gets into something that has state."""
        if step.node.op in _ASSIGNMENTS or step.node.op in _IMPORTS:
            return True
        if not self._op_defs.is_stateful(step.node.op):
            return False
        return bool(self._held_by(step))

    def _held_by(self, step: Step) -> str:
        """The node whose state an operation takes as its first such input, or ''."""
        for one in step.inputs:
            name = self._flow.origin(one)[0]
            source = self._flow.steps.get(name)
            if source is None or source.inputs:
                continue
            known = self._op_defs.get(source.node.op)
            if known is not None and known.output_arg:
                result = known.output_arg[0]
                if result.is_ref or result.type == tf.resource.as_datatype_enum:
                    return name
        return ""

    def _add_sink(self, step: Step) -> None:
        op = step.node.op
        if op in _ASSIGNMENTS and len(step.inputs) > 1:
            holder = self._flow.origin(step.inputs[0])[0]
            origin = self._flow.origin(step.inputs[1])
            if origin in self._read:
                self._add_key(holder, self._read[origin])
                return
            above = self._flow.steps.get(origin[0])
            op = op if above is None else above.node.op
            self._objects[holder] = SavedObject(op, holder, self._keys_above(step))
            return
        holder = self._held_by(step) or step.name
        if op in _IMPORTS and len(step.inputs) > 2:
            pair = [self._read.get(self._flow.origin(one)) for one in step.inputs[1:3]]
            if None not in pair:
                keys = tuple(one.key for one in pair if one is not None)
                self._objects[holder] = SavedObject(op, holder, keys, is_table=True)
                return
        self._objects[holder] = SavedObject(op, holder, self._keys_above(step))

    def _add_key(self, name: str, stored: StoredAs) -> None:
        found = self._keys.setdefault(name, [])
        if stored not in found:
            found.append(stored)

    def _keys_above(self, step: Step) -> Tuple[str, ...]:
        """The keys of all that was read and goes into an operation."""
        found: Dict[Output, StoredAs] = {}
        stack, seen = list(step.inputs), set(step.inputs)
        while stack:
            output = stack.pop()
            if output in self._read:
                found[output] = self._read[output]
            elif output[0] in self._restored:
                new = [
                    one for one in self._flow.steps[output[0]].inputs if one not in seen
                ]
                seen.update(new)
                stack += new
        return tuple(one.key for one in map(found.__getitem__, sorted(found)))

    def _add_saved(self, step: Step) -> None:
        """Takes from what is saved what nothing restores."""
        first = 2 if step.node.op == "Save" else 3
        for stored, given in zip(self._stored(step), step.inputs[first:]):
            name = self._flow.origin(given, _READS)[0]
            source = self._flow.steps.get(name)
            if source is None or name in self._keys or name in self._objects:
                continue
            if source.node.op in VARIABLE_TYPES:
                self._keys[name] = [stored]
