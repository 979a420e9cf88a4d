"""Which dtypes may be cast to which; values are looked at when they are read."""

from __future__ import annotations

FLOATS = frozenset(
    [
        "bfloat16",
        "float16",
        "float32",
        "float64",
        "float8_e4m3b11fnuz",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
    ]
)
INTEGERS = frozenset(
    ["int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8"]
)
COMPLEX = frozenset(["complex128", "complex64"])
BOOLEAN = "bool"


def can_cast(stored: str, wanted: str) -> bool:
    """Returns whether values of a dtype can be those of another, by TensorFlow's names.

    Quantized numbers mean something only with the range that they were made with, and
    strings are no numbers; a complex number would lose a part.
    """
    real = FLOATS | INTEGERS | {BOOLEAN}
    if stored in COMPLEX:
        return wanted in COMPLEX
    return stored in real and wanted in real | COMPLEX
