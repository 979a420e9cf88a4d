"""Times reading by TensorFlow and by legacy_restore, and the memory that it takes.

Every run is a process of its own; the two take turns. The first round is thrown away.
``docs/benchmarks.md`` says what is measured, and how.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, Iterator, List, Mapping, Optional

from absl import app, flags
from program import flags_parser, run_benchmark, tell
from read_cases import OURS, READ_CASES, READ_VARIANTS, TENSORFLOW, ReadCase
from rounds import (
    BenchmarkError,
    child_environment,
    demand_room,
    run_child,
    turned,
    warm,
)
from summary import Environment

from legacy_restore.report.table import human_bytes

_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "read_child.py")
_COMMANDS = {
    OURS: ["-m", "legacy_restore", "inspect"],
    TENSORFLOW: ["-m", "tensorflow.python.tools.inspect_checkpoint", "--file_name"],
}
_NOT_MEASURED = "-"

_CASES = flags.DEFINE_multi_enum(
    "case", list(READ_CASES), list(READ_CASES), "What to read; may be repeated."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 3, "Rounds that count; fewer than 3 tell little.", lower_bound=1
)
_SCALE = flags.DEFINE_float(
    "scale", 1.0, "Share of each case's tensors.", lower_bound=0.0
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")

Runs = Mapping[str, List[Dict[str, Any]]]
"""The counted measurements of each variant."""


def main(_: object) -> int:
    """Runs all cases; prints tables as they come, or JSON at the end."""
    names = dict.fromkeys(_CASES.value)
    cases = (READ_CASES[name].scaled(_SCALE.value) for name in names)
    return run_benchmark((_shown(case) for case in cases), _JSON.value)


def _shown(case: ReadCase) -> Dict[str, Any]:
    result = _result_of(case, _ROUNDS.value)
    if not _JSON.value:
        print(_table(result, case) + "\n", flush=True)
    return result


def _result_of(case: ReadCase, rounds: int) -> Dict[str, Any]:
    tell(f"{case.name}: writing {case}")
    runs: Dict[str, List[Dict[str, Any]]] = {name: [] for name in READ_VARIANTS}
    with _written(case) as (prefix, environment):
        for number in range(rounds + 1):
            which = f"round {number} of {rounds}" if number else "the round not counted"
            tell(f"{case.name}: {which}")
            for variant in turned(READ_VARIANTS, number):
                warm([os.path.dirname(prefix)])
                measured = _measured(case, variant, prefix)
                if number:
                    runs[variant].append(measured)
    return {
        "environment": dataclasses.asdict(environment),
        "case": {**dataclasses.asdict(case), "nbytes": case.nbytes},
        "variants": {name: _medians(runs, name) for name in READ_VARIANTS},
    }


@contextlib.contextmanager
def _written(case: ReadCase) -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="legacy_restore-bench-") as directory:
        demand_room(directory, case.nbytes)
        prefix = os.path.join(directory, "model.ckpt")
        arguments = {
            "prefix": prefix,
            "tensors": case.tensors,
            "elements": case.elements,
        }
        yield prefix, Environment(**run_child(_CHILD, "write", arguments))


def _measured(case: ReadCase, variant: str, prefix: str) -> Dict[str, Any]:
    if case.is_process:
        return _process(variant, prefix)
    arguments = {"prefix": prefix, "case": case.name, "variant": variant}
    return run_child(_CHILD, "run", arguments)


def _process(variant: str, prefix: str) -> Dict[str, Any]:
    """Runs a whole command; what it lists is compared with nothing but its end."""
    *words, last = _COMMANDS[variant]
    arguments = (
        [*words, f"{last}={prefix}"]
        if variant == TENSORFLOW
        else [*words, last, prefix]
    )
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=out,
            stderr=err,
            env=child_environment(),
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1
        out.seek(0)
        listed = out.read().count(b"/kernel")
        if process.returncode or not listed:
            err.seek(0)
            text = err.read().decode(errors="replace")
            raise BenchmarkError(f"{variant} listed nothing:\n{text}")
    # Linux counts in KiB.
    peak = usage.ru_maxrss * 1024 if sys.platform == "linux" else None
    return {"seconds": seconds, "peak_bytes": peak, "remark": None}


def _medians(runs: Runs, variant: str) -> Dict[str, Any]:
    seconds = _median(runs, variant, "seconds")
    peak = _median(runs, variant, "peak_bytes")
    base = _median(runs, TENSORFLOW, "seconds")
    assert seconds is not None and base is not None
    return {
        "seconds": seconds,
        "speed_against_tensorflow": base / seconds,
        "peak_bytes": peak,
        "runs": runs[variant],
    }


def _median(runs: Runs, variant: str, field: str) -> Optional[float]:
    values = [run[field] for run in runs[variant]]
    return None if None in values else statistics.median(values)


def _table(result: Mapping[str, Any], case: ReadCase) -> str:
    header = ["variant", "time", "(from - to)", "x tensorflow", "peak memory"]
    rows = [header]
    remarks = set()
    for name, found in result["variants"].items():
        times = [run["seconds"] for run in found["runs"]]
        remarks |= {run["remark"] for run in found["runs"] if run["remark"]}
        peak = found["peak_bytes"]
        rows.append(
            [
                name,
                f"{found['seconds']:.3f} s",
                f"({min(times):.3f} - {max(times):.3f})",
                f"{found['speed_against_tensorflow']:.2f}",
                _NOT_MEASURED if peak is None else human_bytes(int(peak)),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [f"{case.name}: {case}"]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:])]
        lines.append("  ".join(["", first.ljust(widths[0]), *cells]))
    lines += [f"  {remark}" for remark in sorted(remarks)]
    environment = Environment(**result["environment"])
    rounds = len(next(iter(result["variants"].values()))["runs"])
    lines.append(f"  rounds: {rounds}; {environment}")
    return "\n".join(lines)


if __name__ == "__main__":
    app.run(main, flags_parser=flags_parser(__doc__))
