"""Variant tensors: each element as a protocol buffer, with a checksum behind it.

For each element there is the length of the message as a varint, the message
(``VariantTensorDataProto``), and in four bytes the masked CRC32C of everything up to
there: each length as ``uint64``, each message, and the checksums before
(``tensorflow/core/util/tensor_bundle/tensor_bundle.cc``, ``WriteVariantTensor``).
Only TensorFlow can decode the messages; whether they are damaged can be told without.
"""

from __future__ import annotations

import struct

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.streams import RangeStream
from legacy_restore.checkpoint.wire import FormatError

_CRC_BYTES = 4


def variants_crc(file: PositionedFile, entry: BundleEntry, byte_order: str) -> int:
    """Returns the CRC32C of a variant tensor; a chunk of it is in memory at a time.

    Args:
      file: The data file, which has all bytes of the entry.
      entry: What the index says about the tensor.
      byte_order: ``<`` or ``>``, that of the machine that wrote the file.

    Raises:
      FormatError: An element does not match its checksum or the size of the tensor.
    """
    stream = RangeStream(file, entry.offset, entry.size)
    crc = 0
    for number in range(entry.num_elements):
        length = stream.take_varint()
        crc = checksum.extend(crc, struct.pack(byte_order + "Q", length))
        for chunk in stream.chunks(length):
            crc = checksum.extend(crc, chunk)
        raw = stream.take(_CRC_BYTES)
        (stored,) = struct.unpack(byte_order + "I", raw)
        if crc != checksum.unmask(stored):
            raise FormatError(f"its element {number} does not match its checksum")
        crc = checksum.extend(crc, raw)
    if stream.left:
        raise FormatError(f"{stream.left} bytes are left behind its last element")
    return crc
