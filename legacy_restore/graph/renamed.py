"""A saveable object under the keys of a checkpoint, held back until all was read.

A Saver takes the keys of a saveable object from the object, not from its caller. And
what the object does to restore itself is its own: instead of looking for assignments
among its operations, all of them wait for what they get.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from legacy_restore import errors
from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.tf import BaseSaverBuilder, tf


class RenamedSaveable(BaseSaverBuilder.SaveableObject):  # type: ignore[misc]
    """Saves and restores another saveable object under given keys.

    Attributes:
      owned: The object.
      restored: What restores the object; None before ``restore`` made it.
    """

    def __init__(self, owned: OwnedSaveable, keys: Mapping[str, str]) -> None:
        """Takes an object and the key for each of its rows, by the row's name."""
        saveable = owned.saveable
        specs = [
            BaseSaverBuilder.SaveSpec(
                tensor, "", keys[row.name], dtype=spec.dtype, device=spec.device
            )
            for tensor, row, spec in zip(owned.tensors, owned.rows, saveable.specs)
        ]
        super().__init__(saveable.op, specs, saveable.name)
        self.owned = owned
        self.restored: Any = None

    @property
    def device(self) -> Any:
        """The device of what is saved."""
        return self.owned.saveable.device

    def restore(self, restored_tensors: Sequence[Any], restored_shapes: Any) -> Any:
        """Makes the operations that restore the object.

        All of them wait for what waits here already, and for what was read.

        Args:
          restored_tensors: What was read.
          restored_shapes: None, as Savers give it.

        Raises:
          RestoreError: The object could not make them.
        """
        gated = []
        for tensor in restored_tensors:
            with tf.device(tensor.device):
                gated.append(tf.identity(tensor, name="legacy_restore/gate"))
        try:
            with tf.control_dependencies(gated):
                self.restored = self.owned.saveable.restore(gated, restored_shapes)
            with tf.control_dependencies([self.restored]):  # As a Saver will do.
                pass
        except Exception as error:
            finding = Finding(
                KINDS["saveable-object"],
                str(self.name),
                f"it cannot make its restore operation: {error!r}"[:300],
            )
            text = "an object cannot be restored; nothing was changed"
            raise errors.RestoreError(
                refusal_text(text, [finding]), findings=[finding]
            ) from error
        return self.restored
