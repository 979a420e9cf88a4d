"""Which of many names is most like one, as ``difflib`` judges it, in less time.

``difflib.get_close_matches`` matches the name block by block with almost every other
one. The blocks of two names are a common subsequence of them, and how long the longest
one is, is known in one pass of bit operations (Hyyrö, "Bit-parallel LCS-length
computation revisited", 2004). So the names are looked at from the greatest likeness
that they can have, and not many of them are.
"""

from __future__ import annotations

import difflib
from typing import Dict, Sequence


def most_like(name: str, among: Sequence[str], cutoff: float) -> str:
    """Returns what ``difflib.get_close_matches(name, among, 1, cutoff)`` finds.

    Args:
      name: A name.
      among: The names to choose from.
      cutoff: The least likeness, from 0 to 1.

    Returns:
      The most like; of equals the last in the alphabet; none: an empty text.
    """
    masks = _masks(name)
    bounds = [(_bound(name, masks, other), other) for other in among]
    matcher = difflib.SequenceMatcher()
    matcher.set_seq2(name)
    best, found = cutoff, ""
    for bound, other in sorted(bounds, reverse=True):
        if bound < best:
            break
        matcher.set_seq1(other)
        ratio = matcher.ratio()
        if (ratio, other) > (best, found):
            best, found = ratio, other
    return found


def _masks(name: str) -> Dict[str, int]:
    """The places of each letter in a name, as the bits of a number."""
    masks: Dict[str, int] = {}
    for position, letter in enumerate(name):
        masks[letter] = masks.get(letter, 0) | 1 << position
    return masks


def _bound(name: str, masks: Dict[str, int], other: str) -> float:
    """The likeness of two names, were their longest common subsequence one block."""
    whole = (1 << len(name)) - 1
    row = whole
    for letter in other:
        here = row & masks.get(letter, 0)
        row = (row + here) | (row - here)
    common = len(name) - bin(row & whole).count("1")
    length = len(name) + len(other)
    # Rounded as difflib rounds, so that what is equal there is equal here.
    return 2.0 * common / length if length else 1.0
