"""Times what one process restores in turn: swaps, and one model after the other.

Every series runs in a process of its own; the variants take turns. The first round is
thrown away. ``docs/benchmarks.md`` says what is measured, and how.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
from typing import Any, Dict, List, Mapping, Optional

from absl import app, flags
from cases import KINDS
from program import flags_parser, run_benchmark, tell
from rounds import run_child, turned, warm, written
from series_cases import SERIES, SeriesCase

from legacy_restore.report.table import human_bytes

_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "series_child.py")
_FIELDS = (
    "seconds_second",
    "seconds_last",
    "seconds_all",
    "operations_added",
    "peak_bytes",
)
_NOT_MEASURED = "-"

_CASES = flags.DEFINE_multi_enum(
    "case", list(SERIES), list(SERIES), "What to restore; may be repeated."
)
_KINDS = flags.DEFINE_multi_enum(
    "kind", list(KINDS), KINDS, "The kind of the variables; may be repeated."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 3, "Rounds that count; fewer than 3 tell little.", lower_bound=1
)
_SCALE = flags.DEFINE_float(
    "scale", 1.0, "Share of each case's variables.", lower_bound=0.0
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")

Runs = Mapping[str, List[Dict[str, Any]]]
"""The counted measurements of each variant."""


def main(_: object) -> int:
    """Runs all cases; prints tables as they come, or JSON at the end."""
    found = (SERIES[name] for name in dict.fromkeys(_CASES.value))
    scaled = (
        dataclasses.replace(one, models=one.models.scaled(_SCALE.value))
        for one in found
    )
    return run_benchmark(
        (result for series in scaled for result in _results_of(series)), _JSON.value
    )


def _results_of(series: SeriesCase) -> List[Dict[str, Any]]:
    case = series.models
    results = []
    tell(f"{case.name}: writing {case}")
    with written(case) as checkpoints:
        for kind in dict.fromkeys(_KINDS.value):
            runs = _measure(series, kind, checkpoints.prefixes)
            result = {
                "environment": dataclasses.asdict(checkpoints.environment),
                "case": {**dataclasses.asdict(case), "nbytes": case.nbytes},
                "kind": kind,
                "variants": {name: _medians(runs, name) for name in series.variants},
            }
            results.append(result)
            if not _JSON.value:
                foot = f"  rounds: {_ROUNDS.value}; {checkpoints.environment}\n"
                print(f"{_table(result, series)}\n{foot}", flush=True)
    return results


def _measure(series: SeriesCase, kind: str, prefixes: Mapping[str, str]) -> Runs:
    runs: Dict[str, List[Dict[str, Any]]] = {name: [] for name in series.variants}
    rounds = _ROUNDS.value
    for number in range(rounds + 1):
        which = f"round {number} of {rounds}" if number else "the round not counted"
        tell(f"{series.models.name}, {kind} variables: {which}")
        for variant in turned(series.variants, number):
            warm(os.path.dirname(prefix) for prefix in prefixes.values())
            arguments = {
                "case": dataclasses.asdict(series.models),
                "prefixes": dict(prefixes),
                "kind": kind,
                "variant": variant,
            }
            measured = run_child(_CHILD, "run", arguments)
            if number:
                runs[variant].append(measured)
    return runs


def _medians(runs: Runs, variant: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {one: _median(runs, variant, one) for one in _FIELDS}
    found["last_to_second"] = found["seconds_last"] / found["seconds_second"]
    base = _median(runs, next(iter(runs)), "seconds_last")
    assert base is not None
    found["speed_against_first"] = base / found["seconds_last"]
    found["runs"] = runs[variant]
    return found


def _median(runs: Runs, variant: str, field: str) -> Optional[float]:
    values = [run[field] for run in runs[variant]]
    return None if None in values else statistics.median(values)


def _table(result: Mapping[str, Any], series: SeriesCase) -> str:
    header = [
        "variant",
        "2nd",
        "last",
        "last / 2nd",
        f"x {series.variants[0]}",
        "all",
        "operations added",
        "peak memory",
        "/ model",
    ]
    variants = result["variants"]
    nbytes = result["case"]["nbytes"] / result["case"]["models"]
    rows = [header, *(_cells(name, variants[name], nbytes) for name in variants)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    case = series.models
    lines = [f"{case.name}, {result['kind']} variables: {series.what}; {case}"]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:])]
        lines.append("  ".join(["", first.ljust(widths[0]), *cells]))
    remarks = {run["remark"] for one in variants.values() for run in one["runs"]}
    lines += [f"  {remark}" for remark in sorted(filter(None, remarks))]
    return "\n".join(lines)


def _cells(variant: str, found: Mapping[str, Any], nbytes: float) -> List[str]:
    peak = found["peak_bytes"]
    return [
        variant,
        f"{found['seconds_second']:.3f} s",
        f"{found['seconds_last']:.3f} s",
        f"{found['last_to_second']:.2f}",
        f"{found['speed_against_first']:.2f}",
        f"{found['seconds_all']:.3f} s",
        f"{found['operations_added']:.0f}",
        _NOT_MEASURED if peak is None else human_bytes(int(peak)),
        _NOT_MEASURED if peak is None else f"{peak / nbytes:,.2f}",
    ]


if __name__ == "__main__":
    app.run(main, flags_parser=flags_parser(__doc__))
