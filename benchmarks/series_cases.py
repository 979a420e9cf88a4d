"""What is compared of many checkpoints that one process restores in turn."""

from __future__ import annotations

import dataclasses
from typing import Tuple

from cases import Case


@dataclasses.dataclass(frozen=True)
class SeriesCase:
    """Checkpoints of one architecture, restored one after the other.

    Attributes:
      models: The models; each has a checkpoint of its own.
      variants: The ways that are compared; ratios are those to the first.
      what: What it asks, in words.
    """

    models: Case
    variants: Tuple[str, ...]
    what: str


SERIES = {
    series.models.name: series
    for series in (
        SeriesCase(
            Case("sweep", variables=60, width=32, models=45),
            ("Saver each time", "Saver.restore", "swap"),
            "one graph, the weights of each checkpoint in turn",
        ),
        SeriesCase(
            Case("each", variables=12, width=2236, models=4),
            ("restore", "restore_each"),
            "all models at once, or one after the other",
        ),
        SeriesCase(
            Case("thrifty", variables=25, width=2236, models=3),
            ("swap", "swap low"),
            "the memory of a swap",
        ),
    )
}
"""The cases by name."""
