"""Which graph of a SavedModel is meant."""

from __future__ import annotations

from typing import List, Optional, Sequence

from legacy_restore import errors
from legacy_restore.report.table import cut_names


def choose_tags(
    path: str,
    tag_sets: Sequence[Sequence[str]],
    tags: Optional[Sequence[str]],
    default: Sequence[str],
) -> int:
    """Returns the number of the graph that is meant.

    A tag set names the graph that has exactly these tags, as it does for TensorFlow
    (``tensorflow/python/saved_model/loader_impl.py``).

    Args:
      path: The file, for the message.
      tag_sets: The tags of each graph.
      tags: Those that are wanted, in any order; None for the default.
      default: Those that are wanted unless named, where a graph has them; else the only
        graph is.

    Raises:
      UsageError: No graph has them, or several; or none is the default.
    """
    if isinstance(tags, str):
        tags = (tags,)
    wanted = frozenset(default if tags is None else tags)
    found = [number for number, one in enumerate(tag_sets) if frozenset(one) == wanted]
    if len(found) == 1:
        return found[0]
    if tags is None and len(tag_sets) == 1:
        return 0
    there = cut_names([tags_text(one) for one in tag_sets], 8)
    if found:
        what = f"{len(found)} graphs have the tags {tags_text(sorted(wanted))}"
    elif tags is None:
        what = f"which graph is meant has to be said: there is {there}"
    else:
        what = f"no graph has the tags {tags_text(sorted(wanted))}: there is {there}"
    raise errors.UsageError(f"{path}: {what}", hint=_hint(tag_sets))


def tags_text(tags: Sequence[str]) -> str:
    """Returns a tag set as it is typed: ``("serve",)``, and ``()`` without tags."""
    return repr(tuple(tags)).replace("'", '"')


def _hint(tag_sets: Sequence[Sequence[str]]) -> str:
    shown: List[str] = [f"tags={tags_text(one)}" for one in tag_sets[:3]]
    return " or ".join(dict.fromkeys(shown))
