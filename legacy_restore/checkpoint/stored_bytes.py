"""What has to hold of the bytes that an entry speaks of, whatever its dtype."""

from __future__ import annotations

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError, MissingDataError

# Elements of these have a length of their own.
_COUNTED = ("string", "variant")


def check_range(file: PositionedFile, entry: BundleEntry) -> None:
    """Demands that the file has the bytes that an entry speaks of.

    To be called before anything is allocated: a damaged entry may declare any size.

    Raises:
      MissingDataError: It has not.
      FormatError: They cannot hold the elements.
    """
    if entry.offset + entry.size > file.size:
        raise MissingDataError(
            f"bytes {entry.offset} to {entry.offset + entry.size} are wanted of "
            f"{file.path}, which has {file.size}"
        )
    # Every string and every variant takes at least the byte of its length.
    if entry.dtype.name in _COUNTED and entry.num_elements > entry.size:
        raise FormatError(
            f"{entry.num_elements} elements of dtype {entry.dtype.name} in "
            f"{entry.size} bytes"
        )


def check_crc(crc: int, entry: BundleEntry) -> None:
    """Demands that contents have the checksum that the index says.

    Raises:
      FormatError: They have another one.
    """
    if crc != checksum.unmask(entry.crc32c):
        raise FormatError(
            f"its checksum is {checksum.mask(crc):#010x}, the index says "
            f"{entry.crc32c:#010x}"
        )
