"""TensorFlow's data types: numbers in the files, names, and NumPy's counterparts.

The numbers are those of ``tensorflow/core/framework/types.proto``; the names those of
``tf.DType.name``. Types that NumPy lacks come from the optional package ``ml_dtypes``;
``resource`` and ``variant`` have no array form at all.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Mapping, Optional

from legacy_restore import errors

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class DType:
    """One of TensorFlow's data types.

    Attributes:
      number: The value of the ``DataType`` enumeration.
      name: TensorFlow's name, such as ``float32`` or ``string``.
      itemsize: Bytes an element takes in a file, or None where that varies.
      numpy_name: Name of the NumPy (or ml_dtypes) type, or None where there is none.
      in_ml_dtypes: Whether the type comes from the package ``ml_dtypes``.
    """

    number: int
    name: str
    itemsize: Optional[int]
    numpy_name: Optional[str]
    in_ml_dtypes: bool = False

    def to_numpy(self) -> np.dtype[Any]:
        """Returns the NumPy type of arrays with this type; strings are objects.

        Raises:
          MissingDependencyError: The type needs ``ml_dtypes``, which is not installed
            or too old for it.
          UnsupportedCheckpointError: NumPy cannot hold such values.
        """
        if self.numpy_name is None:
            raise errors.UnsupportedCheckpointError(
                f"dtype {self.name} has no NumPy counterpart and is not read"
            )
        import numpy as np

        if not self.in_ml_dtypes:
            return np.dtype(self.numpy_name)
        try:
            import ml_dtypes

            extended: np.dtype[Any] = np.dtype(getattr(ml_dtypes, self.numpy_name))
            return extended
        except (ImportError, AttributeError) as error:
            raise errors.MissingDependencyError(
                f"dtype {self.name} needs the package ml_dtypes",
                hint="pip install 'legacy_restore[ml_dtypes]'",
            ) from error


def _plain(number: int, name: str, itemsize: int) -> DType:
    return DType(number, name, itemsize, name)


def _quantized(number: int, name: str, itemsize: int, numpy_name: str) -> DType:
    return DType(number, name, itemsize, numpy_name)


def _extended(number: int, name: str, itemsize: int = 1) -> DType:
    return DType(number, name, itemsize, name, in_ml_dtypes=True)


_ALL = (
    _plain(1, "float32", 4),
    _plain(2, "float64", 8),
    _plain(3, "int32", 4),
    _plain(4, "uint8", 1),
    _plain(5, "int16", 2),
    _plain(6, "int8", 1),
    DType(7, "string", None, "object"),
    _plain(8, "complex64", 8),
    _plain(9, "int64", 8),
    _plain(10, "bool", 1),
    _quantized(11, "qint8", 1, "int8"),
    _quantized(12, "quint8", 1, "uint8"),
    _quantized(13, "qint32", 4, "int32"),
    _extended(14, "bfloat16", 2),
    _quantized(15, "qint16", 2, "int16"),
    _quantized(16, "quint16", 2, "uint16"),
    _plain(17, "uint16", 2),
    _plain(18, "complex128", 16),
    _plain(19, "float16", 2),
    DType(20, "resource", None, None),
    DType(21, "variant", None, None),
    _plain(22, "uint32", 4),
    _plain(23, "uint64", 8),
    _extended(24, "float8_e5m2"),
    _extended(25, "float8_e4m3fn"),
    _extended(26, "float8_e4m3fnuz"),
    _extended(27, "float8_e4m3b11fnuz"),
    _extended(28, "float8_e5m2fnuz"),
    # Narrow types take a whole byte each, in memory as in the files.
    _extended(29, "int4"),
    _extended(30, "uint4"),
    _extended(31, "int2"),
    _extended(32, "uint2"),
    _extended(33, "float4_e2m1fn"),
)

BY_NUMBER: Mapping[int, DType] = {dtype.number: dtype for dtype in _ALL}
BY_NAME: Mapping[str, DType] = {dtype.name: dtype for dtype in _ALL}


def from_number(number: int) -> DType:
    """Returns the type with this number.

    A number that is not known gives a type named ``unknown(<number>)``, which can be
    listed but not read: a file of a later TensorFlow stays readable but for it.
    """
    known = BY_NUMBER.get(number)
    return known or DType(number, f"unknown({number})", None, None)
