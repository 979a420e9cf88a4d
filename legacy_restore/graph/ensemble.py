"""Several copies of one model: an ensemble, or the same model at several steps."""

from __future__ import annotations

import os
from typing import Any, Callable, Iterable, List

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph.model import Model


def copies(
    name: str,
    build: Callable[[], Any],
    checkpoints: Iterable[LocationLike],
    **arguments: Any,
) -> List[Model]:
    """Returns one model for each of some checkpoints, all of one builder.

    Example::

        folds = lr.copies("fold", build, [f"runs/fold_{n}" for n in range(5)])
        with lr.restore(folds) as restored:
            votes = [model(x=images) for model in restored.values()]

    All of them are in memory at once. Where one at a time is enough, ``swap`` needs the
    graph and the memory of one.

    Args:
      name: The models are called ``name_0``, ``name_1`` and so on, in the order of the
        checkpoints; so are their scopes.
      build: The builder; it runs once for each of them.
      checkpoints: A location for each.
      **arguments: What else ``Model`` takes, the same for all, but for ``scope``: each
        has one of its own.

    Raises:
      UsageError: There is no checkpoint, or an argument cannot be meant.
    """
    if isinstance(checkpoints, (str, bytes, os.PathLike)):
        raise errors.UsageError(
            "checkpoints has to be a list of locations", hint=f"[{checkpoints!r}]"
        )
    if "scope" in arguments:
        raise errors.UsageError(
            "copies cannot be in one scope", hint="the scope of each is its name"
        )
    try:
        locations = list(checkpoints)
    except TypeError:
        raise errors.UsageError(f"{checkpoints!r} is no list of locations") from None
    if not locations:
        raise errors.UsageError(f"there is no checkpoint for {name!r}")
    return [
        Model(f"{name}_{number}", build, location, **arguments)
        for number, location in enumerate(locations)
    ]
