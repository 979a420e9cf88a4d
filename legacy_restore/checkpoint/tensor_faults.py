"""What to say of a tensor whose data are missing or damaged."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint.faults import (
    corrupt_tensor,
    missing_tensor,
    undecided_tensor,
)
from legacy_restore.checkpoint.lookalikes import Lookalike
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.wire import (
    FormatError,
    MissingDataError,
    UndecidedError,
)

_MAX_TOLD = 3


class EntryFault(NamedTuple):
    """Why a tensor, or one slice of it, cannot be had.

    Attributes:
      error: What is wrong.
      part: The slice, or None for a tensor in one piece.
      path: The data file that it is in.
      lookalike: What that file is instead of one, or None.
      is_zero: Whether the data are there and nothing but zeros.
      is_replaced: Whether the index on the disk is no longer the one that was read.
    """

    error: FormatError
    part: Optional[TensorSlice]
    path: str
    lookalike: Optional[Lookalike]
    is_zero: bool
    is_replaced: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether its bytes are not there: none at all, or those of something else."""
        return self.lookalike is not None or isinstance(self.error, MissingDataError)

    @property
    def reason(self) -> str:
        """What is wrong, in words."""
        where = "" if self.part is None else f"slice {self.part}: "
        if self.lookalike is not None:
            name = os.path.basename(self.path)
            return f"{where}its data file {name} is {self.lookalike.what}"
        zeros = "its bytes are all zero; " if self.is_zero else ""
        anew = "; the checkpoint was replaced or deleted meanwhile"
        return f"{where}{zeros}{self.error}{anew if self.is_replaced else ''}"


def fault_of_tensor(
    key: str, prefix: str, faults: Sequence[EntryFault]
) -> errors.CheckpointError:
    """Returns the error for a tensor, with all that is wrong with it in one finding.

    Args:
      key: The tensor.
      prefix: The checkpoint.
      faults: What is wrong with it, or with some of its slices; one at least.
    """
    text = _joined(list(dict.fromkeys(fault.reason for fault in faults)))
    if all(isinstance(fault.error, UndecidedError) for fault in faults):
        return undecided_tensor(key, prefix, text)
    hints = [fault.lookalike.hint for fault in faults if fault.lookalike is not None]
    if any(fault.is_replaced for fault in faults):
        hints.append("open the checkpoint again")
    hint = hints[0] if hints else None
    if all(fault.is_missing for fault in faults):
        return missing_tensor(key, prefix, text, hint)
    return corrupt_tensor(key, prefix, text, hint)


def _joined(reasons: Sequence[str]) -> str:
    rest = len(reasons) - _MAX_TOLD
    text = "; ".join(reasons[:_MAX_TOLD])
    return text + (f"; and {rest} more" if rest > 0 else "")
