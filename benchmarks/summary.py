"""What some rounds measured, as medians: a table for people, data for programs."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any, Dict, List, Mapping, Optional, Sequence

from cases import Case

from legacy_restore.report.table import human_bytes

Runs = Sequence[Mapping[str, Any]]
"""The measurements of one variant, a ``Measurement`` as a dictionary each."""


@dataclasses.dataclass(frozen=True)
class Environment:
    """What the benchmark ran on.

    Attributes:
      tensorflow: Version of TensorFlow.
      python: Version of Python.
      system: The operating system and the processor.
      cpus: Number of processors that the benchmark may use.
    """

    tensorflow: str
    python: str
    system: str
    cpus: int

    def __str__(self) -> str:
        """Says it in one line."""
        return (
            f"TensorFlow {self.tensorflow}, Python {self.python}, {self.system}, "
            f"{self.cpus} CPUs"
        )


_BASES = ("naive", "expert")
_NOT_MEASURED = "-"


@dataclasses.dataclass(frozen=True)
class Summary:
    """The rounds of one case with one kind of variables.

    Attributes:
      case: What was restored.
      kind: The kind of its variables.
      runs: The counted measurements of each variant, in the order of the table.
    """

    case: Case
    kind: str
    runs: Mapping[str, Runs]

    def median(self, variant: str, field: str) -> Optional[float]:
        """Returns the median of what was measured, None where it was not."""
        values = [run[field] for run in self.runs[variant]]
        return None if None in values else statistics.median(values)

    def speed_against(self, variant: str, base: str) -> float:
        """Returns how many times faster a variant restores than another one."""
        own = self.median(variant, "seconds_restored")
        other = self.median(base, "seconds_restored")
        assert own is not None and other is not None
        return other / own

    @property
    def remarks(self) -> List[str]:
        """What there is to say about the measurements, each once."""
        found = (run["remark"] for runs in self.runs.values() for run in runs)
        return sorted({remark for remark in found if remark})

    def to_json(self) -> Dict[str, Any]:
        """Returns medians, ratios and all counted runs as JSON-ready data."""
        return {
            "case": {**dataclasses.asdict(self.case), "nbytes": self.case.nbytes},
            "kind": self.kind,
            "variants": {name: self._variant_json(name) for name in self.runs},
        }

    def _variant_json(self, variant: str) -> Dict[str, Any]:
        fields = (
            "seconds_restored",
            "seconds_first_output",
            "peak_bytes",
            "graph_bytes",
        )
        found: Dict[str, Any] = {one: self.median(variant, one) for one in fields}
        for base in _BASES:
            found[f"speed_against_{base}"] = self.speed_against(variant, base)
        peak = found["peak_bytes"]
        found["peak_to_weights"] = None if peak is None else peak / self.case.nbytes
        found["runs"] = list(self.runs[variant])
        return found

    def __str__(self) -> str:
        """Returns the table."""
        header = [
            "variant",
            "restored",
            "(from - to)",
            *(f"x {base}" for base in _BASES),
            "first output",
            "peak memory",
            "/ weights",
            "graph",
        ]
        rows = [header, *(self._cells(variant) for variant in self.runs)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [f"{self.case.name}, {self.kind} variables: {self.case}"]
        for first, *rest in rows:
            cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:])]
            lines.append("  ".join(["", first.ljust(widths[0]), *cells]))
        lines += [f"  {remark}" for remark in self.remarks]
        return "\n".join(lines)

    def _cells(self, variant: str) -> List[str]:
        found = self._variant_json(variant)
        times = [run["seconds_restored"] for run in self.runs[variant]]
        peak, share = found["peak_bytes"], found["peak_to_weights"]
        graph = found["graph_bytes"]
        return [
            variant,
            f"{found['seconds_restored']:.3f} s",
            f"({min(times):.3f} - {max(times):.3f})",
            *(f"{found[f'speed_against_{base}']:.2f}" for base in _BASES),
            f"{found['seconds_first_output']:.3f} s",
            _NOT_MEASURED if peak is None else human_bytes(int(peak)),
            _NOT_MEASURED if share is None else f"{share:,.2f}",
            _NOT_MEASURED if graph is None else human_bytes(int(graph)),
        ]
