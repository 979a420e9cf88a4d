"""The flags that restore models in part, or from tensors that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, List, Sequence, Tuple

from legacy_restore import errors

if TYPE_CHECKING:
    from legacy_restore.mapping.vocabulary import VocabularyRemap

_ARROW = "=>"


def add_flags(add: Callable[[str, str, str, str], None]) -> None:
    """Adds the flags.

    Args:
      add: Takes a flag, what separates model and value, its form and its help.
    """
    add(
        "--allow_shape",
        ":",
        "NAME:PATTERN=>ACTION",
        "variables that may have another shape than in the checkpoint; the action is "
        "initialize, which it is unless given, slice or pad",
    )
    add(
        "--cast",
        ":",
        "NAME:PATTERN=>DTYPE",
        "variables of this dtype whose tensors are cast to it",
    )
    add("--only", ":", "NAME:PATTERN", "restore these variables, and no others")
    add("--exclude", ":", "NAME:PATTERN", "do not restore these variables")
    add(
        "--vocabulary",
        ":",
        "NAME:PATTERN=>OLD=>NEW",
        "variables whose rows go by a vocabulary that changed, and its files then and "
        "now; OLD=>NEW are split at the last arrows",
    )


def shapes_of(values: Sequence[str]) -> Dict[str, str]:
    """Returns ``allow_shape`` from values ``PATTERN`` or ``PATTERN=>ACTION``.

    Raises:
      UsageError: A pattern is given twice.
    """
    pairs = []
    for value in values:
        pattern, arrow, action = value.rpartition(_ARROW)
        pairs.append((pattern, action) if arrow else (value, "initialize"))
    return _once("allow_shape", pairs)


def casts_of(values: Sequence[str]) -> Dict[str, str]:
    """Returns ``cast`` from values of the form ``PATTERN=>DTYPE``.

    Raises:
      UsageError: A value has another form, or a pattern is given twice.
    """
    pairs = []
    for value in values:
        pattern, arrow, dtype = value.rpartition(_ARROW)
        if not arrow:
            raise errors.UsageError(
                f"--cast: {value!r} is not of the form PATTERN=>DTYPE"
            )
        pairs.append((pattern, dtype))
    return _once("cast", pairs)


def remaps_of(values: Sequence[str]) -> List[VocabularyRemap]:
    """Returns rules from values of the form ``PATTERN=>OLD=>NEW``.

    Raises:
      UsageError: A value has another form.
    """
    from legacy_restore.mapping.vocabulary import VocabularyRemap

    found = []
    for value in values:
        parts = value.rsplit(_ARROW, 2)
        if len(parts) < 3 or not all(parts):
            raise errors.UsageError(
                f"--vocabulary: {value!r} is not of the form PATTERN=>OLD=>NEW"
            )
        pattern, old_file, new_file = parts
        found.append(VocabularyRemap(pattern, old_file, new_file))
    return found


def _once(flag: str, pairs: Sequence[Tuple[str, str]]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for pattern, value in pairs:
        if pattern in found:
            raise errors.UsageError(f"--{flag}: {pattern!r} is given twice")
        found[pattern] = value
    return found
