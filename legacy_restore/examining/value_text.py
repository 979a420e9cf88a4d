"""The values of a tensor as text."""

from __future__ import annotations

from typing import Any

import numpy as np

# What NumPy itself shows in full, and of what is more at each end of an axis.
_MAX_SHOWN_IN_FULL = 1000
_EDGE_ITEMS = 3
_LINE_WIDTH = 88
_MAX_STRING_BYTES = 200


def value_text(array: np.ndarray) -> str:
    """Returns an array as NumPy prints it.

    NumPy's options for precision, width and size change nothing. Floating-point
    numbers have as many digits as it takes to read the same number back. Arrays of
    more than 1,000 elements are summarised; strings are shown as ``bytes``, long ones
    with their end left out and their length told.
    """
    return np.array2string(
        array,
        max_line_width=_LINE_WIDTH,
        threshold=_MAX_SHOWN_IN_FULL,
        edgeitems=_EDGE_ITEMS,
        floatmode="unique",
        suppress_small=False,
        separator=" ",
        sign="-",
        formatter={"object": _string_text} if array.dtype == object else None,
    )


def _string_text(value: Any) -> str:
    if len(value) <= _MAX_STRING_BYTES:
        return repr(value)
    return f"{value[:_MAX_STRING_BYTES]!r}... ({len(value):,} bytes)"
