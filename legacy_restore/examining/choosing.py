"""Which tensors are looked at: those that patterns find, or those that are named."""

from __future__ import annotations

import dataclasses
import re
from typing import Dict, Iterable, List, Pattern, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint
from legacy_restore.examining.contents import Contents
from legacy_restore.report.findings import KINDS, Finding


def compile_patterns(patterns: Iterable[str]) -> Tuple[Pattern[str], ...]:
    """Returns patterns ready to be searched in keys.

    Raises:
      UsageError: One of them is no regular expression; it is named.
    """
    if isinstance(patterns, str):  # Else each of its letters would be a pattern.
        raise errors.UsageError(f"grep takes a list of patterns, not {patterns!r}")
    return tuple(_compiled(pattern) for pattern in patterns)


def _compiled(pattern: str) -> Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        raise errors.UsageError(
            f"grep takes regular expressions, which {pattern!r} is not: {error}"
        ) from error


def matching(patterns: Sequence[Pattern[str]], keys: Iterable[str]) -> List[str]:
    """Returns the keys in which any of the patterns is found; all without patterns."""
    if not patterns:
        return list(keys)
    return [key for key in keys if any(one.search(key) for one in patterns)]


def unmatched_findings(
    patterns: Sequence[Pattern[str]], keys: Sequence[str], where: str
) -> List[Finding]:
    """Returns an error for each pattern that is found in no key.

    What looked at nothing must not look like what found nothing.

    Args:
      patterns: Those that were searched.
      keys: The keys they were searched in.
      where: What has these keys, for the message.
    """
    message = f"it is found in none of the {len(keys):,} keys of {where}"
    return [
        Finding(KINDS["no-match"], pattern.pattern, message)
        for pattern in patterns
        if not any(pattern.search(key) for key in keys)
    ]


def choose_matching(contents: Contents, patterns: Iterable[str]) -> Contents:
    """Returns contents of the tensors in whose keys any of the patterns is found.

    Their classes are those that they have among all tensors of the checkpoint.

    Args:
      contents: All tensors.
      patterns: Regular expressions; without any, all tensors stay.

    Raises:
      UsageError: One of them is no regular expression.
    """
    compiled = compile_patterns(patterns)
    if not compiled:
        return contents
    keys = [row.entry.key for row in contents.rows]
    unmatched = unmatched_findings(compiled, keys, contents.location.prefix)
    chosen = set(matching(compiled, keys))
    return dataclasses.replace(
        contents,
        rows=tuple(row for row in contents.rows if row.entry.key in chosen),
        findings=(*contents.findings, *unmatched),
        chosen_of=contents.total,
    )


def choose_keys(
    checkpoint: Checkpoint, contents: Contents, keys: Iterable[str]
) -> Contents:
    """Returns contents of the tensors with these keys.

    Raises:
      KeyNotFoundError: There are no such keys; all are named, with near ones.
    """
    wanted = list(dict.fromkeys(keys))
    unknown = _unknown(checkpoint, wanted)
    if len(unknown) == 1:
        raise next(iter(unknown.values()))
    if unknown:
        hints = [error.hint for error in unknown.values() if error.hint]
        raise errors.KeyNotFoundError(
            f"{checkpoint.prefix} has none of the keys {', '.join(map(repr, unknown))}",
            path=checkpoint.prefix,
            hint="; ".join(hints) or None,
        )
    return dataclasses.replace(
        contents,
        rows=tuple(row for row in contents.rows if row.entry.key in wanted),
        chosen_of=contents.total,
    )


def _unknown(
    checkpoint: Checkpoint, keys: Sequence[str]
) -> Dict[str, errors.KeyNotFoundError]:
    found = {}
    for key in keys:
        try:
            checkpoint.entry(key)
        except errors.KeyNotFoundError as error:
            found[key] = error
    return found
