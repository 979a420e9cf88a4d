"""Which keys of one checkpoint are keys of the other under a new name.

Nothing is guessed for a single tensor. A key is taken for renamed if exactly one key
that only the other checkpoint has holds the same dtype, shape and contents, and the
other way round. What holds nothing, or the same as several others (zeros, often), could
be the new name of any of them and stays as it is. Where contents differ too, one rule
for the whole - one scope in place of another - is proposed if it explains every key
that only one side has; it is never applied by itself.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.checkpoint import TensorEntry

Type = Tuple[str, Tuple[int, ...]]
TypeAndCrc = Tuple[str, Tuple[int, ...], int]


@dataclasses.dataclass(frozen=True)
class Pairing:
    """What the contents of tensors say about their names.

    Attributes:
      renamed: The new name of each name that has exactly one.
      ambiguous: The names of the first checkpoint that have several, or none that
        could be told from others.
    """

    renamed: Mapping[str, str]
    ambiguous: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ScopeRule:
    """One scope in place of another; both with their slash, or empty.

    Attributes:
      old: In the first checkpoint.
      new: In the second one.
    """

    old: str
    new: str

    def apply(self, name: str) -> str:
        """Returns the new name of a name that is in the old scope."""
        return self.new + name[len(self.old) :]

    @property
    def pattern(self) -> str:
        """The regular expression of a ``Rename`` that does the same."""
        return "^" + re.escape(self.old)

    @property
    def text(self) -> str:
        r"""What a ``Rename`` puts in its place, backslashes doubled."""
        return self.new.replace("\\", "\\\\")


def type_of(entry: TensorEntry) -> Type:
    """Returns what a tensor and its new name have in common before any value."""
    return entry.dtype, entry.shape


def candidates(
    a: Mapping[str, TensorEntry], b: Mapping[str, TensorEntry]
) -> Tuple[List[str], List[str]]:
    """Returns the names of which the contents matter: the others have no partner.

    Args:
      a: The entries that only the first checkpoint has, by name.
      b: The same of the second one.
    """
    common = {type_of(one) for one in a.values()} & {type_of(one) for one in b.values()}

    def matter(entries: Mapping[str, TensorEntry]) -> List[str]:
        return [
            name
            for name, entry in entries.items()
            if type_of(entry) in common and entry.is_complete
        ]

    return matter(a), matter(b)


def pair(a: Mapping[str, TypeAndCrc], b: Mapping[str, TypeAndCrc]) -> Pairing:
    """Pairs names by contents.

    Args:
      a: Dtype, shape and checksum by name, of what only the first checkpoint has.
      b: The same of the second one.
    """
    names_of_a, names_of_b = _by_contents(a), _by_contents(b)
    renamed: Dict[str, str] = {}
    ambiguous: List[str] = []
    for contents, names in names_of_a.items():
        partners = names_of_b.get(contents, [])
        if not partners:
            continue
        is_empty = 0 in contents[1]
        if len(names) == len(partners) == 1 and not is_empty:
            renamed[names[0]] = partners[0]
        else:
            ambiguous += names
    return Pairing(renamed, tuple(sorted(ambiguous)))


def _by_contents(contents: Mapping[str, TypeAndCrc]) -> Dict[TypeAndCrc, List[str]]:
    found: Dict[TypeAndCrc, List[str]] = {}
    for name, one in contents.items():
        found.setdefault(one, []).append(name)
    return found


def scope_rule(
    a: Mapping[str, TensorEntry], b: Mapping[str, TensorEntry]
) -> Optional[ScopeRule]:
    """Returns the one rule that gives all names of ``a`` those of ``b``, or None.

    Every name has to be in the old scope, its new name in ``b`` with the same dtype and
    shape, and no name of ``b`` may be left.

    Args:
      a: The entries that only the first checkpoint has, by name.
      b: The same of the second one.
    """
    if not a or len(a) != len(b):
        return None
    old, new = _common_scope(list(a)), _common_scope(list(b))
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    rule = ScopeRule(_scope_text(old), _scope_text(new))
    for name, entry in a.items():
        other = b.get(rule.apply(name))
        if other is None or type_of(other) != type_of(entry):
            return None
    return rule


def _scope_text(parts: Sequence[str]) -> str:
    return "".join(part + "/" for part in parts)


def _common_scope(names: Sequence[str]) -> List[str]:
    # Whatever the first and the last name of a sorted list share, all of them do.
    parts = sorted(name.split("/")[:-1] for name in names)
    shared = []
    for one, other in zip(parts[0], parts[-1]):
        if one != other:
            break
        shared.append(one)
    return shared
