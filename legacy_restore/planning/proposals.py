"""Rules that would make a checkpoint fit: proposed, never applied.

Names change by parts: ``weights`` became ``kernel``, a scope got another name. For each
missing variable and each left key of its type, the parts in which the two differ are a
possible substitution. The few substitutions that explain most are tried as rules, and
proposed only if with them the whole model matches. Where two explain the same names
equally well, such as two layers of one size, nothing is proposed: who types what is
proposed trusts it.
"""

from __future__ import annotations

import collections
import re
from typing import Counter, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.spec import VariableSpec, type_text

# A model whose layers all have other names needs one for each tensor at worst.
_MAX_RULES = 16
# Every variable is compared with every key of its type.
_MAX_COMPARISONS = 100_000


class _Substitution(NamedTuple):
    """Some parts of a key that became others in a variable's name."""

    old: Tuple[str, ...]
    new: Tuple[str, ...]
    is_at_start: bool
    is_at_end: bool


def propose_rules(
    missing: Sequence[VariableSpec], left: Sequence[TensorEntry]
) -> List[Rename]:
    """Returns rules that give every missing variable a left key of its type, or none.

    Args:
      missing: The variables without a key.
      left: The tensors that no variable takes.
    """
    options = _options(missing, left)
    unexplained = {variable.local_name for variable in missing}
    rules: List[Rename] = []
    while unexplained and len(rules) < _MAX_RULES:
        votes: Counter[_Substitution] = collections.Counter()
        for name in sorted(unexplained):
            votes.update(options.get(name, ()))
        if not votes:
            return []
        # The most votes; among equals the shortest text, then the alphabet.
        best = min(votes, key=lambda one: (-votes[one], len(str(one)), one))
        room = _MAX_RULES - len(rules)
        if votes[best] * room < len(unexplained) or _has_rival(best, votes):
            return []
        unexplained -= {name for name in unexplained if best in options[name]}
        rules.append(_as_rule(best))
    return [] if unexplained else rules


def _options(
    missing: Sequence[VariableSpec], left: Sequence[TensorEntry]
) -> Dict[str, Set[_Substitution]]:
    by_type: Dict[str, List[TensorEntry]] = {}
    for entry in left:
        by_type.setdefault(type_text(entry.dtype, entry.shape), []).append(entry)
    options: Dict[str, Set[_Substitution]] = {}
    comparisons = 0
    for variable in missing:
        same_type = by_type.get(type_text(variable.dtype, variable.shape), [])
        comparisons += len(same_type)
        if comparisons > _MAX_COMPARISONS:
            return {}
        options[variable.local_name] = {
            _substitution(entry.key, variable.local_name) for entry in same_type
        }
    return options


def _substitution(key: str, name: str) -> _Substitution:
    old, new = key.split("/"), name.split("/")
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return _Substitution(
        tuple(old[start : len(old) - end]),
        tuple(new[start : len(new) - end]),
        is_at_start=start == 0,
        is_at_end=end == 0,
    )


def _has_rival(best: _Substitution, votes: Mapping[_Substitution, int]) -> bool:
    """Whether another one takes the same parts, or gives them, with as many votes."""
    return any(
        votes[one] == votes[best] and (one.old == best.old or one.new == best.new)
        for one in votes
        if one != best
    )


def _as_rule(one: _Substitution) -> Rename:
    """The rule for a substitution, anchored by the slashes around it."""
    old, new = "/".join(one.old), "/".join(one.new)
    before = "^" if one.is_at_start else "/"
    after = "$" if one.is_at_end else "/"
    pattern = before + re.escape(old).replace(r"\-", "-") + after
    text = ("" if one.is_at_start else "/") + new + ("" if one.is_at_end else "/")
    if not one.old:  # Parts were put in: nothing stands between the two anchors.
        pattern = "^" if one.is_at_start else "/"
    if not one.new:  # Parts were taken out, with one of their slashes.
        text = "/" if not one.is_at_start and not one.is_at_end else ""
    return Rename(pattern, text.replace("\\", "\\\\"))
