"""The graph in an event file, as summary writers leave them for TensorBoard.

An event file is a sequence of records (``tensorflow/core/lib/io/record_writer.h``)::

    uint64 length, little-endian       uint32 masked CRC32C of the length
    length bytes of data               uint32 masked CRC32C of the data

The data of each is an ``Event`` (``tensorflow/core/util/event.proto``)::

    Event  1 wall_time  2 step  3 file_version  4 graph_def  5 summary
           9 meta_graph_def

A ``FileWriter`` puts the graph in when it is given one, once more when it is given it
again; the last one counts. A job that was killed leaves a record that is cut off.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Optional

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.messages import Message, Source

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_CHUNK_BYTES = 1 << 20
_GRAPH_DEF, _META_GRAPH_DEF = 4, 9


@dataclasses.dataclass(frozen=True)
class EventGraph:
    """A graph in an event file.

    Attributes:
      is_meta_graph: Whether it is a ``MetaGraphDef``, else a ``GraphDef``.
      data: The message.
    """

    is_meta_graph: bool
    data: bytes


def is_event_file(file: PositionedFile) -> bool:
    """Returns whether a file begins with a record.

    Raises:
      FormatError: It cannot be read.
    """
    if file.size < _HEAD.size:
        return False
    head = file.read(0, _HEAD.size)
    length, crc = _HEAD.unpack(head)
    # Zeros have a checksum that is none: the mask of 0 is not 0.
    return length > 0 and _is_crc(head[:8], crc)


def read_event_graph(file: PositionedFile) -> EventGraph:
    """Returns the last ``MetaGraphDef`` of an event file, else its last ``GraphDef``.

    Every record is compared with its checksums. What is cut off at the end, or was
    never written there (zeros), is passed over if a graph came before.

    Raises:
      FormatError: A record is damaged, or there is no graph.
    """
    source = Source(file)
    graph: Optional[Message] = None
    meta_graph: Optional[Message] = None
    position = 0
    is_cut_off = False
    while position < file.size:
        length = _length_at(file, position)
        if length is None:
            is_cut_off = True
            break
        start = position + _HEAD.size
        _check_data(file, start, length)
        for part in Message(source, start, start + length).fields():
            if part.number == _GRAPH_DEF:
                graph = part.message()
            elif part.number == _META_GRAPH_DEF:
                meta_graph = part.message()
        position = start + length + _CRC.size
    found = graph if meta_graph is None else meta_graph
    if found is None:
        cut = f", up to byte {position}, where it is cut off" if is_cut_off else ""
        raise FormatError(f"an event file without graph{cut}")
    data = file.read(found.start, found.size)
    return EventGraph(meta_graph is not None, data)


def _length_at(file: PositionedFile, position: int) -> Optional[int]:
    """The length of the record at a position; None where it is not all there.

    Raises:
      FormatError: The length does not match its checksum.
    """
    if file.size - position < _HEAD.size:
        return None
    head = file.read(position, _HEAD.size)
    length, crc = _HEAD.unpack(head)
    if not _is_crc(head[:8], crc):
        if file.is_zero(position, file.size - position):
            return None
        raise FormatError(
            f"the record at byte {position} of this event file does not match its "
            "checksum"
        )
    end = position + _HEAD.size + length + _CRC.size
    return int(length) if end <= file.size else None


def _check_data(file: PositionedFile, start: int, length: int) -> None:
    crc = 0
    for offset in range(start, start + length, _CHUNK_BYTES):
        size = min(_CHUNK_BYTES, start + length - offset)
        crc = checksum.extend(crc, file.read(offset, size))
    (stored,) = _CRC.unpack(file.read(start + length, _CRC.size))
    if checksum.mask(crc) != stored:
        raise FormatError(
            f"the record at byte {start - _HEAD.size} of this event file does not "
            "match its checksum"
        )


def _is_crc(data: bytes, masked: int) -> bool:
    return checksum.mask(checksum.crc32c(data)) == masked
