"""Tests of ranges that are read a chunk at a time, and of what is stored in them."""

import numpy as np
import pytest

from legacy_restore.checkpoint import streams, tensors
from legacy_restore.checkpoint.entries import parse_entry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.builders import BundleBuilder, memory_below, shard_path, varint


@pytest.fixture(params=[1, 3, 16, 1 << 20])
def chunk_bytes(request, monkeypatch):
    monkeypatch.setattr(streams, "_CHUNK_BYTES", request.param)


@pytest.fixture
def stream_of(tmp_path):
    files = []

    def open_one(data, offset=0, size=None):
        path = tmp_path / "file"
        path.write_bytes(data)
        files.append(PositionedFile(str(path)))
        size = len(data) - offset if size is None else size
        return streams.RangeStream(files[-1], offset, size)

    yield open_one
    for file in files:
        file.close()


def test_numbers_and_bytes_come_in_their_order(stream_of, chunk_bytes):
    numbers = [0, 127, 128, (1 << 64) - 1, 5]
    data = b"".join(map(varint, numbers))
    stream = stream_of(b"before" + data + b"contents" + b"after", 6, len(data) + 8)
    assert stream.take_varint() == 0
    assert [one for some in stream.varints(4) for one in some] == numbers[1:]
    assert stream.left == 8
    assert stream.take(3) == b"con"
    assert b"".join(stream.chunks(5)) == b"tents"
    assert stream.left == 0


def test_nothing_behind_the_range_is_given(stream_of, chunk_bytes):
    stream = stream_of(b"\x80\x80\x01", 0, 2)
    with pytest.raises(FormatError):
        stream.take_varint()
    stream = stream_of(b"\1" * 9, 0, 4)
    with pytest.raises(FormatError, match="5 bytes are declared where 4 are left"):
        stream.take(5)
    assert stream.take(4) == b"\1" * 4
    with pytest.raises(FormatError):
        stream.take_varint()


def test_random_numbers_come_back(stream_of, chunk_bytes):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(
        deadline=None,
        max_examples=50,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(some.lists(some.integers(0, (1 << 64) - 1)), some.binary())
    def check(numbers, rest):
        stream = stream_of(b"".join(map(varint, numbers)) + rest)
        found = [one for part in stream.varints(len(numbers)) for one in part]
        assert (found, stream.take(stream.left)) == (numbers, rest)

    check()


def test_random_strings_are_read_and_verified(tmp_path, chunk_bytes):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(
        deadline=None,
        max_examples=50,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(some.lists(some.binary(max_size=300)), some.booleans())
    def check(elements, is_big_endian):
        array = np.empty([len(elements)], object)
        array[:] = elements
        builder = BundleBuilder(is_big_endian=is_big_endian).add("s", array)
        prefix = builder.write(tmp_path / "model.ckpt")
        file = PositionedFile(shard_path(prefix))
        try:
            entry = parse_entry(builder.index[b"s"])
            tensors.verify_tensor(file, entry, is_big_endian)
            assert list(tensors.read_tensor(file, entry, is_big_endian)) == elements
        finally:
            file.close()

    check()


def test_length_beyond_the_file_is_refused_unallocated(stream_of):
    stream = stream_of(varint(1 << 62) + b"x" * 100)
    length = stream.take_varint()
    with memory_below(1 << 20), pytest.raises(FormatError):
        stream.take(length)
