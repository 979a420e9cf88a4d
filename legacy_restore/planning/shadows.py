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
from legacy_restore.planning.spec import ModelSpec, Source, type_text

DEFAULT_NAME = "ExponentialMovingAverage"


@dataclasses.dataclass(frozen=True)
class View:
    """A checkpoint as a model's variables are to see it.

    Attributes:
      entries: The tensor that serves each key. Keys are the checkpoint's, and those
        that raw values which it lacks would have.
      renamed: What the model's rules make of these keys.
      averages: The averages of a key, where it has any; the first serves it, more than
        one are ambiguous.
      average_keys: All keys that are named like an average.
    """

    entries: Mapping[str, TensorEntry]
    renamed: RenamedKeys
    averages: Mapping[str, Tuple[str, ...]] = dataclasses.field(default_factory=dict)
    average_keys: FrozenSet[str] = frozenset()

    def taken(self, table: Mapping[str, str]) -> Set[str]:
        """Returns the checkpoint's keys that the variables of a table take.

        Args:
          table: The key in this view of each variable.
        """
        return {self.entries[key].key for key in table.values()}

    def replaced(self, table: Mapping[str, str]) -> Dict[str, str]:
        """Returns the keys in the place of which a table takes averages, with those.

        Args:
          table: The key in this view of each variable.
        """
        return {
            key: self.entries[key].key for key in table.values() if key in self.averages
        }


def view_of(model: ModelSpec, source: Source, renamed: RenamedKeys) -> View:
    """Returns a checkpoint as the variables of a model see it.

    Args:
      model: The model; its ``weights`` say what it is to see.
      source: What the checkpoint holds.
      renamed: What the model's rules make of the checkpoint's keys. A key that no rule
        changes is the average of a key of the file, whatever that is renamed to.
    """
    if model.weights == "raw":
        return View(source.entries, renamed)
    found = _find_averages(model, source, renamed)
    entries = dict(source.entries)
    names = dict(renamed.key_of)
    for key, averages in found.averages.items():
        if key not in entries:
            names[key] = key
        entries[key] = source.entries[averages[0]]
    return View(
        entries=entries,
        renamed=dataclasses.replace(renamed, key_of=names),
        averages=found.averages,
        average_keys=found.keys,
    )


@dataclasses.dataclass(frozen=True)
class _Found:
    """The averages of a checkpoint.

    Attributes:
      averages: Those of each key, sorted.
      keys: All of them.
    """

    averages: Mapping[str, Tuple[str, ...]]
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
        keys.add(key)
        base = split.group(1)
        known = same if name == key else renamed.key_of
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
    averages = {key: tuple(sorted(found)) for key, found in {**alone, **own}.items()}
    return _Found(averages, frozenset(keys))


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
            raw = source.entries[key]
            same = type_text(raw.dtype, raw.shape) == type_text(
                entry.dtype, entry.shape
            )
            return key if same else None
    return None
