"""What reading is measured on: checkpoints, and the ways to read each."""

from __future__ import annotations

import dataclasses
from typing import Tuple

from legacy_restore.report.table import human_bytes

_FLOAT_BYTES = 4
# An index entry of a small tensor, its name with it.
_ENTRY_BYTES = 64

OURS = "legacy_restore"
TENSORFLOW = "tensorflow"


@dataclasses.dataclass(frozen=True)
class ReadCase:
    """A checkpoint and what is done with it.

    Attributes:
      name: What it is called on the command line.
      task: What is measured, in words.
      tensors: Number of its tensors.
      elements: Elements of each tensor, of ``float32``.
      is_process: Whether whole processes are measured, their imports with them.
    """

    name: str
    task: str
    tensors: int
    elements: int
    is_process: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of its files, about."""
        return self.tensors * (self.elements * _FLOAT_BYTES + _ENTRY_BYTES)

    @property
    def tensor_nbytes(self) -> int:
        """Bytes of each tensor."""
        return self.elements * _FLOAT_BYTES

    def scaled(self, scale: float) -> ReadCase:
        """Returns the case with a share of its tensors, at least one."""
        return dataclasses.replace(self, tensors=max(1, round(self.tensors * scale)))

    def __str__(self) -> str:
        """Says what is done, and how large the checkpoint is."""
        return (
            f"{self.task}; {self.tensors:,} tensors float32[{self.elements:,}], "
            f"{human_bytes(self.nbytes)}"
        )


READ_CASES = {
    case.name: case
    for case in (
        ReadCase("inspect", "the whole command, text", 5_000, 64, is_process=True),
        ReadCase("open", "open the index and list it", 100_000, 1),
        ReadCase("verify", "compare every checksum, keep nothing", 50, 5_000_000),
        ReadCase("read", "read every array, one after the other", 50, 5_000_000),
    )
}
"""The cases by name."""

READ_VARIANTS: Tuple[str, str] = (TENSORFLOW, OURS)
"""Who reads."""
