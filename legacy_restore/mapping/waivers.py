"""Waivers: named permissions to deviate.

A waiver is a regular expression that matches a whole name (``re.fullmatch``). One that
permits nothing is an error: it shows that the file or the model is not what its user
takes it for.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Sequence, Tuple

from legacy_restore import errors


def check_patterns(argument: str, patterns: Sequence[str]) -> Tuple[str, ...]:
    """Returns the patterns of a waiver argument as a tuple.

    Args:
      argument: The name of the argument, for the message.
      patterns: Regular expressions.

    Raises:
      UsageError: It is no sequence of regular expressions.
    """
    if isinstance(patterns, (str, bytes)):
        raise errors.UsageError(
            f"{argument} takes a list of patterns", hint=f"{argument}=[{patterns!r}]"
        )
    try:
        patterns = tuple(patterns)
    except TypeError:
        raise errors.UsageError(f"{argument} takes a list of patterns") from None
    for pattern in patterns:
        try:
            re.compile(pattern).fullmatch("")
        except (re.error, TypeError) as error:
            raise errors.UsageError(f"{argument}: {pattern!r}: {error}") from error
    return tuple(patterns)


def permitted(patterns: Sequence[str], names: Iterable[str]) -> Dict[str, str]:
    """Returns the names that a pattern permits, each with the first that does."""
    compiled = [re.compile(pattern) for pattern in patterns]
    found: Dict[str, str] = {}
    for name in names:
        first = next((one.pattern for one in compiled if one.fullmatch(name)), None)
        if first is not None:
            found[name] = first
    return found


def unused(patterns: Sequence[str], names: Iterable[str]) -> Tuple[str, ...]:
    """Returns the patterns that match none of the names."""
    names = list(names)
    return tuple(
        pattern
        for pattern in patterns
        if not any(re.fullmatch(pattern, name) for name in names)
    )


def suggest(names: Iterable[str], among: Iterable[str]) -> List[str]:
    """Returns short patterns that permit exactly these names.

    Args:
      names: The names to permit.
      among: All names that there are; a top scope is permitted as a whole
        (``scope/.*``) only where all its names are to be permitted.
    """
    wanted = set(names)
    kept = {_top_scope(name) for name in among if name not in wanted}
    patterns = []
    for name in sorted(wanted):
        scope = _top_scope(name)
        whole_scope = scope != name and scope not in kept
        pattern = f"{_escape(scope)}/.*" if whole_scope else _escape(name)
        if pattern not in patterns:
            patterns.append(pattern)
    return patterns


def _top_scope(name: str) -> str:
    return name.partition("/")[0]


def _escape(name: str) -> str:
    """As ``re.escape``, but readable: a dash means nothing outside of brackets."""
    return re.escape(name).replace(r"\-", "-")
