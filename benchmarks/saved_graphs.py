"""Times imports of saved graphs with their weights, by stock TensorFlow and by ours.

Every run has a process of its own; the variants take turns. The first round is thrown
away. ``docs/benchmarks.md`` says what is measured, and how.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, Optional

from absl import app, flags
from cases import KINDS
from program import flags_parser, run_benchmark, tell
from rounds import BenchmarkError, run_child, turned, warm
from saved_graphs_cases import (
    COPIES,
    NAMES,
    STOCK,
    VARIANTS,
    GraphCase,
    case_named,
    usual_cases,
)
from summary import Environment

from legacy_restore.report.table import human_bytes

_CHILD = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "saved_graphs_child.py"
)
_OF_FILE = "as saved"
_NOT_MEASURED = "-"

_CASES = flags.DEFINE_multi_enum(
    "case", list(usual_cases()), list(NAMES), "What to import; may be repeated."
)
_KINDS = flags.DEFINE_multi_enum(
    "kind", list(KINDS), KINDS, "The kind of the variables made; may be repeated."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 3, "Rounds that count; fewer than 3 tell little.", lower_bound=1
)
_COPIES = flags.DEFINE_multi_integer(
    "copies", list(COPIES), "Models of one file; may be repeated.", lower_bound=1
)
_SCALE = flags.DEFINE_float(
    "scale", 1.0, "Share of the layers of graphs that are made.", lower_bound=0.0
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")


def main(_: object) -> int:
    """Runs all cases; prints tables as they come, or JSON at the end."""
    names = dict.fromkeys(_CASES.value)
    return run_benchmark(
        (result for name in names for result in _results_of(name)), _JSON.value
    )


def _results_of(name: str) -> Iterator[Dict[str, Any]]:
    case = case_named(name)
    if case is None:
        raise BenchmarkError("the public file is not there: LEGACY_RESTORE_SAMPLES")
    for kind in [_OF_FILE] if case.prefix else dict.fromkeys(_KINDS.value):
        with tempfile.TemporaryDirectory(prefix="legacy_restore-bench-") as directory:
            made = os.path.join(directory, "model", "model.ckpt")
            yield from _measured(case.scaled(_SCALE.value), kind, made)


def _measured(case: GraphCase, kind: str, made: str) -> Iterator[Dict[str, Any]]:
    tell(f"{case.name}, {kind} variables: writing")
    wanted = {
        "prefix": "" if case.prefix else made,
        "kind": kind,
        "layers": case.layers,
    }
    environment = Environment(**run_child(_CHILD, "write", wanted))
    for copies in dict.fromkeys(_COPIES.value):
        result = {
            "environment": dataclasses.asdict(environment),
            "case": case.name,
            "kind": kind,
            "copies": copies,
            "variants": _runs_of(case, kind, case.prefix or made, copies),
        }
        if not _JSON.value:
            foot = f"  rounds: {_ROUNDS.value}; {environment}"
            print(f"{_table(result)}\n{foot}\n", flush=True)
        yield result


def _runs_of(case: GraphCase, kind: str, prefix: str, copies: int) -> Dict[str, Any]:
    runs: Dict[str, List[Dict[str, Any]]] = {name: [] for name in VARIANTS}
    for number in range(_ROUNDS.value + 1):
        which = f"round {number} of {_ROUNDS.value}" if number else "not counted"
        tell(f"{case.name}, {kind} variables, {copies} copies: {which}")
        for variant in turned(VARIANTS, number):
            warm([os.path.dirname(prefix)])
            arguments = {
                "prefix": prefix,
                "output": case.output,
                "variant": variant,
                "copies": copies,
            }
            measured = run_child(_CHILD, "run", arguments)
            if number:
                runs[variant].append(measured)
    stock = _median(runs[STOCK], "seconds")
    return {
        name: {
            "seconds": _median(found, "seconds"),
            "peak_bytes": _median(found, "peak_bytes"),
            "operations": found[0]["operations"],
            "speed_against_stock": (stock or 0.0) / (_median(found, "seconds") or 1.0),
            "runs": found,
        }
        for name, found in runs.items()
    }


def _median(runs: List[Dict[str, Any]], field: str) -> Optional[float]:
    values = [run[field] for run in runs]
    return None if None in values else statistics.median(values)


def _table(result: Mapping[str, Any]) -> str:
    header = ["variant", "restored", "rounds", f"x {STOCK}", "operations", "peak"]
    rows = [header, *(_cells(*one) for one in result["variants"].items())]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [f"{result['case']}, {result['kind']} variables, {result['copies']} copies"]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:])]
        lines.append("  ".join(["", first.ljust(widths[0]), *cells]))
    every = [run for one in result["variants"].values() for run in one["runs"]]
    remarks = {run["remark"] for run in every if run["remark"]}
    return "\n".join([*lines, *(f"  {remark}" for remark in sorted(remarks))])


def _cells(variant: str, found: Mapping[str, Any]) -> List[str]:
    seconds = [run["seconds"] for run in found["runs"]]
    peak = found["peak_bytes"]
    return [
        variant,
        f"{found['seconds']:.2f} s",
        f"{min(seconds):.2f}-{max(seconds):.2f}",
        f"{found['speed_against_stock']:.2f}",
        str(found["operations"]),
        _NOT_MEASURED if peak is None else human_bytes(int(peak)),
    ]


if __name__ == "__main__":
    app.run(main, flags_parser=flags_parser(__doc__))
