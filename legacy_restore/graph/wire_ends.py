"""What a wire can begin and end at: which tensor fits the place of which.

The output of a model may be a variable itself: a ref tensor, or a ``tf.Variable``. What
goes over a wire is its value then, as the model's own operations read it.
"""

from __future__ import annotations

from typing import Any, Iterable

from legacy_restore.graph.variables import OwnedVariable, read_of
from legacy_restore.tf import tf


def fits(placeholder: Any, value: Any) -> bool:
    """Returns whether a tensor, of any graph, can come in the place of another."""
    if not isinstance(value, tf.Tensor) or not isinstance(placeholder, tf.Tensor):
        return False
    if value.dtype != placeholder.dtype:
        return False
    return bool(placeholder.shape.is_compatible_with(value.shape))


def type_text(tensor: Any) -> str:
    """Returns what messages say of a tensor: ``float32(?, 3)``."""
    if not isinstance(tensor, tf.Tensor):
        return f"no tensor but a {type(tensor).__name__}"
    # With `_ref`, by which a reference differs from what it refers to.
    return f"{tensor.dtype.name}{tensor.shape}"


def is_reference(value: Any) -> bool:
    """Returns whether an output is a ref tensor, which can change after it is there."""
    return isinstance(value, tf.Tensor) and value.dtype != value.dtype.base_dtype


def wired_value(output: Any, variables: Iterable[OwnedVariable]) -> Any:
    """Returns what goes over a wire that begins at an output.

    Args:
      output: The output.
      variables: Its model's variables.

    Returns:
      The value of one of the variables where the output is that variable, else the
      output. What an assignment gives is a reference too, and stays one: an operation
      that reads the variable would not wait for it.
    """
    is_variable = hasattr(output, "initializer")
    if not is_variable and not is_reference(output):
        return output
    for owned in variables:
        for part in owned.parts:
            if part.op is output.op:
                read = read_of(part)
                return output if read is None else read
    return output
