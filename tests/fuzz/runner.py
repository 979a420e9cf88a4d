"""Looks at damaged checkpoints in every way there is, and demands what must hold.

Whatever the damage, only errors of ours come out, in bounded time and memory. Where
no checksum was repaired, what is read are the values that were saved.
"""

import collections
import contextlib
import dataclasses
import pathlib
import random
import signal
import tempfile
import time
import tracemalloc
from typing import Any, Callable, Counter, Dict, Iterable, Iterator, List, Optional

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, open_checkpoint
from legacy_restore.checkpoint.verifying import verify_checkpoint
from legacy_restore.examining.inspection import inspect_location
from legacy_restore.examining.salvage import salvage
from tests.checkpoint.golden import contents_of as bytes_of
from tests.fuzz.mutations import Mutant, mutate
from tests.fuzz.seeds import Seed, all_seeds

# The seeds have less than 40 kB. Snappy grows data 22 times at most, keys and strings
# become objects: nothing honest comes near.
MAX_PEAK_BYTES = 32 << 20
MAX_SECONDS = 20


class Hang(BaseException):
    """It took too long; no handler of ``Exception`` may hold it up."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Damage that came through.

    Attributes:
      seed: Name of the checkpoint that was damaged.
      number: Which of the run's mutants it is: the same seed of the generator gives
        the same one again.
      how: What was done to it.
      why: What should not have happened.
      files: The damaged files.
    """

    seed: str
    number: int
    how: str
    why: str
    files: Dict[str, bytes]

    def __str__(self) -> str:
        return f"mutant {self.number} of {self.seed} ({self.how}): {self.why}"

    def write(self, folder: pathlib.Path) -> None:
        """Writes the damaged files, to be looked at."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)


@dataclasses.dataclass(frozen=True)
class Figures:
    """What a run has seen.

    Attributes:
      outcomes: How many mutants ended in which way: the name of an error, or ``read``
        where every tensor was.
      failures: What must not happen and did.
      peak_bytes: The largest peak of memory of one mutant.
      slowest: The longest time for one mutant, in seconds.
    """

    outcomes: Counter[str]
    failures: List[Failure]
    peak_bytes: int
    slowest: float


def run(random_seed: int, numbers: Iterable[int]) -> Figures:
    """Damages and looks, once for each of ``numbers``.

    Args:
      random_seed: Seed of the generator.
      numbers: Which mutants to make; each depends on its number alone.
    """
    outcomes: Counter[str] = collections.Counter()
    failures = []
    peak, slowest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        seeds = all_seeds(pathlib.Path(folder))
    sound = {seed.name: _sound_values(seed) for seed in seeds}
    for number in numbers:
        rng = random.Random(f"{random_seed} {number}")
        seed = rng.choice(seeds)
        mutant = mutate(seed, rng)
        began = time.monotonic()
        with _measured() as measured:
            outcome = _look_at(seed, mutant, sound[seed.name])
        slowest = max(slowest, time.monotonic() - began)
        peak = max(peak, measured.peak)
        if measured.peak > MAX_PEAK_BYTES:
            outcome.why = outcome.why or f"{measured.peak} bytes were allocated"
        outcomes[outcome.name] += 1
        if outcome.why:
            failures.append(
                Failure(seed.name, number, mutant.how, outcome.why, mutant.files)
            )
    return Figures(outcomes, failures, peak, slowest)


@dataclasses.dataclass
class _Outcome:
    name: str = "read"
    why: str = ""


@dataclasses.dataclass
class _Measured:
    peak: int = 0


@contextlib.contextmanager
def _measured() -> Iterator[_Measured]:
    measured = _Measured()
    tracemalloc.start()
    try:
        yield measured
        measured.peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise Hang

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(MAX_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def _sound_values(seed: Seed) -> Dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        location = seed.write(pathlib.Path(folder), seed.files)
        return _found(location, _Outcome()) or {}


def _look_at(seed: Seed, mutant: Mutant, sound: Dict[str, Any]) -> _Outcome:
    outcome = _Outcome()
    with tempfile.TemporaryDirectory() as folder:
        location = seed.write(pathlib.Path(folder), mutant.files)
        try:
            with _time_limit():
                found = _found(location, outcome)
                saved = _salvaged(location, folder)
        except Hang:
            return _Outcome("hang", f"it took more than {MAX_SECONDS} seconds")
        except Exception as error:
            return _Outcome("crash", f"{type(error).__name__}: {error}")
    if mutant.is_sealed:
        return outcome
    seen = [*(found or {}).items(), *saved.items()]
    wrong = sorted({key for key, value in seen if sound.get(key) != value})
    if wrong:
        return _Outcome("wrong", f"other values than were saved: {wrong}")
    return outcome


def _found(location: str, outcome: _Outcome) -> Optional[Dict[str, Any]]:
    """The values that can be read; None where the checkpoint cannot be opened."""
    inspected = _ours(lambda: inspect_location(location), outcome)
    if inspected is not None:
        assert str(inspected)
        assert inspected.to_json()
    report = _ours(lambda: verify_checkpoint(location), outcome)
    if report is not None:
        assert str(report)
        assert report.to_json()
    outcome.name = "read"
    checkpoint = _ours(lambda: open_checkpoint(location), outcome)
    if checkpoint is None:
        return None
    with checkpoint:
        _ours(lambda: checkpoint.digest, outcome)
        _ours(lambda: checkpoint.objects, outcome)
        for key in checkpoint:
            _ours(lambda key=key: checkpoint.verify_tensor(key), outcome)
        found = _values(checkpoint, outcome)
    assert report is not None
    assert not (report.ok and outcome.name == "CorruptCheckpointError")
    return found


def _salvaged(location: str, folder: str) -> Dict[str, Any]:
    """The values that are saved; the checkpoint that is written is undamaged."""
    outcome = _Outcome()
    target = str(pathlib.Path(folder) / "salvaged")
    report = _ours(lambda: salvage(location, target), outcome)
    if report is None:
        return {}
    assert str(report)
    assert report.to_json()
    assert (report.exit_code == 3) == (report.written is None)
    if report.written is None:
        return {}
    assert not verify_checkpoint(target).lost
    with open_checkpoint(target) as checkpoint:
        assert len(checkpoint) == len(report.saved)
        return _values(checkpoint, outcome)


def _values(checkpoint: Checkpoint, outcome: _Outcome) -> Dict[str, Any]:
    found = {}
    for entry in checkpoint.entries():
        array = _ours(lambda key=entry.key: checkpoint[key], outcome)
        if array is not None:
            assert array.shape == entry.shape
            found[entry.key] = (entry.dtype, entry.shape, bytes_of(array))
    return found


def _ours(look: Callable[[], Any], outcome: _Outcome) -> Any:
    """What a look gives; None where it ends in an error of ours, which is noted."""
    try:
        return look()
    except errors.LegacyRestoreError as error:
        outcome.name = type(error).__name__
        assert str(error).count("\n") < 15
        return None
