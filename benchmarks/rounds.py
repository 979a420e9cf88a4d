"""Rounds: every variant once in each, each time in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Sequence

from cases import VARIANTS, Case
from summary import Environment, Summary

from legacy_restore.report.table import human_bytes

_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_CHUNK_BYTES = 16 << 20
# Room for the index files, and for what a Saver writes before it renames it.
_SPARE_BYTES = 64 << 20


class BenchmarkError(Exception):
    """The benchmark cannot be carried out; the message says why."""


@dataclasses.dataclass(frozen=True)
class Written:
    """The checkpoints of a case.

    Attributes:
      prefixes: The prefix of each model's checkpoint, by scope.
      environment: What wrote them, and will read them.
    """

    prefixes: Mapping[str, str]
    environment: Environment


@contextlib.contextmanager
def written(case: Case) -> Iterator[Written]:
    """Writes a case's checkpoints to a temporary directory, which goes afterwards.

    Raises:
      BenchmarkError: There is no room for them, or TensorFlow failed.
    """
    with tempfile.TemporaryDirectory(prefix="legacy_restore-bench-") as directory:
        demand_room(directory, case.stored_nbytes)
        prefixes = {
            scope: os.path.join(directory, scope, "model.ckpt") for scope in case.scopes
        }
        arguments = {"case": dataclasses.asdict(case), "prefixes": prefixes}
        yield Written(prefixes, Environment(**run_child(_CHILD, "write", arguments)))


def demand_room(directory: str, nbytes: int) -> None:
    """Raises ``BenchmarkError`` where there is no room for so many bytes."""
    free = shutil.disk_usage(directory).free
    if free < nbytes + _SPARE_BYTES:
        raise BenchmarkError(
            f"{tempfile.gettempdir()} has {human_bytes(free)} left, not the "
            f"{human_bytes(nbytes)} of the checkpoints; TMPDIR names another"
        )


def measure(
    case: Case,
    kind: str,
    prefixes: Mapping[str, str],
    rounds: int,
    tell: Callable[[str], None],
) -> Summary:
    """Runs all variants in turns, and once before that counts.

    Args:
      case: What to restore.
      kind: The kind of its variables.
      prefixes: The prefix of each model's checkpoint, by scope.
      rounds: Rounds that count.
      tell: Gets a line on each round.

    Raises:
      BenchmarkError: A run failed, or restored other values than it should have.
    """
    runs: Dict[str, List[Mapping[str, Any]]] = {name: [] for name in VARIANTS}
    for number in range(rounds + 1):
        which = f"round {number} of {rounds}" if number else "the round not counted"
        tell(f"{case.name}, {kind} variables: {which}")
        for variant in turned(VARIANTS, number):
            warm(os.path.dirname(prefix) for prefix in prefixes.values())
            arguments = {
                "case": dataclasses.asdict(case),
                "prefixes": dict(prefixes),
                "kind": kind,
                "variant": variant,
            }
            measured = run_child(_CHILD, "run", arguments)
            if number:
                runs[variant].append(measured)
    return Summary(case, kind, runs)


def turned(names: Sequence[str], by: int) -> List[str]:
    """Returns names in turn: none always follows the same one."""
    start = by % len(names)
    return [*names[start:], *names[:start]]


def warm(directories: Iterable[str]) -> None:
    """Reads all files, so that every variant finds them in the page cache."""
    for directory in directories:
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), "rb") as file:
                while file.read(_CHUNK_BYTES):
                    pass


def child_environment() -> Dict[str, str]:
    """Returns the environment of what is measured.

    TensorFlow is installed with its bytecode. Ours is kept by the round that is not
    counted, also where the environment would have it compiled anew each time.
    """
    ours = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    ours.pop("PYTHONDONTWRITEBYTECODE", None)
    return ours


def run_child(program: str, job: str, arguments: Mapping[str, Any]) -> Dict[str, Any]:
    """Runs a job in a process of its own; returns what it prints as JSON.

    Raises:
      BenchmarkError: It failed.
    """
    done = subprocess.run(
        [sys.executable, program, job, json.dumps(arguments)],
        capture_output=True,
        env=child_environment(),
        check=False,
    )
    if done.returncode:
        text = done.stderr.decode(errors="replace")
        raise BenchmarkError(f"{job} {arguments.get('variant', '')} failed:\n{text}")
    result: Dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return result
