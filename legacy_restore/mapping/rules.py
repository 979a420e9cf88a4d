"""Rules that rename checkpoint keys."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from legacy_restore import errors


@dataclasses.dataclass(frozen=True)
class Rename:
    r"""Renames the checkpoint keys in which a pattern is found.

    The new name is ``re.sub(pattern, text, key, count=1)``; it is compared with the
    variable's name without its model's scope. The first rule that matches a key wins.

    Example: ``Rename(r"^decoder_v2/", "")`` or ``Rename(r"/weights$", "/kernel")``.

    Attributes:
      pattern: A regular expression that is searched in the whole key; ``^`` and ``$``
        anchor it.
      text: What replaces the match; may refer to groups as ``\1`` or ``\g<name>``.
    """

    pattern: str
    text: str

    def __post_init__(self) -> None:
        """Checks pattern and text.

        Raises:
          UsageError: The pattern is no regular expression, or the text refers to a
            group that it does not have.
        """
        try:
            re.compile(self.pattern).sub(self.text, "", count=1)
        except (re.error, TypeError, IndexError) as error:
            raise errors.UsageError(f"{self}: {error}") from error

    def matches(self, key: str) -> bool:
        """Returns whether the pattern is found in the key."""
        return re.search(self.pattern, key) is not None

    def apply(self, key: str) -> str:
        """Returns the new name of a key."""
        return re.sub(self.pattern, self.text, key, count=1)


def check_rules(rules: Sequence[Rename]) -> Tuple[Rename, ...]:
    """Returns rules as they are kept.

    Raises:
      UsageError: It is no list of rules.
    """
    found: Tuple[Any, ...] = tuple(rules) if isinstance(rules, Iterable) else (None,)
    if not all(isinstance(rule, Rename) for rule in found):
        raise errors.UsageError("rules takes a list of Rename")
    return found


@dataclasses.dataclass(frozen=True)
class RenamedKeys:
    """What a list of rules makes of a checkpoint's keys.

    Attributes:
      key_of: The key that carries each name.
      collisions: The keys of each name that more than one key got; such names are
        not in ``key_of``.
      unused: The rules that matched no key or were never the first to match.
    """

    key_of: Mapping[str, str]
    collisions: Mapping[str, Tuple[str, ...]]
    unused: Tuple[Rename, ...]


def rename_keys(rules: Sequence[Rename], keys: Iterable[str]) -> RenamedKeys:
    """Applies to each key the first rule that matches it; others keep their name."""
    keys_of: Dict[str, List[str]] = {}
    used = set()
    for key in keys:
        rule = next((rule for rule in rules if rule.matches(key)), None)
        if rule is not None:
            used.add(rule)
        name = key if rule is None else rule.apply(key)
        keys_of.setdefault(name, []).append(key)
    return RenamedKeys(
        key_of={name: found[0] for name, found in keys_of.items() if len(found) == 1},
        collisions={
            name: tuple(found) for name, found in keys_of.items() if len(found) > 1
        },
        unused=tuple(rule for rule in rules if rule not in used),
    )
