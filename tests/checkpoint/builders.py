"""Builds V2 checkpoints byte by byte: sound ones, odd ones and damaged ones.

TensorFlow writes the golden files and those of the differential tests; what it would
never write - other restart intervals, compressed blocks, big-endian numbers, entries
that contradict themselves - is built here. Checksums are always right for what stands
before them, so that a test reaches the check behind the checksum.
"""

from __future__ import annotations

import contextlib
import struct
import tracemalloc

import numpy as np

from legacy_restore.checkpoint import checksum, dtypes
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.slices import Extent, slice_key
from legacy_restore.checkpoint.table import read_table

MAGIC = bytes.fromhex("57fb808b247547db")
UNCOMPRESSED = 0
SNAPPY = 1


@contextlib.contextmanager
def memory_below(limit):
    """Demands that Python and NumPy allocate less than ``limit`` bytes meanwhile."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak} bytes were allocated"


# Protocol buffers.


def varint(value: int) -> bytes:
    """A number, seven bits a byte, the lowest first; -1 takes ten bytes."""
    value &= (1 << 64) - 1
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def number(field: int, value: int) -> bytes:
    """A field that holds a varint."""
    return varint(field << 3) + varint(value)


def fixed32(field: int, value: int) -> bytes:
    """A field that holds four bytes."""
    return varint(field << 3 | 5) + struct.pack("<I", value)


def message(field: int, data: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def header(
    num_shards=1, endianness=0, min_consumer=0, bad_consumers=(), packed=True
) -> bytes:
    """A ``BundleHeaderProto``."""
    version = number(1, 1) + number(2, min_consumer)
    if packed:
        version += message(3, b"".join(varint(one) for one in bad_consumers))
    else:
        version += b"".join(number(3, one) for one in bad_consumers)
    return number(1, num_shards) + number(2, endianness) + message(3, version)


def entry(dtype=1, shape=(), shard=0, offset=0, size=0, crc=0, slices=()) -> bytes:
    """A ``BundleEntryProto``; ``crc`` is masked, ``slices`` hold ``Extent`` tuples."""
    dims = b"".join(message(2, number(1, length)) for length in shape)
    return b"".join(
        [
            number(1, dtype),
            message(2, dims),
            number(3, shard),
            number(4, offset),
            number(5, size),
            fixed32(6, crc),
            *(message(7, _slice(extents)) for extents in slices),
        ]
    )


def _slice(extents) -> bytes:
    return b"".join(message(1, _extent(extent)) for extent in extents)


def _extent(extent) -> bytes:
    if extent.length is None:
        return b""
    return number(1, extent.start) + number(2, extent.length)


# Tables.


def block(pairs, restart_interval=16, num_restarts=None) -> bytes:
    """The contents of a block; ``num_restarts`` is what it declares."""
    body = b""
    restarts = []
    previous = b""
    for count, (key, value) in enumerate(pairs):
        shared = 0
        if count % restart_interval == 0:
            restarts.append(len(body))
        else:
            while shared < min(len(key), len(previous)):
                if key[shared] != previous[shared]:
                    break
                shared += 1
        body += varint(shared) + varint(len(key) - shared) + varint(len(value))
        body += key[shared:] + value
        previous = key
    restarts = restarts or [0]
    declared = len(restarts) if num_restarts is None else num_restarts
    return body + struct.pack(f"<{len(restarts) + 1}I", *restarts, declared)


def sealed(contents: bytes, compression=UNCOMPRESSED) -> bytes:
    """A block with its trailer: the compression and the checksum."""
    covered = contents + bytes([compression])
    return covered + struct.pack("<I", checksum.mask(checksum.crc32c(covered)))


def table_of_blocks(blocks) -> bytes:
    """A table file of blocks that are sealed already.

    Args:
      blocks: Pairs of a key not before the block's last key, and the sealed block.
    """
    data = b""
    handles = []
    for last_key, one in blocks:
        handles.append((last_key, varint(len(data)) + varint(len(one) - 5)))
        data += one
    footer = b""
    for one in (sealed(block([])), sealed(block(handles, restart_interval=1))):
        footer += varint(len(data)) + varint(len(one) - 5)
        data += one
    return data + footer.ljust(40, b"\0") + MAGIC


def table(
    pairs,
    restart_interval=16,
    pairs_per_block=None,
    compress=None,
    compression=UNCOMPRESSED,
) -> bytes:
    """A table file.

    Args:
      pairs: Keys and values in the order in which they shall stand.
      restart_interval: Number of entries from one restart point to the next.
      pairs_per_block: Number of entries in a block, None for all of them.
      compress: Function from the contents of a data block to what is stored.
      compression: The number that the data blocks give for their compression.
    """
    pairs = list(pairs)
    step = pairs_per_block or max(len(pairs), 1)
    blocks = []
    for start in range(0, len(pairs), step):
        some = pairs[start : start + step]
        contents = block(some, restart_interval)
        stored = contents if compress is None else compress(contents)
        blocks.append((some[-1][0], sealed(stored, compression)))
    return table_of_blocks(blocks)


def pairs_of(index_path) -> dict:
    """The keys and values of an index, to be changed and written again."""
    file = PositionedFile(str(index_path))
    try:
        return {pair.key: pair.value for pair in read_table(file)}
    finally:
        file.close()


def rewrite_index(prefix, change, **table_options) -> None:
    """Applies ``change`` to the dictionary of an index's pairs and writes it again."""
    path = str(prefix) + ".index"
    pairs = pairs_of(path)
    change(pairs)
    with open(path, "wb") as file:
        file.write(table(sorted(pairs.items()), **table_options))


# Checkpoints.


def strings(*elements) -> np.ndarray:
    """A string tensor of one axis."""
    array = np.empty([len(elements)], object)
    array[:] = elements
    return array


def parts_along(axis, shape, sizes) -> list:
    """The extents of the slices that cut one axis into pieces of these sizes."""
    found = []
    start = 0
    for size in sizes:
        extents = [Extent() for _ in shape]
        extents[axis] = Extent(start, size)
        found.append(tuple(extents))
        start += size
    return found


class BundleBuilder:
    """Collects tensors and writes them as a checkpoint.

    Attributes:
      index: The index's pairs, free to be changed before ``write``.
      shards: The contents of the data files, likewise.
    """

    def __init__(self, num_shards=1, is_big_endian=False, **header_fields) -> None:
        """Begins a checkpoint; ``header_fields`` are those of ``header``."""
        self._byte_order = ">" if is_big_endian else "<"
        header_fields.setdefault("endianness", int(is_big_endian))
        self.index = {b"": header(num_shards, **header_fields)}
        self.shards = [b""] * num_shards

    def add(self, key, array, dtype=None, shard=0):
        """Adds a tensor; ``dtype`` is TensorFlow's name where it is not NumPy's."""
        array = np.asarray(array)
        self.index[_encoded(key)] = self._store(array, dtype, shard)
        return self

    def add_sliced(self, key, array, parts, dtype=None, shards=None):
        """Adds a tensor in slices, given by their extents."""
        array = np.asarray(array)
        name = dtype or _name_of(array)
        for count, extents in enumerate(parts):
            part = array[
                tuple(
                    slice(None)
                    if extent.length is None
                    else slice(extent.start, extent.start + extent.length)
                    for extent in extents
                )
            ]
            shard = shards[count] if shards else 0
            stored = self._store(part, name, shard)
            self.index[slice_key(_encoded(key), extents)] = stored
        self.index[_encoded(key)] = entry(
            dtypes.BY_NAME[name].number, array.shape, slices=parts
        )
        return self

    def write(self, prefix, **table_options) -> str:
        """Writes index and data files, and returns the prefix."""
        prefix = str(prefix)
        with open(prefix + ".index", "wb") as file:
            file.write(table(sorted(self.index.items()), **table_options))
        for shard, data in enumerate(self.shards):
            with open(shard_path(prefix, shard, len(self.shards)), "wb") as file:
                file.write(data)
        return prefix

    def _store(self, array, dtype, shard) -> bytes:
        name = dtype or _name_of(array)
        if array.dtype == object:
            data, crc = _string_contents(array, self._byte_order)
        else:
            data = _in_order(array, self._byte_order).tobytes()
            crc = checksum.crc32c(data)
        offset = len(self.shards[shard])
        self.shards[shard] += data
        return entry(
            dtypes.BY_NAME[name].number,
            array.shape,
            shard,
            offset,
            len(data),
            checksum.mask(crc),
        )


def shard_path(prefix, shard=0, num_shards=1) -> str:
    """The path of a data file."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def small_checkpoint(prefix) -> str:
    """Writes a checkpoint of three small tensors."""
    builder = BundleBuilder()
    builder.add("a/kernel", np.arange(6, dtype=np.float32).reshape([2, 3]))
    builder.add("a/words", strings(b"one", b"", b"\xff\0"))
    builder.add("b/step", np.int64(1200))
    return builder.write(prefix)


def _encoded(key) -> bytes:
    return key if isinstance(key, bytes) else key.encode()


def _name_of(array) -> str:
    return "string" if array.dtype == object else array.dtype.name


def _in_order(array, byte_order) -> np.ndarray:
    if array.dtype.kind == "V":  # bfloat16, which NumPy cannot swap.
        array = array.view(f"u{array.dtype.itemsize}")
    return array.astype(array.dtype.newbyteorder(byte_order))


def _string_contents(array, byte_order):
    elements = [bytes(element) for element in array.reshape(-1)]
    raw_lengths = b"".join(struct.pack(byte_order + "I", len(e)) for e in elements)
    crc = checksum.crc32c(raw_lengths)
    raw_crc = struct.pack(byte_order + "I", checksum.mask(crc))
    text = b"".join(elements)
    data = b"".join(varint(len(element)) for element in elements) + raw_crc + text
    return data, checksum.crc32c(raw_lengths + raw_crc + text)
