"""What a rule pack is.

A pack knows the names of one habit - of a release, a library, a way to build models -
and turns them into those of another. It has one direction; the way back is another
pack. It never guesses for one name alone: it renames all keys of a checkpoint by one
rule, and whether that explains a model is for the plan to see.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Callable, Dict, Iterable, Mapping, NamedTuple, Sequence, Tuple


class TypedName(NamedTuple):
    """A name with the type of what it names.

    Attributes:
      name: A checkpoint key, or a variable's name without its model's scope.
      dtype: TensorFlow's name of the dtype.
      shape: The shape; of a variable, an axis of unknown size is None.
      has_rank: Whether the rank is known; else the shape is empty and says nothing.
    """

    name: str
    dtype: str = ""
    shape: Tuple[object, ...] = ()
    has_rank: bool = True


class NameChange(NamedTuple):
    """A row of the table of historical names.

    Attributes:
      what: What is called so, such as ``BasicLSTMCell``.
      old: Its name in the checkpoint.
      new: What the pack makes of it.
      keys: All keys of the example with their types, where more than ``old`` decides.
      wanted: The variables of the example, where they do.
    """

    what: str
    old: str
    new: str
    keys: Tuple[TypedName, ...] = ()
    wanted: Tuple[TypedName, ...] = ()


Renaming = Callable[[Sequence[TypedName], Sequence[TypedName]], Mapping[str, str]]
"""From a checkpoint's keys and a model's variables to the new names of keys.

Keys that keep their name are left out.
"""


@dataclasses.dataclass(frozen=True)
class RulePack:
    """Names of one habit, turned into those of another.

    Attributes:
      name: What ``rules`` calls it, such as ``rnn-1.2``.
      version: Raised whenever it makes another name of some key.
      title: From what to what, in a line.
      source: Where TensorFlow's source, or a public issue, says so.
      changes: What it is about, by example; a test applies it to each.
      rename: What it does.
      caution: What has to be right besides and no name or shape shows; such a pack is
        never applied by itself. Empty for most.
      caution_for: A regular expression for the parts of names in a checkpoint that the
        caution is about; empty: it is about all that the pack knows.
    """

    name: str
    version: int
    title: str
    source: str
    changes: Tuple[NameChange, ...]
    rename: Renaming
    caution: str = ""
    caution_for: str = ""

    def caution_about(self, names: Iterable[str]) -> str:
        """Returns what has to be right besides where a checkpoint has such names.

        Args:
          names: What its tensors are called before any pack is applied.

        Returns:
          The caution; empty where there is nothing to heed.
        """
        if not self.caution or not self.caution_for:
            return self.caution
        heeded = re.compile(_whole_parts(self.caution_for))
        return self.caution if any(heeded.search(name) for name in names) else ""


def substitutions(*pairs: Tuple[str, str]) -> Renaming:
    """Returns a renaming that substitutes parts of names, wherever they stand.

    Args:
      *pairs: Regular expressions for one or more whole parts between slashes, and what
        comes in their place; each is applied to what the one before it gave. Names of
        slots and averages have their variable's name in them, and follow. What they
        match does not refer to their groups.
    """
    compiled = [(re.compile(_whole_parts(old)), new) for old, new in pairs]
    # Where none matches, which is most often so, that is known by one search.
    any_of_them = re.compile(_whole_parts("|".join(old for old, _ in pairs)))

    def rename(
        keys: Sequence[TypedName], wanted: Sequence[TypedName]
    ) -> Mapping[str, str]:
        del wanted  # The names say it all.
        found: Dict[str, str] = {}
        for key in keys:
            name = key.name
            if any_of_them.search(name) is None:
                continue
            for pattern, text in compiled:
                name = pattern.sub(text, name)
            if name != key.name:
                found[key.name] = name
        return found

    return rename


def _whole_parts(pattern: str) -> str:
    return rf"(?<![^/])(?:{pattern})(?![^/])"


def in_turn(*renamings: Renaming) -> Renaming:
    """Returns a renaming that does what several do, one on the names of another."""

    def rename(
        keys: Sequence[TypedName], wanted: Sequence[TypedName]
    ) -> Mapping[str, str]:
        current = keys
        for renaming in renamings:
            changed = renaming(current, wanted)
            if changed:
                current = [_renamed(key, changed) for key in current]
        return {
            key.name: now.name
            for key, now in zip(keys, current)
            if now.name != key.name
        }

    return rename


def _renamed(key: TypedName, changed: Mapping[str, str]) -> TypedName:
    return key._replace(name=changed[key.name]) if key.name in changed else key


def chained(*packs: RulePack) -> Renaming:
    """Returns a renaming that does what several packs do, one after the other."""
    return in_turn(*(pack.rename for pack in packs))
