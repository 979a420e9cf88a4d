"""Mutable lookup tables: operations whose entries change while a model trains.

``tf.lookup.experimental.MutableHashTable`` and ``DenseHashTable`` (in TensorFlow 1.15
``tf.contrib.lookup``) are saved as two tensors: all keys, and all values. A dense table
is saved as its buckets, bit by bit as they are in memory: free ones hold
``empty_key``, those of removed entries ``deleted_key``, and their number is a power of
two. TensorFlow imports whatever buckets it gets (``ImportValues`` in
``tensorflow/core/kernels/lookup_table_op.cc``): with another ``empty_key`` the free
ones count as entries.
"""

from __future__ import annotations

from typing import Any, Collection, List, Optional, Sequence, Tuple

import numpy as np

from legacy_restore.planning.spec import Shape
from legacy_restore.tf import tf

_PLAIN = frozenset(
    ["MutableHashTable", "MutableHashTableV2", "AnonymousMutableHashTable"]
)
_OF_TENSORS = frozenset(
    [
        "MutableHashTableOfTensors",
        "MutableHashTableOfTensorsV2",
        "AnonymousMutableHashTableOfTensors",
    ]
)
_DENSE = frozenset(
    [
        "MutableDenseHashTable",
        "MutableDenseHashTableV2",
        "AnonymousMutableDenseHashTable",
    ]
)
_EXPORTS = frozenset(["LookupTableExport", "LookupTableExportV2"])
_WRITES = frozenset(
    name + version
    for name in ("LookupTableInsert", "LookupTableImport", "LookupTableRemove")
    for version in ("", "V2")
)


def is_mutable_table(operation: Any) -> bool:
    """Returns whether an operation holds the entries of a mutable table."""
    return operation.type in _PLAIN | _OF_TENSORS | _DENSE


def is_dense(operation: Any) -> bool:
    """Returns whether a mutable table is saved as its buckets."""
    return operation.type in _DENSE


def is_anonymous(operation: Any) -> bool:
    """Returns whether a graph's table is forgotten at the end of every run."""
    return str(operation.type).startswith("Anonymous")


def table_of(tensors: Sequence[Any]) -> Optional[Any]:
    """Returns the table that two tensors are the keys and the values of, or None."""
    if len({tensor.op.name for tensor in tensors}) != 1 or len(tensors) != 2:
        return None
    export = tensors[0].op
    in_order = [tensor.value_index for tensor in tensors] == [0, 1]
    if export.type not in _EXPORTS or not in_order:
        return None
    table = export.inputs[0].op
    return table if is_mutable_table(table) else None


def entry_shapes(table: Any) -> Tuple[Shape, Shape]:
    """Returns the shapes of all keys and of all values of a table.

    TensorFlow compares them only while it assigns, when others are assigned already.
    """
    if table.type in _PLAIN:
        return (None,), (None,)
    value = _static_shape(tf.TensorShape(table.get_attr("value_shape")))
    if table.type in _OF_TENSORS:
        return (None,), None if value is None else (None, *value)
    key = _static_shape(table.inputs[0].shape)
    return _of_buckets(key), _of_buckets(value)


def _static_shape(shape: Any) -> Shape:
    return None if shape.ndims is None else tuple(shape.as_list())


def _of_buckets(shape: Shape) -> Shape:
    # Buckets of scalars have a second axis of size 1.
    return None if shape is None else (None, *(shape or (1,)))


def reserved_keys(table: Any) -> Optional[Sequence[Any]]:
    """Returns a dense table's ``empty_key`` and ``deleted_key`` as tensors."""
    return list(table.inputs)[:2] if is_dense(table) else None


def bucket_fault(table: Any, keys: np.ndarray) -> str:
    """Returns why keys cannot be the buckets of a dense table, or an empty text.

    Args:
      table: A dense table.
      keys: The keys of a checkpoint, of the table's dtype and shape.
    """
    number = len(keys)
    if number == 0 or number & (number - 1):
        return (
            f"a dense table has a power of two of buckets, not {number}: was it saved "
            "by a table of another kind?"
        )
    empty = tf.get_static_value(table.inputs[0])
    if empty is None:
        return ""  # It is computed in the session.
    flat = np.reshape(empty, -1).tolist()
    rows = np.reshape(keys, [number, -1])
    if any(row.tolist() == flat for row in rows):
        return ""
    return (
        f"none of its {number} buckets is free, that is, holds the graph's empty_key "
        f"{np.asarray(empty).tolist()!r}: was it saved with another one?"
    )


def initializers_but(operations: Sequence[Any], restored: Collection[str]) -> List[Any]:
    """Returns table initialisers without those that write to restored tables.

    Args:
      operations: The initialisers.
      restored: The names of the restored tables' operations.
    """
    kept = []
    for operation in operations:
        parts = _parts(operation)
        others = [one for one in parts if not _writes_to(one, restored)]
        kept += [operation] if len(others) == len(parts) else others
    return kept


def _parts(operation: Any) -> List[Any]:
    """What ``tf.group`` has put together."""
    if operation.type != "NoOp" or not operation.control_inputs:
        return [operation]
    return [part for one in operation.control_inputs for part in _parts(one)]


def _writes_to(operation: Any, tables: Collection[str]) -> bool:
    return operation.type in _WRITES and operation.inputs[0].op.name in tables
