"""Fuzzes the readers for as long as one likes.

python -m tests.fuzz --seconds=600 --keep=/tmp/failures
"""

import argparse
import itertools
import pathlib
import sys
import time
from typing import Iterator

from tests.fuzz.runner import run


def _until(seconds: float, first: int) -> Iterator[int]:
    end = time.monotonic() + seconds
    for number in itertools.count(first):
        if time.monotonic() > end:
            return
        yield number


def main() -> int:
    """Prints figures; returns 1 where something came through."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60, help="for how long")
    parser.add_argument("--seed", type=int, default=0, help="of the generator")
    parser.add_argument("--first", type=int, default=0, help="the mutant to begin with")
    parser.add_argument(
        "--keep", type=pathlib.Path, help="folder for what comes through"
    )
    args = parser.parse_args()
    figures = run(args.seed, _until(args.seconds, args.first))
    print(f"{sum(figures.outcomes.values())} mutants")
    for name, count in figures.outcomes.most_common():
        print(f"  {count:8} {name}")
    print(f"memory of one: {figures.peak_bytes} bytes at most")
    print(f"time of one: {figures.slowest:.2f} s at most")
    for failure in figures.failures:
        print(failure)
        if args.keep is not None:
            failure.write(args.keep / f"{args.seed}-{failure.number}")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
