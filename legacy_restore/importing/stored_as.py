"""Under what a variable is stored."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class StoredAs:
    """What a Saver reads for a variable.

    Attributes:
      key: The key in the checkpoint.
      slice: Which part of the tensor under it, as ``RestoreV2`` takes it; empty for
        the whole.
    """

    key: str
    slice: str = ""
