"""Calling a restored model: arrays in, arrays out."""

from __future__ import annotations

import collections.abc
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.graph.composites import Component, components_of
from legacy_restore.graph.interface import Input, parts_of
from legacy_restore.graph.nest import leaves, pack
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.tf import tf


def merge(
    where: str, feeds: Sequence[Any], inputs: Mapping[str, Any]
) -> Dict[Any, Any]:
    """Returns what a call gives by position and by name as one mapping.

    Args:
      where: What is called, for messages.
      feeds: What is given by position.
      inputs: What is given by name.

    Raises:
      InputError: What is given by position is no mapping, or something is given twice.
    """
    if len(feeds) > 1 or not all(
        isinstance(one, collections.abc.Mapping) for one in feeds
    ):
        raise errors.InputError(
            f"{where} takes arrays by name, or one mapping of arrays",
            hint='call it with (images=array), or with ({"images": array})',
        )
    given: Dict[Any, Any] = dict(feeds[0]) if feeds else {}
    both = set(given) & set(inputs)
    if both:
        raise errors.InputError(f"{where}: {', '.join(sorted(both))} is given twice")
    return {**given, **inputs}


def feeds_of(
    where: str, inputs: Mapping[str, Input], given: Mapping[Any, Any]
) -> Dict[Any, np.ndarray]:
    """Returns the feeds of a call.

    Args:
      where: What is called, for messages.
      inputs: The model's inputs by name.
      given: Arrays by the name of the input, or by its tensor; for a sparse input what
        ``composites.components_of`` takes.

    Raises:
      InputError: An input is missing or unknown, belongs to another graph, or does not
        have the shape or dtype that the placeholder asks for.
    """
    components: List[Component] = []
    given_by: Dict[int, str] = {}
    for key, value in given.items():
        name = _name_of(where, key, inputs)
        for one in components_of(where, name, inputs[name].tensor, value):
            other = given_by.get(id(one.tensor))
            if other is not None:  # Two keys of a signature may be one tensor.
                which = (
                    repr(name) if other == name else f"{name!r}, which is {other!r},"
                )
                raise errors.InputError(f"{where}: {which} is given twice")
            given_by[id(one.tensor)] = name
            components.append(one)
    missing = [
        name
        for name, one in inputs.items()
        if one.is_required and not all(id(p) in given_by for p in parts_of(one.tensor))
    ]
    if missing:
        raise errors.InputError(
            f"{where} misses {', '.join(map(repr, missing))}; {_described(inputs)}"
        )
    return {one.tensor: _array(where, one) for one in components}


def _name_of(where: str, key: Any, inputs: Mapping[str, Input]) -> str:
    if isinstance(key, str) and key in inputs:
        return key
    if isinstance(key, str):
        raise errors.InputError(f"{where} has no input {key!r}; {_described(inputs)}")
    for name, one in inputs.items():
        if key is one.tensor:
            return name
    if not isinstance(key, (tf.Tensor, tf.SparseTensor)):
        raise errors.InputError(
            f"{where}: {key!r} is no input's name; {_described(inputs)}"
        )
    graphs = {id(one.graph) for two in inputs.values() for one in parts_of(two.tensor)}
    is_foreign = id(getattr(key, "graph", None)) not in graphs
    foreign = " of another graph" if is_foreign else ""
    raise errors.InputError(
        f"{where} cannot be fed {key!r}{foreign}; {_described(inputs)}"
    )


def _described(inputs: Mapping[str, Input]) -> str:
    if not inputs:
        return "it has no inputs"
    texts = [
        name if one.is_required else f"{name} (optional)"
        for name, one in inputs.items()
    ]
    return f"its inputs are {', '.join(texts)}"


def _array(of: str, component: Component) -> np.ndarray:
    where = f"{of}, input {component.name!r}"
    placeholder, value = component.tensor, component.value
    if isinstance(value, tf.Tensor):
        value = _value_of(where, value)
    wanted = placeholder.dtype.base_dtype
    if wanted == tf.string:
        array = _as_texts(where, value)
    else:
        array = _as_numbers(where, value, wanted)
    if not placeholder.shape.is_compatible_with(array.shape):
        raise errors.InputError(
            f"{where} takes shape {placeholder.shape}, got {array.shape}"
        )
    return array


def _value_of(where: str, tensor: Any) -> np.ndarray:
    """The value of an eager program's tensor; a graph's tensor has none."""
    try:
        return np.asarray(tensor.numpy())
    except (AttributeError, NotImplementedError):
        raise errors.InputError(
            f"{where}: {tensor!r} belongs to a graph and has no value",
            hint="run it in its own session and feed the result",
        ) from None


def _as_texts(where: str, value: Any) -> np.ndarray:
    # As objects: arrays of a fixed width lose zero bytes at the end of a text.
    array = np.asarray(value, dtype=object)
    for one in array.flat:
        if not isinstance(one, (str, bytes)):
            raise errors.InputError(f"{where} takes text, got a {type(one).__name__}")
    return array


def _as_numbers(where: str, value: Any, wanted: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise errors.InputError(f"{where} takes an array: {error}") from None
    target = np.dtype(wanted.as_numpy_dtype)
    if np.can_cast(array.dtype, target, "safe"):
        return array.astype(target, copy=False)
    is_integer = array.dtype.kind in "iu" and wanted.is_integer
    is_floating = array.dtype.kind in "iuf" and wanted.is_floating
    # TensorFlow would turn 1.7 into 1, and 300 into 44, without a word.
    if is_integer or is_floating or np.can_cast(array.dtype, target, "same_kind"):
        with np.errstate(over="ignore"):
            cast = array.astype(target)
        if _holds_the_same(cast, array, is_integer):
            return cast
    raise errors.InputError(
        f"{where} takes {wanted.name}, got {array.dtype}, which would lose values"
    )


def _holds_the_same(cast: np.ndarray, array: np.ndarray, is_integer: bool) -> bool:
    """Whether no integer has wrapped around, and no number become infinite."""
    if is_integer:
        return bool(np.array_equal(cast, array))
    wide = cast.astype(np.complex128 if cast.dtype.kind == "c" else np.float64)
    return not bool(np.any(np.isinf(wide) & ~np.isinf(array)))


def run_outputs(
    where: str, session: Any, outputs: Any, feeds: Mapping[Any, np.ndarray]
) -> Any:
    """Computes a nest of tensors.

    Operations in the nest are not run: that of an old training script is likely to be
    its initialiser or its training step, which would change the weights.

    Args:
      where: What is called, for messages.
      session: The session.
      outputs: A nest of tensors; operations in it and None come back as None.
      feeds: What to feed.

    Returns:
      The same nest with arrays.

    Raises:
      InputError: TensorFlow cannot compute it from what was fed.
    """
    values = [leaf.value for leaf in leaves(outputs)]
    wanted = [value for value in values if is_computed(value)]
    try:
        computed = iter(session.run(wanted, feeds))
    except tf.errors.CancelledError:
        raise  # The session was closed meanwhile.
    except tf.errors.OpError as error:
        raise errors.InputError(
            f"{where} cannot compute its outputs from what was fed: {reason_of(error)}"
        ) from error
    return pack(outputs, [next(computed) if is_computed(v) else None for v in values])


def is_computed(leaf: Any) -> bool:
    """Returns whether a leaf of a builder's outputs has a value."""
    return leaf is not None and not isinstance(leaf, tf.Operation)
