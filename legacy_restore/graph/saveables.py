"""Saveable objects: what a Saver saves besides variables, such as mutable tables.

Such an object is in the collection ``tf.GraphKeys.SAVEABLE_OBJECTS``. It names tensors
to save, and makes the operations that restore it from what was saved
(``tensorflow/python/training/saving/saveable_object.py``). Each of its tensors is a row
of the plan; all of them are restored, or none.

The names of its tensors are its own affair: a table's begin with the name that it was
given, without the scope that it was made in.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from legacy_restore.graph.tables import entry_shapes, is_anonymous, table_of
from legacy_restore.graph.variables import is_under, static_shape
from legacy_restore.planning.spec import VariableSpec
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import BaseSaverBuilder, tf

# No caller gets values of these, or gives any.
_OPAQUE = (tf.variant, tf.resource)

_HINT = (
    "take it out of the collection tf.GraphKeys.SAVEABLE_OBJECTS if the model runs "
    "without its values"
)


@dataclasses.dataclass(frozen=True, eq=False)
class OwnedSaveable:
    """A saveable object of a model.

    Attributes:
      saveable: The ``SaveableObject``.
      tensors: What it saves.
      rows: What the plan needs to know of each of them.
      table: The operation of the mutable table whose entries these are, or None.
    """

    saveable: Any
    tensors: Tuple[Any, ...]
    rows: Tuple[VariableSpec, ...]
    table: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class FoundSaveables:
    """The saveable objects of a model.

    Attributes:
      owned: Those that can be restored, in the order of the collection.
      findings: What refuses the others.
      refused: The keys that those are made of, by the names of their operations.
    """

    owned: Tuple[OwnedSaveable, ...]
    findings: Tuple[Finding, ...]
    refused: Mapping[str, Tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def by_row(self) -> Dict[str, OwnedSaveable]:
        """Returns the object of each row of the plan, by the row's name."""
        return {row.name: one for one in self.owned for row in one.rows}


def find_saveables(
    model: str, scope: str, items: Sequence[Any], operations: Sequence[Any]
) -> FoundSaveables:
    """Looks at a collection of saveable objects of the default graph.

    Args:
      model: The model's name.
      scope: Its scope.
      items: What is in the collection.
      operations: The operations that its builder created.
    """
    made = {operation.name for operation in operations}
    owned: List[OwnedSaveable] = []
    findings: List[Finding] = []
    for item in _without_repeats(items):
        if getattr(getattr(item, "initializer", None), "name", "") in made:
            continue  # A variable is a row as it is.
        fault = _fault(item, made)
        if fault:
            findings.append(_refusal(model, item, fault))
        else:
            owned.append(_owned(item, scope))
    return FoundSaveables(tuple(owned), tuple(findings))


def repeated_names(
    model: str, names: Sequence[str], found: FoundSaveables
) -> List[Finding]:
    """Returns a finding for each row whose name another one has too.

    A stock Saver would write one of them and say nothing (``op_list_to_dict`` in
    ``tensorflow/python/training/saving/saveable_object_util.py``).

    Args:
      model: The model's name.
      names: The names of its variables.
      found: Its saveable objects.
    """
    rows = [row for one in found.owned for row in one.rows]
    counts = collections.Counter([*names, *(row.name for row in rows)])
    return [
        Finding(
            KINDS["key-claimed-twice"],
            name,
            "two objects of the model are saved under this name",
            model=model,
            hint="give each table or other saveable object a name of its own",
        )
        for name in dict.fromkeys(row.name for row in rows)
        if counts[name] > 1
    ]


def _without_repeats(items: Sequence[Any]) -> List[Any]:
    seen: Set[int] = set()
    found = []
    for item in items:
        if id(item) not in seen:
            seen.add(id(item))
            found.append(item)
    return found


def _fault(item: Any, made: Set[str]) -> str:
    """Why an object cannot be restored, or an empty text."""
    if not isinstance(item, BaseSaverBuilder.SaveableObject):
        return f"a {type(item).__name__} is no SaveableObject"
    specs = item.specs
    if not isinstance(specs, (list, tuple)) or not specs:
        return f"this {type(item).__name__} names no tensors"
    for spec in specs:
        name = getattr(spec, "name", None)
        if not isinstance(name, str) or not name:
            return f"this {type(item).__name__} has a tensor without a name"
        if spec.slice_spec:
            return f"it saves only a part of {name}"
        if spec.dtype in _OPAQUE:
            return (
                f"{name} is a {spec.dtype.name}: it can be neither compared nor kept "
                "(the position of an iterator? such a one has to be initialised first)"
            )
        if callable(getattr(spec, "_tensor", None)):
            continue  # It makes its tensor when that is asked for.
        tensor = spec.tensor
        is_here = getattr(tensor, "graph", None) is tf.get_default_graph()
        if not is_here or tensor.op.name not in made:
            return f"the tensor of {name} was not made by this model's builder"
    table = table_of([spec.tensor for spec in specs])
    if table is not None and is_anonymous(table):
        return "TensorFlow forgets an anonymous table at the end of every run"
    return ""


def _refusal(model: str, item: Any, fault: str) -> Finding:
    name = str(getattr(item, "name", item))
    return Finding(KINDS["saveable-object"], name, fault, model=model, hint=_HINT)


def _owned(item: Any, scope: str) -> OwnedSaveable:
    tensors = tuple(tf.convert_to_tensor(spec.tensor) for spec in item.specs)
    table = table_of(tensors)
    shapes = (
        [static_shape(tensor.shape) for tensor in tensors]
        if table is None
        else entry_shapes(table)
    )
    names = [_row_name(spec.name, scope) for spec in item.specs]
    rows = tuple(
        VariableSpec(
            name=name,
            local_name=name[len(scope) + 1 :] if scope else name,
            dtype=spec.dtype.base_dtype.name,
            shape=shape,
            kind="saveable" if table is None else "table",
            saver_name=spec.name,
            saved_with=names[0],
        )
        for name, spec, shape in zip(names, item.specs, shapes)
    )
    return OwnedSaveable(item, tensors, rows, table)


def _row_name(name: str, scope: str) -> str:
    return name if not scope or is_under(name, scope) else f"{scope}/{name}"
