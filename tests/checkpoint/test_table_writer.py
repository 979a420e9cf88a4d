"""Table files: written, and read back by the reader of the package."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.table import read_table
from legacy_restore.checkpoint.table_writer import (
    TableWriter,
    short_successor,
    shortest_separator,
)


def written(pairs):
    file = io.BytesIO()
    writer = TableWriter(file)
    for key, value in pairs:
        writer.add(key, value)
    writer.finish()
    return file.getvalue()


def read(data, directory):
    path = directory / "table"
    path.write_bytes(data)
    file = PositionedFile(str(path))
    try:
        return [tuple(pair) for pair in read_table(file)]
    finally:
        file.close()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@given(st.dictionaries(st.binary(max_size=12), st.binary(max_size=40), max_size=60))
def test_what_is_written_is_read(directory, pairs):
    pairs = sorted(pairs.items())
    assert read(written(pairs), directory) == pairs


def test_an_empty_table_has_no_data_block(directory):
    data = written([])
    # Two empty blocks - one restart point, type and checksum each - and the footer.
    assert len(data) == 2 * (8 + 5) + 48
    assert read(data, directory) == []


def test_blocks_end_at_256_kib_and_are_found_again(directory):
    pairs = [(b"key%06d" % count, b"v" * 1000) for count in range(1000)]
    data = written(pairs)
    assert read(data, directory) == pairs
    # Four blocks: their keys in the index block are shortened.
    assert data.count(b"key0002") + data.count(b"key0005") >= 2


def test_keys_share_what_they_have_in_common_until_a_restart_point():
    data = written([(b"common/prefix/%02d" % count, b"") for count in range(17)])
    assert data.count(b"common/prefix/") == 2


@pytest.mark.parametrize("keys", [(b"b", b"a"), (b"a", b"a"), (b"a", b"")])
def test_keys_out_of_order_are_refused(keys):
    writer = TableWriter(io.BytesIO())
    writer.add(keys[0], b"")
    with pytest.raises(ValueError, match="is not behind"):
        writer.add(keys[1], b"")


def test_a_finished_table_takes_nothing_more():
    writer = TableWriter(io.BytesIO())
    writer.finish()
    with pytest.raises(ValueError, match="finished"):
        writer.add(b"a", b"")
    with pytest.raises(ValueError, match="finished"):
        writer.finish()


@given(st.binary(max_size=6), st.binary(max_size=6))
def test_a_separator_is_between_two_keys(one, other):
    first, second = sorted([one, other])
    found = shortest_separator(first, second)
    assert first <= found
    assert found < second or first == second or found == first
    assert len(found) <= max(len(first), 1)


@pytest.mark.parametrize(
    ("key", "limit", "expected"),
    [
        (b"helloworld", b"hellozoo", b"hellox"),
        (b"hello", b"helloworld", b"hello"),
        (b"abc1xyz", b"abc2", b"abc1xyz"),
        (b"a\xff", b"b", b"a\xff"),
    ],
)
def test_separators(key, limit, expected):
    assert shortest_separator(key, limit) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"uint8", b"v"),
        (b"\xff\x01z", b"\xff\x02"),
        (b"\xff\xff", b"\xff\xff"),
        (b"", b""),
    ],
)
def test_successors(key, expected):
    assert short_successor(key) == expected
