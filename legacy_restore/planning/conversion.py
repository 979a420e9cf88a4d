"""What is made of a stored tensor that is not the variable's value as it is."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Optional, Tuple

from legacy_restore.checkpoint.slices import count_elements
from legacy_restore.mapping.vocabulary import RowMap
from legacy_restore.report.table import type_text


@dataclasses.dataclass(frozen=True)
class Conversion:
    """How a stored tensor becomes a variable's value.

    First rows are reordered, or the leading part is taken; then it is cast. Elements
    that no stored one becomes are those that the initialiser gives.

    Attributes:
      dtype: The variable's dtype.
      shape: The variable's shape, of all of its parts.
      stored_dtype: The dtype of the tensor.
      stored_shape: Its shape.
      resize: ``"slice"`` or ``"pad"``, or empty where shapes are the same or rows are
        reordered.
      rows: Which stored row becomes which, or None.
    """

    dtype: str
    shape: Tuple[int, ...]
    stored_dtype: str
    stored_shape: Tuple[int, ...]
    resize: str = ""
    rows: Optional[RowMap] = None

    @property
    def is_cast(self) -> bool:
        """Whether the dtype changes."""
        return self.dtype != self.stored_dtype

    @property
    def num_restored(self) -> int:
        """Number of elements of the variable that come from the checkpoint."""
        if self.rows is not None:
            return self.rows.kept * count_elements(self.shape[1:])
        return count_elements(
            [min(pair) for pair in zip(self.shape, self.stored_shape)]
        )

    @property
    def needs_initializer(self) -> bool:
        """Whether elements of the variable come from its initialiser."""
        return self.num_restored < count_elements(self.shape)

    def __str__(self) -> str:
        """Says it in some words."""
        steps = []
        if self.rows is not None:
            steps.append(
                f"{self.rows.kept:,} of {self.shape[0]:,} rows, by the vocabulary"
            )
        elif self.resize == "slice":
            steps.append(f"the leading part of {list(self.stored_shape)}")
        elif self.resize == "pad":
            steps.append(f"{list(self.stored_shape)}, the rest initialised")
        if self.is_cast:
            steps.append(f"cast from {self.stored_dtype}")
        return "; ".join(steps)

    def to_json(self) -> Dict[str, Any]:
        """Returns the conversion as JSON-ready data."""
        return {
            "from": type_text(self.stored_dtype, self.stored_shape),
            "resize": self.resize or None,
            "cast": self.is_cast,
            "vocabulary": None
            if self.rows is None
            else {
                "old": self.rows.old_file,
                "new": self.rows.new_file,
                "rows_restored": self.rows.kept,
            },
            "parameters_restored": self.num_restored,
        }
