"""Leaving out elements of repeated fields, without copies of the others.

Nodes hold the values of frozen graphs: copying what is kept would double that.
"""

from __future__ import annotations

from typing import Any, Callable


def keep_only(elements: Any, is_kept: Callable[[Any], bool]) -> None:
    """Removes the elements of a repeated field that are not to be kept, in place."""
    flags = [is_kept(one) for one in elements]
    end = len(flags)
    while end:
        begin = end - 1
        while begin and flags[begin - 1] == flags[end - 1]:
            begin -= 1
        if not flags[end - 1]:
            del elements[begin:end]
        end = begin
