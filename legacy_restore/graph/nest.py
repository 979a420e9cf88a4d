"""Nests of tensors: what builders return and what calls give back."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Sequence

from legacy_restore.tf import tf


class Leaf(NamedTuple):
    """One leaf of a nest.

    Attributes:
      path: Keys and positions on the way to it, joined by ``/``; empty for a nest that
        is a single leaf.
      value: The leaf.
    """

    path: str
    value: Any


def leaves(nest: Any) -> List[Leaf]:
    """Returns the leaves of a nest in the order of ``tf.nest.flatten``.

    Raises:
      TypeError: The nest has keys that cannot be sorted.
    """
    values = tf.nest.flatten(nest)
    paths = _paths(nest, "")
    if len(paths) != len(values):  # A kind of nest that only TensorFlow knows.
        paths = [str(number) for number in range(len(values))]
    return [Leaf(path, value) for path, value in zip(paths, values)]


def pack(nest: Any, values: Sequence[Any]) -> Any:
    """Returns a nest of the same structure with other leaves."""
    return tf.nest.pack_sequence_as(nest, values)


def _paths(nest: Any, path: str) -> List[str]:
    if isinstance(nest, Mapping):
        items = [(str(key), nest[key]) for key in sorted(nest)]
    elif hasattr(nest, "_fields"):
        items = list(zip(nest._fields, nest))
    elif isinstance(nest, (list, tuple)):
        items = [(str(number), item) for number, item in enumerate(nest)]
    else:
        return [path]
    found: List[str] = []
    for key, value in items:
        found += _paths(value, f"{path}/{key}" if path else key)
    return found
