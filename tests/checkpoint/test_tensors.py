"""Tests of the contents of tensors."""

import sys

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, dtypes, tensors
from legacy_restore.checkpoint.entries import parse_entry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.builders import BundleBuilder, memory_below, strings

WORDS = strings(b"one", b"", b"\xff\0", b"x" * 300)


@pytest.fixture
def stored(tmp_path):
    """Stores an array, and gives its file and its entry."""
    opened = []

    def store(array, is_big_endian=False, dtype=None):
        builder = BundleBuilder(is_big_endian=is_big_endian)
        builder.shards[0] = b"in front"
        builder.add("t", array, dtype)
        path = tmp_path / "data"
        path.write_bytes(builder.shards[0] + b"behind")
        opened.append(PositionedFile(str(path)))
        return opened[-1], parse_entry(builder.index[b"t"])

    yield store
    for file in opened:
        file.close()


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(-6, 6, dtype=np.int16).reshape([3, 4]),
        np.array([1.5, np.nan, -0.0], np.float32),
        np.array([[1.5 - 2j, 3j]], np.complex64),
        np.array([1.5 - 2j, -1 + 3e300j], np.complex128),
        np.array([True, False, True]),
        np.int64(-(2**40)),
        np.zeros([3, 0], np.float64),
        np.arange(1 << 19, dtype=np.float32),
    ],
    ids=lambda array: f"{array.dtype}{list(np.shape(array))}",
)
def test_numbers_come_back_from_either_byte_order(stored, array, is_big_endian):
    file, entry = stored(array, is_big_endian)
    found = tensors.read_tensor(file, entry, is_big_endian)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(
    "array", [WORDS, WORDS.reshape([2, 1, 2]), WORDS[:0], WORDS[2].join([b"a"] * 3)]
)
def test_strings_come_back_from_either_byte_order(stored, array, is_big_endian):
    array = np.array(array, object)
    file, entry = stored(array, is_big_endian)
    found = tensors.read_tensor(file, entry, is_big_endian)
    assert found.dtype == object
    assert found.shape == array.shape
    assert list(found.reshape(-1)) == list(array.reshape(-1))


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(
    "name", [one.name for one in dtypes.BY_NUMBER.values() if one.in_ml_dtypes]
)
def test_extended_numbers_come_back_from_either_byte_order(stored, name, is_big_endian):
    pytest.importorskip("ml_dtypes")
    array = np.array([0, 1, 1, 0], np.float32).astype(dtypes.BY_NAME[name].to_numpy())
    file, entry = stored(array, is_big_endian, dtype=name)
    found = tensors.read_tensor(file, entry, is_big_endian)
    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()
    assert any(array.tobytes())


@pytest.mark.parametrize("array", [np.arange(9.0), WORDS], ids=["numbers", "strings"])
def test_wrong_byte_order_is_not_taken_for_the_right_one(stored, array):
    file, entry = stored(array, is_big_endian=True)
    right = tensors.read_tensor(file, entry, True)
    try:
        wrong = tensors.read_tensor(file, entry, False)
    except FormatError:
        assert array.dtype == object
    else:
        assert wrong.tobytes() != right.tobytes()


@pytest.mark.parametrize("array", [np.arange(9.0), WORDS], ids=["numbers", "strings"])
def test_value_that_was_read_may_be_changed(stored, array):
    file, entry = stored(array)
    first = tensors.read_tensor(file, entry, False)
    first[0] = first[1]
    assert tensors.read_tensor(file, entry, False)[0] == array[0]


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
def test_reading_takes_no_more_memory_than_the_tensor(stored, is_big_endian):
    file, entry = stored(np.ones([4 << 20], np.float32), is_big_endian)
    with memory_below(entry.size + (1 << 20)):
        tensors.read_tensor(file, entry, is_big_endian)


@pytest.mark.parametrize("array", [np.arange(9.0), WORDS], ids=["numbers", "strings"])
def test_checksum_that_is_not_that_of_the_bytes_is_a_fault(stored, array):
    file, entry = stored(array)
    entry = entry._replace(crc32c=entry.crc32c ^ 1)
    with pytest.raises(FormatError):
        tensors.read_tensor(file, entry, False)


@pytest.mark.parametrize(
    "change",
    [{"offset": 9}, {"offset": 1 << 62}, {"size": 1 << 62, "shape": (1 << 59,)}],
    ids=["shifted", "beyond the file", "huge"],
)
def test_range_beyond_the_file_is_refused_before_anything_is_allocated(stored, change):
    file, entry = stored(np.arange(9.0))
    entry = entry._replace(**change)
    with memory_below(1 << 20), pytest.raises(FormatError):
        tensors.read_tensor(file, entry, False)


@pytest.mark.parametrize("count", [0, 3, 5, 10**12])
def test_other_number_of_strings_than_stored_is_refused(stored, count):
    file, entry = stored(WORDS)
    entry = entry._replace(shape=(count,))
    with memory_below(1 << 20), pytest.raises(FormatError):
        tensors.read_tensor(file, entry, False)


def test_strings_cut_short_are_refused_at_every_length(stored):
    file, entry = stored(WORDS)
    for size in range(entry.size):
        with pytest.raises(FormatError):
            tensors.read_tensor(file, entry._replace(size=size), False)


def test_bytes_behind_the_last_string_are_refused(stored):
    file, entry = stored(WORDS)
    crc = checksum.extend(checksum.unmask(entry.crc32c), b"behind")
    longer = entry._replace(size=entry.size + len(b"behind"), crc32c=checksum.mask(crc))
    assert tensors.read_tensor(file, entry, False).shape == WORDS.shape
    with pytest.raises(FormatError):
        tensors.read_tensor(file, longer, False)


def test_lengths_are_checked_before_the_strings_are_cut(tmp_path):
    # The lengths of "ab" and "c" exchanged, and the checksum of the whole repaired.
    builder = BundleBuilder()
    builder.add("good", strings(b"ab", b"c"))
    data = bytearray(builder.shards[0])
    data[:2] = data[1::-1]
    path = tmp_path / "data"
    path.write_bytes(bytes(data))
    file = PositionedFile(str(path))
    with pytest.raises(FormatError, match="lengths"):
        tensors.read_tensor(file, parse_entry(builder.index[b"good"]), False)
    file.close()


def allocated(name, shape):
    return tensors.allocate(dtypes.BY_NAME[name], shape)


def test_rank_beyond_numpys_is_refused_as_unsupported():
    with pytest.raises(errors.UnsupportedCheckpointError):
        allocated("float32", (1,) * 254)


def test_empty_shape_beyond_numpys_is_refused_as_unsupported():
    with pytest.raises(errors.UnsupportedCheckpointError):
        allocated("float32", (0, 1 << 62))


def test_dtype_without_array_form_is_refused_by_name():
    with pytest.raises(errors.UnsupportedCheckpointError, match="resource"):
        allocated("resource", ())


def test_missing_ml_dtypes_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(errors.MissingDependencyError):
        allocated("bfloat16", (2,))
