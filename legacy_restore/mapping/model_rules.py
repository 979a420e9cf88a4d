"""What may stand among the rules of a model, and what each part of them is for."""

from __future__ import annotations

from typing import Any, Iterable, Sequence, Tuple, Union

from legacy_restore import errors
from legacy_restore.mapping.packs.pack import RulePack
from legacy_restore.mapping.packs.registry import pack_named
from legacy_restore.mapping.rules import Rename
from legacy_restore.mapping.vocabulary import VocabularyRemap

Rule = Union[Rename, VocabularyRemap, str]
"""What a caller gives; a text names a rule pack."""

KeptRule = Union[Rename, VocabularyRemap, RulePack]
"""What is kept of it."""


def check_model_rules(rules: Sequence[Rule]) -> Tuple[KeptRule, ...]:
    """Returns the rules of a model as they are kept.

    Raises:
      UsageError: It is no list of rules, or there is no such pack.
    """
    is_list = isinstance(rules, Iterable) and not isinstance(rules, str)
    found: Tuple[Any, ...] = tuple(rules) if is_list else (None,)
    found = tuple(pack_named(one) if isinstance(one, str) else one for one in found)
    if not all(isinstance(one, (Rename, VocabularyRemap, RulePack)) for one in found):
        raise errors.UsageError(
            "rules takes a list of Rename, VocabularyRemap and names of rule packs",
            hint='rules=["rnn-1.2"], rules=[lr.Rename("/weights$", "/kernel")]',
        )
    return found


def renames_of(rules: Sequence[KeptRule]) -> Tuple[Rename, ...]:
    """Returns the rules that rename keys."""
    return tuple(one for one in rules if isinstance(one, Rename))


def remaps_of(rules: Sequence[KeptRule]) -> Tuple[VocabularyRemap, ...]:
    """Returns the rules that reorder rows."""
    return tuple(one for one in rules if isinstance(one, VocabularyRemap))


def packs_of(rules: Sequence[KeptRule]) -> Tuple[RulePack, ...]:
    """Returns the rule packs, in their order."""
    return tuple(one for one in rules if isinstance(one, RulePack))
