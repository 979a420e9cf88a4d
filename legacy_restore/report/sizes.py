"""Sizes as people write them: ``"12GiB"``, ``"512MB"``, ``"1.5 GB"``, or bytes."""

from __future__ import annotations

import decimal
import re
from typing import Union

from legacy_restore import errors

Size = Union[int, str]
"""A number of bytes, or a text with a unit."""

_UNITS = {
    "B": 1,
    **{f"{letter}B": 1000**n for n, letter in enumerate("kMGTP", 1)},
    **{f"{letter}iB": 1024**n for n, letter in enumerate("KMGTP", 1)},
}
_BY_LOWER_CASE = {unit.lower(): size for unit, size in _UNITS.items()}
_TEXT = re.compile(r"\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z]*)\s*")
_HINT = '"12GiB" (of 1024), "12GB" (of 1000), or a number of bytes'


def parse_size(argument: str, size: Size) -> int:
    """Returns a size in bytes.

    A unit is needed and said in full: a lone ``G`` is 1000 or 1024 million, depending
    on who writes it.

    Args:
      argument: The name of the argument, for the message.
      size: A number of bytes, or a text such as ``"12GiB"``; units in any case.

    Raises:
      UsageError: It is no size, or none above zero.
    """
    found = _bytes_of_text(size) if isinstance(size, str) else size
    if isinstance(found, bool) or not isinstance(found, int):
        raise errors.UsageError(f"{argument}: {size!r} is no size", hint=_HINT)
    if found <= 0:
        raise errors.UsageError(f"{argument}: {size!r} is no room at all", hint=_HINT)
    return found


def _bytes_of_text(text: str) -> object:
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    number, unit = match["number"], match["unit"].lower()
    if not unit:  # As a flag has it.
        return int(number) if number.isdigit() else None
    if unit not in _BY_LOWER_CASE:
        return None
    # Decimal, because 1.1 GB are 1,100,000,000 bytes and no less.
    return int(decimal.Decimal(number) * _BY_LOWER_CASE[unit])
