"""Builds V1 files byte by byte: sound ones, odd ones and damaged ones."""

import contextlib

import numpy as np

from legacy_restore.checkpoint import dtypes, open_checkpoint
from legacy_restore.checkpoint.slices import Extent, slice_key
from tests.checkpoint.builders import message, number, pairs_of, table, varint

VERSIONS = number(1, 1)

_FIELDS = {
    "float32": 5,
    "float64": 6,
    "string": 8,
    "complex64": 9,
    "int64": 10,
    "bool": 11,
    "complex128": 12,
    "float16": 13,
    "bfloat16": 13,
    "uint32": 16,
    "uint64": 17,
}


def extents_of(*spec):
    """Extents from ``None`` for a whole axis or a pair of start and length."""
    return tuple(Extent() if one is None else Extent(*one) for one in spec)


def slice_proto(extents) -> bytes:
    """A ``TensorSliceProto``."""
    return b"".join(
        message(
            1,
            b""
            if extent.length is None
            else number(1, extent.start) + number(2, extent.length),
        )
        for extent in extents
    )


def shape_proto(shape) -> bytes:
    """A ``TensorShapeProto``."""
    return b"".join(message(2, number(1, size)) for size in shape)


def listed(name, shape, dtype=1, slices=None, **replaced) -> bytes:
    """A ``SavedSliceMeta``; ``replaced`` are encoded fields in the place of others."""
    slices = [extents_of(*[None] * len(shape))] if slices is None else slices
    fields = {
        "name_field": message(1, name),
        "shape_field": message(2, shape_proto(shape)),
        "type_field": number(3, dtype),
        "slice_field": b"".join(message(4, slice_proto(one)) for one in slices),
    }
    fields.update(replaced)
    return b"".join(fields.values())


def metadata(*tensors, versions=VERSIONS) -> bytes:
    """The value of the empty key."""
    tensors_field = b"".join(message(1, one) for one in tensors)
    return message(1, tensors_field + message(2, versions))


def record(name, extents, data, **replaced) -> bytes:
    """The value of a slice's key."""
    fields = {
        "name_field": message(1, name),
        "slice_field": message(2, slice_proto(extents)),
        "data_field": message(3, data),
    }
    fields.update(replaced)
    return message(2, b"".join(fields.values()))


def values_of(array, dtype=None) -> bytes:
    """A ``TensorProto`` with the values of an array, packed."""
    array = np.asarray(array)
    if array.dtype == object:
        return b"".join(message(8, one) for one in array.reshape(-1))
    name = dtype or array.dtype.name
    field = _FIELDS.get(name, 7)
    flat = np.ascontiguousarray(array).reshape(-1)
    if name == "float16":
        flat = flat.view(np.uint16)
    if flat.dtype.kind in "fc":
        packed = flat.astype(flat.dtype.newbyteorder("<")).tobytes()
    else:
        packed = b"".join(varint(int(one)) for one in flat)
    return message(field, packed)


class V1Builder:
    """Collects the slices of one V1 file.

    Attributes:
      tensors: The encoded ``SavedSliceMeta`` messages.
      records: The values of the slices' keys.
      versions: The encoded ``VersionDef``.
    """

    def __init__(self, versions=VERSIONS) -> None:
        """Begins a file."""
        self.tensors = []
        self.records = {}
        self.versions = versions

    def add(self, name, array, dtype=None):
        """Adds a tensor in one piece; ``dtype`` is its name in TensorFlow."""
        array = np.asarray(array)
        whole = extents_of(*[None] * array.ndim)
        return self.add_slices(name, array, [whole], dtype)

    def add_slices(self, name, array, slices, dtype=None):
        """Adds some slices of a tensor, given by their extents."""
        array = np.asarray(array)
        encoded = name if isinstance(name, bytes) else name.encode()
        kind = dtype or ("string" if array.dtype == object else array.dtype.name)
        self.tensors.append(
            listed(encoded, array.shape, dtypes.BY_NAME[kind].number, slices)
        )
        for extents in slices:
            part = array[
                tuple(
                    slice(None)
                    if one.length is None
                    else slice(one.start, one.start + one.length)
                    for one in extents
                )
            ]
            data = values_of(part, kind)
            self.records[slice_key(encoded, extents)] = record(encoded, extents, data)
        return self

    def pairs(self):
        """The pairs of the table."""
        head = metadata(*self.tensors, versions=self.versions)
        return [(b"", head), *sorted(self.records.items())]

    def write(self, path, **table_options) -> str:
        """Writes the file and returns its path."""
        with open(str(path), "wb") as file:
            file.write(table(self.pairs(), **table_options))
        return str(path)


def write_table(path, pairs, **options) -> str:
    """Writes a table of pairs and returns its path."""
    with open(str(path), "wb") as file:
        file.write(table(sorted(dict(pairs).items()), **options))
    return str(path)


def rewrite(path, change, **options) -> None:
    """Applies ``change`` to the dictionary of a file's pairs and writes it again."""
    pairs = pairs_of(path)
    change(pairs)
    write_table(path, pairs, **options)


def small_v1(path, **options) -> str:
    """Writes a V1 file of a few small tensors, one of them in slices."""
    words = np.empty([3], object)
    words[:] = [b"one", b"", b"\xff\0"]
    builder = V1Builder()
    builder.add("a/kernel", np.arange(6, dtype=np.float32).reshape([2, 3]))
    builder.add("a/words", words)
    builder.add("b/step", np.int64(1200))
    builder.add("b/small", np.array([-128, 127, 0], np.int8))
    builder.add_slices(
        "c/rows",
        np.arange(8, dtype=np.float64).reshape([4, 2]),
        [extents_of((0, 3), None), extents_of((3, 1), None)],
    )
    return builder.write(path, **options)


@contextlib.contextmanager
def opened_shards(folder, *builders, name="model.ckpt"):
    """Writes a file for each builder and opens the shards as one checkpoint."""
    for shard, builder in enumerate(builders):
        builder.write(folder / f"{name}-{shard:05d}-of-{len(builders):05d}")
    with open_checkpoint(folder / name) as checkpoint:
        yield checkpoint
