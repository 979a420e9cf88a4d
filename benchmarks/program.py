"""What the benchmarks share as programs: flags, what they tell, how they end."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any, Callable, Dict, Iterable, List

from absl import flags
from absl.flags import argparse_flags
from rounds import BenchmarkError

Result = Dict[str, Any]


def run_benchmark(results: Iterable[Result], as_json: bool) -> int:
    """Measures, and returns how the program ends.

    Args:
      results: Measures and gives one result after the other; tables are its own affair.
      as_json: Whether all of them are printed as JSON in the end.
    """
    # A benchmark that is terminated leaves no gigabytes behind either.
    signal.signal(signal.SIGTERM, terminate)
    try:
        found = list(results)
    except KeyboardInterrupt:
        tell("interrupted: what was not printed was not measured to its end")
        return 130
    except (BenchmarkError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(found, indent=2))
    return 0


def terminate(number: int, _: object) -> None:
    """Ends by a signal as by an exception, so that temporary files go."""
    tell(f"ended by signal {number}")
    sys.exit(128 + number)


def tell(line: str) -> None:
    """Prints a line on what is going on."""
    print(line, file=sys.stderr, flush=True)


def flags_parser(description: str) -> Callable[[List[str]], object]:
    """Returns what reads the flags; ``--help`` ends with 0, a mistake with 2.

    Args:
      description: The documentation of the program, of which the first line is shown.
    """

    def parse(argv: List[str]) -> object:
        parser = argparse_flags.ArgumentParser(description=description.splitlines()[0])
        try:
            return parser.parse_args(argv[1:])
        except flags.Error as error:  # A value that a flag does not take.
            return parser.error(str(error))

    return parse
