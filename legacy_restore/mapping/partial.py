"""What of a model is restored, and what may be made of a tensor that does not fit.

All patterns match a variable's whole name without its model's scope
(``re.fullmatch``); of several that match, the first counts.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Optional, Sequence, Tuple, Union

from legacy_restore import errors
from legacy_restore.checkpoint.dtypes import BY_NAME
from legacy_restore.mapping import waivers
from legacy_restore.mapping.vocabulary import RowMap

INITIALIZE = "initialize"
SLICE = "slice"
PAD = "pad"
SHAPE_ACTIONS = (INITIALIZE, SLICE, PAD)
_WEIGHTS = ("raw", "ema")

ShapeWaivers = Union[Sequence[str], Mapping[str, str]]
"""Patterns of variables to initialise, or what to do with each pattern's."""


@dataclasses.dataclass(frozen=True)
class Partial:
    """The permissions of a model to be restored in part, or from other tensors.

    Attributes:
      allow_shape: Pairs of a pattern and what is done where shapes differ.
      cast: Pairs of a pattern and the dtype to which the stored one is cast.
      only: Patterns of the variables that are restored; none means all of them.
      exclude: Patterns of variables that are not.
      remaps: What to do with the rows of embeddings whose vocabulary changed.
    """

    allow_shape: Tuple[Tuple[str, str], ...] = ()
    cast: Tuple[Tuple[str, str], ...] = ()
    only: Tuple[str, ...] = ()
    exclude: Tuple[str, ...] = ()
    remaps: Tuple[RowMap, ...] = ()

    def leaves_out(self, name: str) -> bool:
        """Returns whether a variable is left to its initialiser, by its local name."""
        if self.only and not waivers.permitted(self.only, [name]):
            return True
        return bool(waivers.permitted(self.exclude, [name]))

    def shape_action(self, name: str) -> Optional[str]:
        """Returns what is done where a variable's shape differs, or None."""
        return _first(self.allow_shape, name)

    def cast_to(self, name: str) -> Optional[str]:
        """Returns the dtype to which a variable's tensor may be cast, or None."""
        return _first(self.cast, name)


def check_partial(
    allow_shape: ShapeWaivers = (),
    cast: Optional[Mapping[str, Any]] = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Partial:
    """Returns the arguments of a model as they are kept.

    Raises:
      UsageError: One of them cannot be meant.
    """
    return Partial(
        allow_shape=_check_actions(allow_shape),
        cast=_check_casts({} if cast is None else cast),
        only=waivers.check_patterns("only", only),
        exclude=waivers.check_patterns("exclude", exclude),
    )


def check_weights(name: str, weights: str) -> str:
    """Returns which weights of a checkpoint are meant.

    Args:
      name: The model's name.
      weights: ``"raw"`` or ``"ema"``.

    Raises:
      UsageError: It is neither.
    """
    if weights not in _WEIGHTS:
        raise errors.UsageError(
            f"model {name!r}: there are no {weights!r} weights",
            hint=" or ".join(f'weights="{one}"' for one in _WEIGHTS),
        )
    return weights


def _first(pairs: Sequence[Tuple[str, str]], name: str) -> Optional[str]:
    patterns = [pattern for pattern, _ in pairs]
    pattern = waivers.permitted(patterns, [name]).get(name)
    return None if pattern is None else pairs[patterns.index(pattern)][1]


def _check_actions(given: ShapeWaivers) -> Tuple[Tuple[str, str], ...]:
    if not isinstance(given, Mapping):
        patterns = waivers.check_patterns("allow_shape", given)
        return tuple((pattern, INITIALIZE) for pattern in patterns)
    waivers.check_patterns("allow_shape", list(given))
    for pattern, action in given.items():
        if action not in SHAPE_ACTIONS:
            raise errors.UsageError(
                f"allow_shape: {pattern!r}: there is no action {action!r}",
                hint=" or ".join(f'"{one}"' for one in SHAPE_ACTIONS),
            )
    return tuple(given.items())


def _check_casts(given: Any) -> Tuple[Tuple[str, str], ...]:
    if not isinstance(given, Mapping):
        raise errors.UsageError(
            "cast takes a dictionary of patterns and dtypes",
            hint='cast={"dense/.*": "float32"}',
        )
    patterns = waivers.check_patterns("cast", list(given))
    return tuple((pattern, dtype_name(given[pattern])) for pattern in patterns)


def dtype_name(given: Any) -> str:
    """Returns TensorFlow's name of a dtype.

    Args:
      given: The name, a ``tf.DType``, or what NumPy takes for a dtype.

    Raises:
      UsageError: It is none.
    """
    name = given if isinstance(given, str) else getattr(given, "name", None)
    if not isinstance(name, str) and given is not None:
        import numpy as np

        try:
            name = np.dtype(given).name
        except TypeError:
            name = None
    if name is None or name.replace("_ref", "") not in BY_NAME:
        raise errors.UsageError(
            f"cast: {given!r} is no dtype", hint='"float32", tf.float32, numpy.float32'
        )
    return name.replace("_ref", "")
