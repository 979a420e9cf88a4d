"""Mutation, whole: every byte and bit, every length, every field; opened and verified.

Three questions are asked of each changed checkpoint, and their answers have to agree:
what opening and reading give, what ``verify_checkpoint`` says, and what can still be
read of the tensors that it calls good.
"""

import os

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, dtypes, open_checkpoint, wire
from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.index_survey import survey_index
from legacy_restore.checkpoint.slices import Extent, slice_key
from legacy_restore.checkpoint.verifying import verify_checkpoint
from tests.checkpoint import golden
from tests.checkpoint.builders import (
    BundleBuilder,
    entry,
    header,
    memory_below,
    parts_along,
    rewrite_index,
    shard_path,
    strings,
)

TABLE = np.arange(6, dtype=np.float32).reshape([3, 2]) + 1
ROWS = parts_along(0, TABLE.shape, [1, 2])
_MEMORY = 16 << 20


def fixed(**options):
    builder = BundleBuilder(**options)
    builder.add("a", TABLE.astype(np.float16))
    builder.add("b", np.array([True, False]))
    builder.add("c", np.complex64(1 + 2j))
    return builder.add("none", np.zeros([0, 2], np.int32))


def words(**options):
    builder = BundleBuilder(**options)
    builder.add("no", strings())
    return builder.add("words", strings(b"one", b"", b"\xff\0"))


def sliced(**options):
    builder = BundleBuilder(num_shards=2, **options)
    return builder.add_sliced("t", TABLE, ROWS, shards=[0, 1]).add("u", np.int64(7))


CASES = {
    "fixed": (fixed, {}, {}),
    "fixed, big-endian": (fixed, {"is_big_endian": True}, {}),
    "strings": (words, {}, {}),
    "strings, big-endian": (words, {"is_big_endian": True}, {}),
    "slices": (sliced, {}, {}),
    "slices, big-endian": (sliced, {"is_big_endian": True}, {}),
    "many blocks": (sliced, {}, {"pairs_per_block": 1}),
}


@pytest.fixture(params=sorted(CASES))
def prefix(request, tmp_path):
    build, options, table_options = CASES[request.param]
    return build(**options).write(tmp_path / "model.ckpt", **table_options)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def value_of(checkpoint, key):
    """A tensor as it is, or the class of the error that it raises."""
    try:
        array = checkpoint[key]
    except errors.LegacyRestoreError as error:
        assert error.findings, error
        return type(error)
    return (array.dtype, array.shape, golden.contents_of(array))


def opened(prefix):
    """All that can be read, or the error that opening raises."""
    try:
        with open_checkpoint(prefix) as checkpoint:
            return {key: value_of(checkpoint, key) for key in checkpoint}
    except errors.CheckpointError as error:
        assert error.findings
        return error


def saved(prefix):
    """What is read of the tensors that stand in the sound part of an index."""
    try:
        bundle = Bundle.of_index(prefix, survey_index(prefix).sound)
    except errors.LegacyRestoreError:
        return {}
    found = {}
    for key in bundle.entries:
        try:
            array = bundle.read(key)
        except errors.LegacyRestoreError:
            continue
        found[key] = (array.dtype, array.shape, golden.contents_of(array))
    bundle.close()
    return found


def check(prefix, expected, what):
    """Asks the three questions; returns whether anything was found wrong.

    Args:
      prefix: A changed checkpoint.
      expected: The values before.
      what: The change, for the message of a failure.
    """
    found = opened(prefix)
    try:
        report = verify_checkpoint(prefix)
    except errors.LocationError:
        assert isinstance(found, errors.LocationError), what
        return True
    good = {row.key for row in report.good}
    rest = saved(prefix)
    # Whatever is called good can be had, and is what was written.
    assert good <= set(rest), what
    assert all(rest[key] == expected[key] for key in good), what
    if isinstance(found, errors.CheckpointError):
        assert not report.ok, what
        return True
    assert {row.key for row in report.rows} == set(found) == set(expected), what
    for key, value in found.items():
        assert (value == expected[key]) == (key in good), (what, key)
        assert key in good or issubclass(value, errors.CorruptCheckpointError), what
    assert report.ok == (found == expected), what
    return not report.ok


def paths_of(prefix):
    with open_checkpoint(prefix) as checkpoint:
        return checkpoint.paths()


def is_unread(index, position):
    """Whether a byte is in the meta index block or the padding of the footer."""
    footer = len(index) - 48
    offset, middle = wire.read_varint(index, footer)
    size, end = wire.read_varint(index, middle)
    _, middle = wire.read_varint(index, end)
    _, end = wire.read_varint(index, middle)
    # Nor does anybody follow the handle of that block.
    return offset <= position < offset + size + 5 or footer <= position < len(index) - 8


@pytest.mark.slow
def test_every_flipped_bit_is_found_or_changes_nothing(prefix):
    expected = opened(prefix)
    index, *data_files = paths_of(prefix)
    with memory_below(_MEMORY):
        for path in (index, *data_files):
            data = read(path)
            for position in range(len(data)):
                for bit in range(8):
                    changed = bytearray(data)
                    changed[position] ^= 1 << bit
                    write(path, bytes(changed))
                    is_found = check(prefix, expected, (path, position, bit))
                    assert is_found or (path == index and is_unread(data, position))
            write(path, data)
    assert not check(prefix, expected, "as it was")


def test_every_byte_replaced_by_another_is_found_or_changes_nothing(prefix):
    expected = opened(prefix)
    for path in paths_of(prefix):
        data = read(path)
        for position in range(len(data)):
            new = bytes([data[position] ^ 0xFF])
            write(path, data[:position] + new + data[position + 1 :])
            check(prefix, expected, (path, position))
        write(path, data)


def test_every_length_is_found(prefix):
    expected = opened(prefix)
    for path in paths_of(prefix):
        data = read(path)
        for length in range(len(data)):
            write(path, data[:length])
            assert check(prefix, expected, (path, length))
        write(path, data)


def test_files_that_change_places_are_found(tmp_path):
    prefix = sliced().write(tmp_path / "model.ckpt")
    expected = opened(prefix)
    first, second = shard_path(prefix, 0, 2), shard_path(prefix, 1, 2)
    data = read(first), read(second)
    write(first, data[1])
    write(second, data[0])
    assert check(prefix, expected, "the other data file")
    write(first, read(prefix + ".index"))
    assert check(prefix, expected, "the index as a data file")
    write(first, data[0])
    write(prefix + ".index", data[1])
    assert check(prefix, expected, "a data file as the index")


# Fields behind repaired checksums. What an altered entry means is worked out here once
# more, in another way.

NUMBERS = np.arange(12, dtype=np.int16)
OTHER = np.arange(3, dtype=np.int64)


def declared(shards, fields):
    """What an entry's fields give: dtype, shape and bytes; None if nothing."""
    dtype = dtypes.BY_NUMBER.get(fields["dtype"])
    if dtype is None or dtype.itemsize is None or not dtype.numpy_name:
        return None
    if dtype.in_ml_dtypes:
        pytest.importorskip("ml_dtypes")
    shape, size, offset = fields["shape"], fields["size"], fields["offset"]
    if min((*shape, size, offset), default=0) < 0 or len(shape) > 254:
        return None
    count = 1
    for length in shape:
        count *= length
    if size != count * dtype.itemsize or not 0 <= fields["shard"] < len(shards):
        return None
    data = shards[fields["shard"]][offset : offset + size]
    if offset > len(shards[fields["shard"]]) or len(shape) > 32:  # NumPy's limit.
        return None
    if len(data) != size or checksum.mask(checksum.crc32c(data)) != fields["crc"]:
        return None
    return (dtype.to_numpy(), shape, data)


ODD = (0, 1, 2, 7, 12, 24, 255, 1 << 31, 1 << 32, (1 << 63) - 1, -1, -(1 << 63))
ALTERED = [
    *({"dtype": number} for number in (*range(36), 101, 119, 1 << 31, -1)),
    *({"shard": number} for number in ODD),
    *({"offset": number} for number in ODD),
    *({"size": number} for number in ODD),
    *({"crc": number} for number in (0, 1, 0xA282EAD8, 0xFFFFFFFF)),
    *(
        {"shape": shape}
        for shape in (
            (),
            (1,),
            (11,),
            (13,),
            (24,),
            (0,),
            (-12,),
            (3, 4),
            (12, 1),
            (-3, -4),
            (1 << 62, 6),
            (1 << 63 - 1,),
            (12, 0),
            (1,) * 253 + (12,),
            (1,) * 254 + (12,),
        )
    ),
    {"shape": (0,), "size": 0},
    {"shape": (0,), "size": 0, "crc": checksum.mask(0)},
    {"shape": (0,), "size": 0, "crc": checksum.mask(0), "offset": 1 << 40},
    {"shape": (6,), "dtype": 3},
    {"shape": (24,), "dtype": 10},
    {"shape": (3, 2, 2), "dtype": 17},
    {"shape": (1 << 40,), "size": 2 << 40},
    {"shape": (1,), "size": 2, "crc": checksum.mask(checksum.crc32c(b"\0\0"))},
]


@pytest.mark.parametrize("fields", ALTERED, ids=str)
def test_altered_entry_is_an_error_or_the_value_as_declared(tmp_path, fields):
    builder = BundleBuilder(num_shards=2).add("t", NUMBERS).add("u", OTHER, shard=1)
    prefix = builder.write(tmp_path / "model.ckpt")
    crc = checksum.mask(checksum.crc32c(NUMBERS.tobytes()))
    sound = {"dtype": 5, "shape": (12,), "shard": 0, "offset": 0, "size": 24}
    altered = {**sound, "crc": crc, **fields}
    with memory_below(2 << 20):
        rewrite_index(prefix, lambda pairs: pairs.update({b"t": entry(**altered)}))
        found = opened(prefix)
        report = verify_checkpoint(prefix)
    expected = declared(builder.shards, altered)
    (row,) = [row for row in report.rows if row.key == "t"]
    if expected is None:
        is_refused = isinstance(found, errors.CheckpointError)
        assert is_refused or issubclass(found["t"], errors.CheckpointError)
        # Bytes of a dtype that NumPy lacks may be sound all the same.
        assert row.status.value != "ok" or row.nbytes == len(NUMBERS.tobytes())
    else:
        assert found["t"] == expected
        assert row.status.value == "ok"
    (other,) = [row for row in report.rows if row.key == "u"]
    assert other.status.value == "ok"


@pytest.mark.parametrize(
    "fields",
    [
        *({"num_shards": number} for number in (0, 2, 99_999, 100_000, -1, 1 << 31)),
        *({"endianness": number} for number in (1, 2, 255)),
        {"min_consumer": 2},
        {"min_consumer": 1 << 31},
        {"bad_consumers": (1,)},
        {"bad_consumers": (0, 5, 1), "packed": False},
    ],
    ids=str,
)
def test_altered_header_is_an_error_or_what_it_declares(tmp_path, fields):
    prefix = words().add("n", NUMBERS).write(tmp_path / "model.ckpt")
    sound = {"num_shards": 1, "endianness": 0}
    altered = header(**{**sound, **fields})
    rewrite_index(prefix, lambda pairs: pairs.update({b"": altered}))
    with memory_below(2 << 20):
        found = opened(prefix)
        report = verify_checkpoint(prefix)
    assert not report.ok
    if isinstance(found, errors.CheckpointError):
        return
    lost = {key for key, one in found.items() if isinstance(one, type)}
    assert lost == {row.key for row in report.lost}
    if fields == {"endianness": 1}:
        # Only string tensors have a checksum that depends on it.
        assert lost == {"no", "words"} or lost == {"words"}
        assert found["n"][2] == NUMBERS.byteswap().tobytes()
    else:
        assert lost == {"no", "words", "n"}


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize(
    "fields",
    [
        {"dtype": 3},
        {"dtype": 2},
        {"shape": (2, 1)},
        {"shape": (4,)},
        {"shape": (1, 2), "size": 8},
        {"offset": 1},
        {"offset": 1 << 40},
        {"shard": 5},
        {"size": 7},
        {"crc": 0},
        {"slices": [ROWS[0]]},
    ],
    ids=str,
)
def test_altered_entry_of_a_slice_is_an_error(tmp_path, fields, kept):
    builder = sliced()
    prefix = builder.write(tmp_path / "model.ckpt")
    part = TABLE[:1] if kept == 0 else TABLE[1:]
    sound = {
        "dtype": 1,
        "shape": part.shape,
        "shard": kept,
        "offset": 0,
        "size": part.nbytes,
        "crc": checksum.mask(checksum.crc32c(part.tobytes())),
    }
    if {**sound, **fields} == sound:
        pytest.skip("as it was")
    changed = {slice_key(b"t", ROWS[kept]): entry(**{**sound, **fields})}
    rewrite_index(prefix, lambda pairs: pairs.update(changed))
    with memory_below(2 << 20):
        found = opened(prefix)
        report = verify_checkpoint(prefix)
    assert isinstance(found, errors.CheckpointError) or isinstance(found["t"], type)
    assert [row.key for row in report.lost] == ["t"]


@pytest.mark.parametrize(
    "shape, extents",
    [
        ((3, 2), ROWS[:1]),
        ((3, 2), [*ROWS, ROWS[0]]),
        ((3, 2), [ROWS[0], (Extent(2, 2), Extent())]),
        ((3, 2), [ROWS[0], (Extent(0, 2), Extent())]),
        ((3, 2), [ROWS[0], (Extent(1, 2),)]),
        ((3, 2), [(Extent(), Extent())]),
        ((2, 2), ROWS),
        ((4, 2), ROWS),
        ((3, 3), ROWS),
        ((6,), ROWS),
        ((3, 2, 1), ROWS),
        ((1 << 40, 1 << 40), ROWS),
    ],
)
def test_altered_slices_of_a_tensor_never_yield_other_values(tmp_path, shape, extents):
    prefix = sliced().write(tmp_path / "model.ckpt")
    whole = {b"t": entry(1, shape, slices=extents)}
    rewrite_index(prefix, lambda pairs: pairs.update(whole))
    with memory_below(2 << 20):
        found = opened(prefix)
        report = verify_checkpoint(prefix)
    assert isinstance(found, errors.CheckpointError) or isinstance(found["t"], type)
    (row,) = [row for row in report.rows if row.key == "t"]
    assert row.status.value in ("corrupt", "incomplete")
    assert row.reason
    assert os.path.exists(prefix + ".index")
