"""What a tensor takes in memory, once it is the value of a variable.

TensorFlow keeps elements as they are in the files, whatever the slices; a string is a
``tstring`` of 24 bytes, which has up to 22 of its characters in itself
(``tensorflow/core/platform/ctstring_internal.h``; ``std::string`` in 1.15).
"""

from __future__ import annotations

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.checkpoint.dtypes import BY_NAME

_STRING = 24
_INLINE = 22
# Behind the lengths of its strings a stored tensor has their checksum
# (WriteStringTensor in tensorflow/core/util/tensor_bundle/tensor_bundle.cc).
_CHECKSUM = 4

SWAP_COPIES = {"ref": 3, "resource": 2}
"""How often a swap holds a variable besides the one that is there, by its kind.

The new value is read before the old one goes, and the old one is kept until the files
are known to be those of the plan; what a session gives of a ref variable is copied.
"""

FEED_COPIES = {"ref": 2, "resource": 1}
"""How often a value is there besides the variable, while it is fed, by its kind.

The array that is fed, and for a ref variable the tensor that is assigned to it.
"""


def bytes_of(dtype: str, num_elements: int, num_characters: int = 0) -> int:
    """Returns the bytes that elements take in memory.

    Args:
      dtype: TensorFlow's name of the dtype; of one without a size 0 is returned.
      num_elements: Number of elements.
      num_characters: Of strings, how long all of them are together.
    """
    if dtype == "string":
        fits = num_characters <= _INLINE * num_elements
        return _STRING * num_elements + (0 if fits else num_characters)
    known = BY_NAME.get(dtype)
    if known is None or known.itemsize is None:
        return 0
    return known.itemsize * num_elements


def bytes_of_entry(entry: TensorEntry) -> int:
    """Returns the bytes that what is stored of a tensor takes in memory.

    Of a dtype without a size, such as ``variant``, they are those of the file.
    """
    found = bytes_of(entry.dtype, entry.num_stored, num_characters(entry))
    has_size = found or not entry.num_stored
    return found if has_size else entry.nbytes


def num_characters(entry: TensorEntry) -> int:
    """Returns how long the strings of a tensor are together; 0 in the format V1."""
    if entry.dtype != "string":
        return 0
    # Before the characters stand the lengths, of one byte each up to 127.
    besides = entry.num_stored + _CHECKSUM * len(entry.parts)
    return max(entry.nbytes - besides, 0)


def has_unknown_size(entry: TensorEntry, format: str) -> bool:
    """Returns whether a file does not tell how large a tensor is.

    Args:
      entry: The tensor.
      format: The format of its checkpoint.
    """
    known = BY_NAME.get(entry.dtype)
    sized = known is not None and known.itemsize is not None
    return format == "V1" and not sized and entry.num_stored > 0
