"""Values of variables: reading them from a session."""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

import numpy as np

from legacy_restore.graph.variables import OwnedVariable
from legacy_restore.tf import tf


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
