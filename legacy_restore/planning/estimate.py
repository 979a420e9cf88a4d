"""How much memory models take, before anything is loaded."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from legacy_restore.report.findings import Finding
from legacy_restore.report.refusal import finding_blocks
from legacy_restore.report.table import align, cut, cut_names, human_bytes, in_blocks

# Raised whenever a field of the JSON changes its meaning or goes.
JSON_VERSION = 1

_MAX_ROWS = 40
_MAX_DTYPES = 3


@dataclasses.dataclass(frozen=True)
class ModelEstimate:
    """What the variables of one model take in memory, in bytes.

    Attributes:
      name: The model's name, or the location where there is no model.
      prefix: The prefix of its checkpoint.
      num_variables: Number of its variables; a partitioned one is one, and those whose
        storage is another model's are not counted.
      weights: What it restores, without training state.
      initialised: What it leaves to its initialisers.
      state_in_graph: Training state that its graph has variables for; 0 of an estimate
        from files.
      training_state: Training state that is left in the checkpoint, which takes none.
      dtypes: What its variables take by dtype, as TensorFlow calls it.
      largest: Its largest variable.
      shared: What it has in the storage of other models, whose rows count it.
      fed: What is in memory besides, as the values of all variables that are made of
        a stored tensor: cast, sliced, reordered.
      converting: What is in memory besides, while the largest of them is made.
      swapping: What is in memory besides, while it is given other weights.
    """

    name: str
    prefix: str
    num_variables: int
    weights: int
    initialised: int
    state_in_graph: int
    training_state: int
    dtypes: Mapping[str, int]
    largest: int
    shared: int
    fed: int
    converting: int
    swapping: int

    @classmethod
    def of_no_variables(cls, name: str) -> ModelEstimate:
        """Returns the row of a model without variables, such as a frozen graph.

        Args:
          name: The model's name.
        """
        return cls(
            name=name,
            prefix="",
            num_variables=0,
            weights=0,
            initialised=0,
            state_in_graph=0,
            training_state=0,
            dtypes={},
            largest=0,
            shared=0,
            fed=0,
            converting=0,
            swapping=0,
        )

    @property
    def held(self) -> int:
        """What all of its variables take."""
        return self.weights + self.initialised + self.state_in_graph

    @property
    def peak(self) -> int:
        """The most that is in memory while it alone is restored."""
        return self.held + self.fed + self.converting

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "name": self.name,
            "prefix": self.prefix,
            "num_variables": self.num_variables,
            "weights": self.weights,
            "initialised": self.initialised,
            "state_in_graph": self.state_in_graph,
            "training_state": self.training_state,
            "dtypes": dict(self.dtypes),
            "largest": self.largest,
            "shared": self.shared,
            "peak": self.peak,
        }


@dataclasses.dataclass(frozen=True)
class Estimate:
    """How much memory models take, in bytes, as far as their variables go.

    TensorFlow itself, the graph and what a call computes come on top of it.

    Printing it shows a table with a row for each model.

    Attributes:
      rows: One for each model.
      basis: ``"files"``, or ``"plan"``: what the graph has variables for is known.
      findings: What there is to say about locations and files.
    """

    rows: Tuple[ModelEstimate, ...]
    basis: str
    findings: Tuple[Finding, ...] = ()

    def __getitem__(self, name: str) -> ModelEstimate:
        """Returns the row of one model, the first of this name.

        Raises:
          KeyError: There is no such model.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def weights(self) -> int:
        """What all variables take but those of training state."""
        return sum(row.weights + row.initialised for row in self.rows)

    @property
    def training_state(self) -> int:
        """Training state that is left in the checkpoints, which takes no memory."""
        return sum(row.training_state for row in self.rows)

    @property
    def state_in_graph(self) -> int:
        """Training state that the graph has variables for."""
        return sum(row.state_in_graph for row in self.rows)

    @property
    def held(self) -> int:
        """What all variables take."""
        return sum(row.held for row in self.rows)

    @property
    def peak(self) -> int:
        """The most while ``restore`` restores all models into one session."""
        fed = sum(row.fed for row in self.rows)
        return self.held + fed + self._largest("converting")

    @property
    def peak_swap(self) -> int:
        """The most while one of them, which takes the most for it, is swapped."""
        return self.held + self._largest("swapping")

    @property
    def peak_each(self) -> int:
        """The most while one is restored after the other: that of the largest.

        What it shares with others is then its own.
        """
        return max([row.peak + row.shared for row in self.rows], default=0)

    def _largest(self, what: str) -> int:
        return max([getattr(row, what) for row in self.rows], default=0)

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/estimate-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "basis": self.basis,
            "weights": self.weights,
            "training_state": self.training_state,
            "state_in_graph": self.state_in_graph,
            "peak": self.peak,
            "peak_swap": self.peak_swap,
            "peak_each": self.peak_each,
            "models": [row.to_json() for row in self.rows],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Returns the table, the peaks, and every finding as text."""
        return in_blocks(
            [self.table_lines(), self._peak_lines(), *finding_blocks(self.findings)]
        )

    def table_lines(self, room: int = _MAX_ROWS) -> List[str]:
        """Returns the table; it is cut where there are more models than room."""
        total = _cells("total", self.rows)
        rows = [_cells(row.name, [row]) for row in self.rows]
        lines = align(_right_aligned([_HEAD, *rows, total]))
        return [lines[0], *cut(lines[1:-1], room), lines[-1]]

    def _peak_lines(self) -> List[str]:
        peaks = [
            ("all in one session", self.peak),
            ("the same, one of them swapped, up to", self.peak_swap),
            ("one after the other", self.peak_each),
        ]
        rows = [(what, human_bytes(size)) for what, size in peaks]
        return ["at the most, for variables alone", *align(_right_aligned(rows))]


_HEAD = ("model", "variables", "weights", "training state", "peak", "dtypes")


def _cells(name: str, rows: Sequence[ModelEstimate]) -> Tuple[str, ...]:
    state = sum(row.state_in_graph for row in rows)
    left = sum(row.training_state for row in rows)
    shown = [f"{human_bytes(state)} in the graph"] if state else []
    shown += [f"{human_bytes(left)} left out"] if left else []
    return (
        name,
        f"{sum(row.num_variables for row in rows):,}",
        human_bytes(sum(row.weights + row.initialised for row in rows)),
        ", ".join(shown) or "-",
        human_bytes(Estimate(tuple(rows), "").peak),
        _dtypes_text(rows),
    )


def _dtypes_text(rows: Sequence[ModelEstimate]) -> str:
    found: Dict[str, int] = {}
    for row in rows:
        for dtype, size in row.dtypes.items():
            found[dtype] = found.get(dtype, 0) + size
    largest_first = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    if len(largest_first) == 1:
        return largest_first[0][0]
    shown = [f"{dtype} {human_bytes(size)}" for dtype, size in largest_first]
    return cut_names(shown, _MAX_DTYPES)


def _right_aligned(rows: Sequence[Sequence[str]]) -> List[Tuple[str, ...]]:
    """Aligns the columns of figures to the right: all but the first and the sixth."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        tuple(
            cell if place in (0, 5) else cell.rjust(widths[place])
            for place, cell in enumerate(row)
        )
        for row in rows
    ]
