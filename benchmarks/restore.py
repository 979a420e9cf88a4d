"""Times restores by stock TensorFlow and by legacy_restore, and their peak memory.

Every restore runs in a process of its own; the variants take turns. The first round is
thrown away. ``docs/benchmarks.md`` says what is measured, and how.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List

from absl import app, flags
from cases import CASES, KINDS, USUAL, Case
from program import flags_parser, run_benchmark, tell
from rounds import measure, written
from summary import Summary

_CASES = flags.DEFINE_multi_enum(
    "case", list(USUAL), list(CASES), "What to restore; may be repeated."
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


def main(_: object) -> int:
    """Runs all cases; prints tables as they come, or JSON at the end."""
    names = dict.fromkeys(_CASES.value)
    cases = (CASES[name].scaled(_SCALE.value) for name in names)
    return run_benchmark(
        (result for case in cases for result in _results_of(case)), _JSON.value
    )


def _results_of(case: Case) -> List[Dict[str, Any]]:
    results = []
    tell(f"{case.name}: writing {case}")
    with written(case) as checkpoints:
        for kind in dict.fromkeys(_KINDS.value):
            summary = measure(case, kind, checkpoints.prefixes, _ROUNDS.value, tell)
            environment = checkpoints.environment
            if not _JSON.value:
                _show(summary, str(environment))
            results.append(
                {"environment": dataclasses.asdict(environment), **summary.to_json()}
            )
    return results


def _show(summary: Summary, environment: str) -> None:
    print(f"{summary}\n  rounds: {_ROUNDS.value}; {environment}\n", flush=True)


if __name__ == "__main__":
    app.run(main, flags_parser=flags_parser(__doc__))
