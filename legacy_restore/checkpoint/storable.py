"""Which values a checkpoint can hold, and as what.

What NumPy makes of a value is taken where that is unambiguous, and refused with what to
do instead where values or meaning would get lost.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional

import numpy as np

from legacy_restore.checkpoint import dtypes

# Where several types have one form in memory, the plain one is meant.
_BY_NUMPY_NAME = {
    dtype.numpy_name: dtype
    for dtype in sorted(dtypes.BY_NUMBER.values(), key=lambda one: -one.number)
    if dtype.numpy_name is not None and not dtype.name.startswith(("qint", "quint"))
}

_HINTS: Dict[str, str] = {
    "T": "bytes: np.strings.encode(array, 'utf-8')",
    "U": "bytes: np.char.encode(array, 'utf-8')",
    "M": "numbers: array.astype('int64')",
    "m": "numbers: array.astype('int64')",
}


class NotStorableError(ValueError):
    """A value that no checkpoint can hold; the text says why and what to do.

    It never leaves the package ``checkpoint``.
    """

    def __init__(self, reason: str, hint: Optional[str] = None) -> None:
        """Takes the reason, and what to pass instead."""
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Storable(NamedTuple):
    """A value as a checkpoint holds it.

    Attributes:
      array: The values; strings as an object array of ``bytes``.
      dtype: Their type in the file.
    """

    array: np.ndarray
    dtype: dtypes.DType


def storable(value: Any, dtype_name: Optional[str] = None) -> Storable:
    """Returns a value as a checkpoint holds it.

    Args:
      value: An array, or what NumPy makes one of: numbers, ``bytes``, lists of them.
      dtype_name: TensorFlow's name of the dtype where the array does not tell it; it
        has to be one of the same form in memory.

    Raises:
      NotStorableError: No checkpoint can hold it, or not under that name.
    """
    array = _as_array(value)
    if array.dtype.kind == "S":
        array = array.astype(object)
    if array.dtype == object:
        _check_strings(array)
    return Storable(array, stored_dtype(_dtype_of(array), dtype_name))


def stored_dtype(found: dtypes.DType, name: Optional[str]) -> dtypes.DType:
    """Returns the dtype with a name for values that have another one.

    Raises:
      NotStorableError: There is none of that name, or it has another form in memory.
    """
    if name is None:
        return found
    named = dtypes.BY_NAME.get(name) if isinstance(name, str) else None
    if named is None:
        raise NotStorableError(f"TensorFlow has no dtype {name!r}")
    if named.numpy_name != found.numpy_name:
        # Of dtypes that NumPy lacks, and of strings, there is nothing to convert to.
        is_number = named.itemsize is not None and not named.in_ml_dtypes
        hint = f"array.astype({named.numpy_name!r})" if is_number else None
        raise NotStorableError(f"values of {found.name} are no {name}", hint)
    return named


def _dtype_of(array: np.ndarray) -> dtypes.DType:
    kind = array.dtype.kind
    found = _BY_NUMPY_NAME.get("object" if kind == "O" else array.dtype.name)
    if found is not None:
        return found
    hint: Optional[str]
    if array.dtype.names:
        hint = f"a tensor for each field: array[{array.dtype.names[0]!r}]"
    elif array.dtype.itemsize > 8 and kind in "fc":
        hint = f"array.astype({'float64' if kind == 'f' else 'complex128'!r})"
    else:
        hint = _HINTS.get(kind)
    raise NotStorableError(f"TensorFlow has no dtype for NumPy's {array.dtype}", hint)


def _as_array(value: Any) -> np.ndarray:
    if isinstance(value, str):
        raise NotStorableError("it is text; a checkpoint holds bytes", "text.encode()")
    if isinstance(value, (bytearray, memoryview)):
        hint = "bytes(value), or np.frombuffer(value, ...)"
        raise NotStorableError("it is a string or an array of bytes", hint)
    if isinstance(value, np.ma.MaskedArray):
        raise NotStorableError("it would lose its mask", "array.filled(...)")
    if isinstance(value, bytes):
        return _objects(value)
    if isinstance(value, (list, tuple)):
        return _of_list(value)
    try:
        return np.asarray(value)
    except Exception as error:  # Whatever kind of value it is raises what it likes.
        raise NotStorableError(
            f"NumPy makes no array of {_type_of(value)}: {_first_line(error)}"
        ) from error


def _of_list(value: Any) -> np.ndarray:
    try:
        # As objects first: NumPy cuts NUL bytes off the ends of strings, and warns in
        # one release and raises in another of lists of different lengths.
        objects = np.asarray(value, dtype=object)
        leaves = list(objects.flat)
        if any(isinstance(leaf, (list, tuple, np.ndarray)) for leaf in leaves):
            raise NotStorableError("it has lists of different lengths")
        if leaves and all(isinstance(leaf, bytes) for leaf in leaves):
            return objects
        array = np.asarray(value)
    except NotStorableError:
        raise
    except Exception as error:
        raise NotStorableError(
            f"NumPy makes no array of it: {_first_line(error)}"
        ) from error
    if not leaves:
        raise NotStorableError("an empty list has no dtype", "np.zeros(shape, dtype)")
    if array.dtype.kind == "S":
        raise NotStorableError("it mixes bytes with something else")
    if array.dtype.kind in "fc":
        for leaf, number in zip(leaves, array.flat):
            if isinstance(leaf, int) and complex(number) != leaf:
                raise NotStorableError(f"as {array.dtype} it would lose digits: {leaf}")
    return array


def _objects(value: Any) -> np.ndarray:
    array = np.empty((), object)
    array[()] = value
    return array


def _check_strings(array: np.ndarray) -> None:
    for element in array.flat:
        if not isinstance(element, bytes):
            hint = "text.encode()" if isinstance(element, str) else None
            raise NotStorableError(
                f"as objects it holds {_type_of(element)}, not only bytes", hint
            )


def _type_of(value: Any) -> str:
    return f"a {type(value).__name__}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
