"""Which tensor of a checkpoint serves a key: the raw value, or its moving average.

``tf.train.ExponentialMovingAverage`` keeps the average, or shadow, of the variable
``dense/kernel`` as ``dense/kernel/ExponentialMovingAverage``; with ``name="avg"`` as
``dense/kernel/avg``; a further one of the same variable with ``_1`` behind; one that is
made in the scope ``train`` as ``train/dense/kernel/ExponentialMovingAverage``
(``tensorflow/python/training/slot_creator.py``).

Matching goes by the keys of the raw values, since those are called like variables. For
averaged weights it runs on a view of the checkpoint in which the average stands under
the key of its raw value; also where the checkpoint lacks the raw value itself.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Set, Tuple

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping.rules import RenamedKeys
from legacy_restore.planning.spec import ModelSpec, Source

DEFAULT_NAME = "ExponentialMovingAverage"


@dataclasses.dataclass(frozen=True)
class View:
    """A checkpoint as a model's variables are to see it.

    Attributes:
      entries: The tensor that serves each key. Keys are the checkpoint's, and those
        that raw values which it lacks would have.
      renamed: What the model's rules make of these keys.
      averages: The averages that may serve a key, where it is to be served by one: the
        first does, more than one are ambiguous.
      average_keys: The keys that are named like an average.
      raw_values: The key of the raw value of each average that has one.
    """

    entries: Mapping[str, TensorEntry]
    renamed: RenamedKeys
    averages: Mapping[str, Tuple[str, ...]]
    average_keys: FrozenSet[str]
    raw_values: Mapping[str, str]

    def taken(self, table: Mapping[str, str]) -> Set[str]:
        """Returns the checkpoint's keys that the variables of a table take.

        Args:
          table: The key in this view of each variable.
        """
        return {self.entries[key].key for key in table.values()}

    def spared(self, table: Mapping[str, str]) -> Dict[str, str]:
        """Returns the keys that a model does without, as it takes their counterpart.

        Args:
          table: The key in this view of each variable.

        Returns:
          What to say of each raw value and each average that is known as such.
        """
        found = {
            average: f"moving average: average of {key}"
            for average, key in self.raw_values.items()
        }
        for key in table.values():
            if key in self.averages:
                taken = self.entries[key].key
                found[key] = f"raw value: {taken} is restored in its place"
        return found


def view_of(model: ModelSpec, source: Source, renamed: RenamedKeys) -> View:
    """Returns a checkpoint as the variables of a model see it.

    Args:
      model: The model; its ``weights`` say what it is to see.
      source: What the checkpoint holds.
      renamed: What the model's rules make of the checkpoint's keys. A key that no rule
        changes is the average of a key of the file, whatever that is renamed to.
    """
    found = _find_averages(model, source, renamed)
    raw_values = {
        average: key for key, averages in found.of_keys.items() for average in averages
    }
    if model.weights == "raw":
        return View(source.entries, renamed, {}, found.keys, raw_values)
    entries = dict(source.entries)
    names = dict(renamed.key_of)
    averages = {**found.alone, **found.of_keys}
    names.update((name, name) for name in found.alone)
    entries.update((key, source.entries[some[0]]) for key, some in averages.items())
    renamed = dataclasses.replace(renamed, key_of=names)
    return View(entries, renamed, averages, found.keys, raw_values)


@dataclasses.dataclass(frozen=True)
class _Found:
    """The averages of a checkpoint.

    Attributes:
      of_keys: Those of each key, sorted.
      alone: Those without a raw value, by the name that this would have.
      keys: The keys of all of them.
    """

    of_keys: Mapping[str, Tuple[str, ...]]
    alone: Mapping[str, Tuple[str, ...]]
    keys: FrozenSet[str]


def _find_averages(model: ModelSpec, source: Source, renamed: RenamedKeys) -> _Found:
    pattern = re.compile(rf"(.+)/(?:{_average_pattern(model.average_names)})")
    same = {key: key for key in source.entries}
    own: Dict[str, List[str]] = {}
    scoped: Dict[str, List[str]] = {}
    alone: Dict[str, List[str]] = {}
    keys = set()
    for name, key in renamed.key_of.items():
        split = pattern.fullmatch(name)
        if split is None:
            continue
        base = split.group(1)
        known = same if name == key else renamed.key_of
        if base in known and not _same_type(
            source.entries[known[base]], source.entries[key]
        ):
            continue  # Called like one, but no average has another type.
        keys.add(key)
        if not source.entries[key].is_complete:
            continue  # The average of one part of a partitioned variable.
        owner = _scoped_owner(source.entries[key], base, known, source)
        if base in known:
            own.setdefault(known[base], []).append(key)
        elif owner is not None:
            scoped.setdefault(owner, []).append(key)
        if base not in renamed.key_of and base not in same:
            alone.setdefault(base, []).append(key)
    if not own:
        # A scope before all averages is that in which they were made. Where some have
        # none, it belongs to the variable, whose raw value the checkpoint lacks.
        own = scoped
        used = {key for found in scoped.values() for key in found}
        alone = {base: found for base, found in alone.items() if found[0] not in used}
    return _Found(_sorted(own), _sorted(alone), frozenset(keys))


def _sorted(found: Mapping[str, List[str]]) -> Dict[str, Tuple[str, ...]]:
    return {key: tuple(sorted(averages)) for key, averages in found.items()}


def _average_pattern(names: Sequence[str]) -> str:
    if names:
        return "|".join(re.escape(name) for name in names)
    return DEFAULT_NAME + r"(?:_\d+)?"


def _scoped_owner(
    entry: TensorEntry, base: str, known: Mapping[str, str], source: Source
) -> Optional[str]:
    """The key of the longest end of a base that is a tensor of the average's type."""
    parts = base.split("/")
    for start in range(1, len(parts)):
        key = known.get("/".join(parts[start:]))
        if key is not None:
            return key if _same_type(source.entries[key], entry) else None
    return None


def _same_type(one: TensorEntry, other: TensorEntry) -> bool:
    return (one.dtype, one.shape) == (other.dtype, other.shape)
