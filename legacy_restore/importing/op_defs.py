"""What is known about operations: their ``OpDef``.

This TensorFlow knows those that are registered in it. A ``MetaGraphDef`` brings the
``OpDef`` of each operation in it (``meta_info_def.stripped_op_list``), as it was in the
TensorFlow that wrote the file: of one that this TensorFlow lacks that is all there is.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from legacy_restore.tf import IS_TF1, op_def_registry


def registered(op: str) -> Optional[Any]:
    """Returns the ``OpDef`` of an operation of this TensorFlow, or None."""
    if IS_TF1:
        return op_def_registry.get_registered_ops().get(op)
    return op_def_registry.get(op)


class OpDefs:
    """The ``OpDef`` of each operation of a saved graph."""

    def __init__(self, meta_graph: Any) -> None:
        """Takes those that the file brings."""
        listed = meta_graph.meta_info_def.stripped_op_list.op
        self._of_file: Dict[str, Any] = {one.name: one for one in listed}
        self._known: Dict[str, Optional[Any]] = {}

    def get(self, op: str) -> Optional[Any]:
        """Returns what this TensorFlow knows of an operation, else what the file does.

        None for a function, or for an operation that nobody knows.
        """
        if op not in self._known:
            self._known[op] = registered(op) or self._of_file.get(op)
        return self._known[op]

    def of_file(self, op: str) -> Optional[Any]:
        """Returns the ``OpDef`` as the writer of the file had it, or None."""
        return self._of_file.get(op)

    def has_attribute(self, op: str, name: str) -> bool:
        """Returns whether an operation has an attribute of that name."""
        found = self.get(op)
        return found is not None and any(one.name == name for one in found.attr)

    def is_stateful(self, op: str) -> bool:
        """Returns whether an operation is more than a function of its inputs."""
        found = self.get(op)
        return found is None or bool(found.is_stateful)
