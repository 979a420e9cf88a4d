"""Calling a restored model: arrays in, arrays out."""

from __future__ import annotations

from typing import Any, Dict, Mapping

import numpy as np

from legacy_restore import errors
from legacy_restore.graph.building import Input
from legacy_restore.graph.nest import leaves, pack
from legacy_restore.graph.tf import tf


def feeds_of(
    model: str, inputs: Mapping[str, Input], given: Mapping[Any, Any]
) -> Dict[Any, np.ndarray]:
    """Returns the feeds of a call.

    Args:
      model: The model's name, for messages.
      inputs: The model's inputs by name.
      given: Arrays by the name of the input, or by its tensor.

    Raises:
      InputError: An input is missing or unknown, belongs to another graph, or does not
        have the shape or dtype that the placeholder asks for.
    """
    names = {inputs[name].tensor.name: name for name in inputs}
    named = {_name_of(model, key, names, inputs): value for key, value in given.items()}
    missing = [
        name for name, one in inputs.items() if one.is_required and name not in named
    ]
    if missing:
        raise errors.InputError(
            f"model {model!r} misses {', '.join(map(repr, missing))}; "
            f"{_described(inputs)}"
        )
    return {
        inputs[name].tensor: _array(model, name, inputs[name].tensor, value)
        for name, value in named.items()
    }


def _name_of(
    model: str, key: Any, names: Mapping[str, str], inputs: Mapping[str, Input]
) -> str:
    if isinstance(key, str) and key in inputs:
        return key
    if isinstance(key, str):
        raise errors.InputError(
            f"model {model!r} has no input {key!r}; {_described(inputs)}"
        )
    name = names.get(getattr(key, "name", ""))
    if name is not None and key is inputs[name].tensor:
        return name
    if isinstance(key, tf.Tensor):
        where = (
            "of another graph" if name is not None or _is_foreign(key, inputs) else ""
        )
        raise errors.InputError(
            f"model {model!r} cannot be fed {key!r} {where}".rstrip()
            + f"; {_described(inputs)}"
        )
    raise errors.InputError(
        f"model {model!r}: {key!r} is no input's name; {_described(inputs)}"
    )


def _is_foreign(tensor: Any, inputs: Mapping[str, Input]) -> bool:
    graphs = {id(one.tensor.graph) for one in inputs.values()}
    return id(getattr(tensor, "graph", None)) not in graphs


def _described(inputs: Mapping[str, Input]) -> str:
    if not inputs:
        return "it has no inputs"
    texts = [
        name if one.is_required else f"{name} (optional)"
        for name, one in inputs.items()
    ]
    return f"its inputs are {', '.join(texts)}"


def _array(model: str, name: str, placeholder: Any, value: Any) -> np.ndarray:
    where = f"model {model!r}, input {name!r}"
    if isinstance(value, tf.Tensor):
        value = _value_of(where, value)
    array = np.asarray(value)
    wanted = placeholder.dtype.base_dtype
    _check_dtype(where, array, wanted)
    if not placeholder.shape.is_compatible_with(array.shape):
        raise errors.InputError(
            f"{where} takes shape {placeholder.shape}, got {array.shape}"
        )
    return array.astype(wanted.as_numpy_dtype, copy=False)


def _value_of(where: str, tensor: Any) -> np.ndarray:
    """The value of an eager program's tensor; a graph's tensor has none."""
    try:
        return np.asarray(tensor.numpy())
    except (AttributeError, NotImplementedError):
        raise errors.InputError(
            f"{where}: {tensor!r} belongs to a graph and has no value",
            hint="run it in its own session and feed the result",
        ) from None


def _check_dtype(where: str, array: np.ndarray, wanted: Any) -> None:
    if wanted == tf.string:
        if array.dtype.kind not in "OSU":
            raise errors.InputError(f"{where} takes text, got {array.dtype}")
        return
    # TensorFlow would turn 1.7 into 1 for an integer placeholder without a word.
    if not np.can_cast(array.dtype, wanted.as_numpy_dtype, "same_kind"):
        raise errors.InputError(
            f"{where} takes {wanted.name}, got {array.dtype}, which would lose values"
        )


def run_outputs(session: Any, outputs: Any, feeds: Mapping[Any, np.ndarray]) -> Any:
    """Computes a nest of tensors.

    Args:
      session: The session.
      outputs: A nest of tensors and operations; None stays None.
      feeds: What to feed.

    Returns:
      The same nest with arrays.
    """
    values = [leaf.value for leaf in leaves(outputs)]
    wanted = [value for value in values if value is not None]
    computed = iter(session.run(wanted, feeds))
    return pack(outputs, [None if one is None else next(computed) for one in values])
