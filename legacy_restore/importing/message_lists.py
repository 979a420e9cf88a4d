"""Leaving out elements of repeated fields, without copies of the others.

Nodes hold the values of frozen graphs: copying what is kept would double that.
"""

from __future__ import annotations

from typing import Any, Callable


def keep_only(elements: Any, is_kept: Callable[[Any], bool]) -> None:
    """Removes the elements of a repeated field that are not to be kept, in place.

    The others keep their order. What goes is sorted to the end and taken away at once:
    deleted one by one, each would move all that are behind it.
    """
    goes = [not is_kept(one) for one in elements]
    count = goes.count(True)
    if not count:
        return
    following = iter(goes)
    # Sorting is stable, and asks for the key of each element once, in their order.
    elements.sort(key=lambda _: next(following))
    del elements[len(goes) - count :]
