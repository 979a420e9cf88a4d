"""Under which name a session keeps what an operation stands for.

``ContainerInfo::Init`` in ``tensorflow/core/framework/resource_mgr.cc`` takes the
``shared_name``; where that is empty, each kernel asks for the name of its node, or for
one that nothing else has. That is the same on 1.15 and 2.21.
"""

from __future__ import annotations

from typing import Callable, Dict, Optional, Tuple

from legacy_restore.importing.isolating import ANONYMOUS, NAMED_BY_NOTHING
from legacy_restore.importing.op_defs import registered

_BY_NODE = "use_node_name_sharing"

# Parts of names of operations that stand for one kind of resource, in this order.
_KINDS = (
    ("HashTable", "table"),
    ("Accumulator", "accumulator"),
    ("Queue", "queue"),
    ("Reader", "reader"),
    ("MultiDeviceIterator", "iterator over devices"),
    ("Iterator", "iterator"),
    ("VarHandleOp", "resource variable"),
    ("Variable", "variable"),
    ("OrderedMap", "ordered staging area"),
    ("SparseT", "map of sparse tensors"),  # AddSparseTo..., TakeManySparseFrom...
    ("SparseFromT", "map of sparse tensors"),
    ("Map", "staging area with keys"),
    ("Stage", "staging area"),
    ("Unstage", "staging area"),
)

# Without a name each operation has one of its own, which nothing else finds.
_PRIVATE = frozenset(["queue", "reader", "accumulator"])


class ResourceNames:
    """What is known of the types of operations; one for each look at a graph."""

    def __init__(self) -> None:
        """Starts without any: a library of operations may be loaded at any time."""
        self._known: Dict[Tuple[str, str], bool] = {}

    def is_named(self, op: str) -> bool:
        """Returns whether operations of a type have a name in the session."""
        return self._has(op, "shared_name")

    def name_of(
        self, op: str, node: str, shared_name: bytes, flag: Callable[[str], bool]
    ) -> Optional[str]:
        """Returns the name that a session has for a resource, or None without one.

        Args:
          op: The type of the operation, one that has such a name.
          node: The name of the operation.
          shared_name: Its attribute of that name.
          flag: What gives another attribute of it, a truth value.
        """
        if shared_name == ANONYMOUS:
            return None
        if shared_name or op in NAMED_BY_NOTHING:
            return shared_name.decode("utf-8", "replace")
        if self._has(op, _BY_NODE):
            return node if flag(_BY_NODE) else None
        return None if kind_of(op) in _PRIVATE else node

    def _has(self, op: str, attribute: str) -> bool:
        if (op, attribute) not in self._known:
            found = registered(op)
            self._known[op, attribute] = found is not None and any(
                one.name == attribute for one in found.attr
            )
        return self._known[op, attribute]


def kind_of(op: str) -> str:
    """Returns the kind of resource that operations of a type stand for."""
    return next((kind for part, kind in _KINDS if part in op), op)
