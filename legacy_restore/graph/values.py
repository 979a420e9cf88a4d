"""Values of variables: reading them from a session, and putting them back."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from legacy_restore.graph.tf import tf
from legacy_restore.graph.variables import OwnedVariable, is_resource


def read_owned(
    session: Any, variables: Sequence[OwnedVariable]
) -> List[Optional[List[np.ndarray]]]:
    """Returns the values of variables, one for each part, or None.

    None stands for a variable of which a part is not initialised.

    Args:
      session: The session.
      variables: The variables.
    """
    parts = [part for variable in variables for part in variable.parts]
    values = iter(read_parts(session, parts))
    found: List[Optional[List[np.ndarray]]] = []
    for variable in variables:
        own = [next(values) for _ in variable.parts]
        known = [value for value in own if value is not None]
        found.append(known if len(known) == len(own) else None)
    return found


def read_parts(session: Any, variables: Sequence[Any]) -> List[Optional[np.ndarray]]:
    """Returns the values of ``tf.Variable`` objects; None where there is none yet."""
    if not variables:
        return []
    try:
        return [_as_array(value) for value in session.run(list(variables))]
    except tf.errors.FailedPreconditionError:
        if len(variables) == 1:
            return [None]
    # By halves: one variable without a value must not cost a run for each.
    middle = len(variables) // 2
    first, second = variables[:middle], variables[middle:]
    return [*read_parts(session, first), *read_parts(session, second)]


def _as_array(value: Any) -> Any:
    # A session gives a scalar string as bytes, from which NumPy cuts zeros at the end.
    return np.array(value, dtype=object) if isinstance(value, bytes) else value


def copied(value: Any) -> np.ndarray:
    """Returns a value that a session gave in memory of its own.

    What it gives of a dense table, or of a ref variable, may be their own.
    """
    array: np.ndarray = np.array(_as_array(value))
    return array


@contextlib.contextmanager
def values_kept(session: Any, variables: Sequence[Any]) -> Iterator[None]:
    """Puts the values of variables back as they were if what is done within fails.

    That takes no operation of its own: an initialiser assigns what is fed in the place
    of its initial value, as ``Variable.load`` does.

    Args:
      session: The session.
      variables: ``tf.Variable`` objects; those that have no value yet are left alone.
    """
    values = read_parts(session, variables)
    kept = [
        # What a session gives of a ref variable may be the variable's own memory.
        (variable, value if is_resource(variable) else np.array(value))
        for variable, value in zip(variables, values)
        if value is not None
    ]
    try:
        yield
    except BaseException:
        _put_back(session, kept)
        raise


def _put_back(session: Any, kept: Sequence[Tuple[Any, Any]]) -> None:
    for wave in _without_shared_inputs(kept):
        feeds = {variable.initializer.inputs[1]: value for variable, value in wave}
        session.run([variable.initializer for variable, _ in wave], feeds)


def _without_shared_inputs(
    kept: Sequence[Tuple[Any, Any]],
) -> List[List[Tuple[Any, Any]]]:
    """Groups in which no two variables have the same tensor as their initial value."""
    waves: List[List[Tuple[Any, Any]]] = []
    seen: Dict[str, int] = {}
    for variable, value in kept:
        name = variable.initializer.inputs[1].name
        place = seen.get(name, 0)
        if place == len(waves):
            waves.append([])
        waves[place].append((variable, value))
        seen[name] = place + 1
    return waves
