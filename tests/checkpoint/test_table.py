"""Tests of table files."""

import contextlib
import struct
import sys

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.table import read_blocks, read_table
from legacy_restore.checkpoint.table_blocks import is_table
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.builders import (
    SNAPPY,
    block,
    memory_below,
    sealed,
    table,
    table_of_blocks,
    varint,
)

PAIRS = [
    (b"", b"header"),
    (b"\x00slice\xff", b""),
    (b"net/block1/weights", b"w" * 200),
    (b"net/block1/weights/Adam", b"a"),
    (b"net/block2/weights", b"b"),
    (b"\xff\xff", b"last"),
]


@pytest.fixture
def open_file(tmp_path):
    opened = []

    def open_bytes(data):
        path = tmp_path / "table"
        path.write_bytes(data)
        opened.append(PositionedFile(str(path)))
        return opened[-1]

    yield open_bytes
    for file in opened:
        file.close()


@pytest.fixture
def read(open_file):
    def read_bytes(data):
        return [(pair.key, pair.value) for pair in read_table(open_file(data))]

    return read_bytes


@pytest.mark.parametrize("pairs_per_block", [None, 1, 2, 4])
@pytest.mark.parametrize("restart_interval", [1, 2, 16])
def test_pairs_come_back_whatever_the_layout(read, restart_interval, pairs_per_block):
    data = table(PAIRS, restart_interval, pairs_per_block)
    assert read(data) == PAIRS


def test_restart_interval_changes_the_bytes():
    # Else the test above would read one layout three times.
    assert len(table(PAIRS, 1)) > len(table(PAIRS, 16))


@pytest.mark.parametrize("restart_interval", [1, 16])
def test_many_keys_with_long_common_prefixes_come_back(read, restart_interval):
    name = b"a/long/common/prefix/" * 4
    pairs = [(name + b"%05d" % one, b"%d" % one) for one in range(1000)]
    assert read(table(pairs, restart_interval, pairs_per_block=70)) == pairs


def test_random_tables_come_back(read):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(deadline=None, max_examples=100, derandomize=True)
    @hypothesis.given(
        pairs=some.dictionaries(some.binary(max_size=40), some.binary(max_size=300)),
        restart_interval=some.integers(1, 20),
        pairs_per_block=some.integers(1, 20),
    )
    def check(pairs, restart_interval, pairs_per_block):
        pairs = sorted(pairs.items())
        assert read(table(pairs, restart_interval, pairs_per_block)) == pairs

    check()


def test_table_without_pairs_is_empty(read):
    assert read(table([])) == []


def test_table_with_an_empty_block_is_empty(read):
    assert read(table_of_blocks([(b"", sealed(block([])))])) == []


@pytest.mark.parametrize("pairs", [[], PAIRS], ids=["no entries", "entries"])
def test_block_without_restart_points_is_refused(read, pairs):
    # LevelDB writes one even into an empty block, and reads none of its entries.
    contents = block(pairs)[:-8] + struct.pack("<I", 0)
    with pytest.raises(FormatError):
        read(table_of_blocks([(b"\xff\xff\xff", sealed(contents))]))


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0\0\0", id="no room for the number of restart points"),
        pytest.param(block(PAIRS, num_restarts=10**6), id="restart points beyond"),
        pytest.param(block([], num_restarts=0xFFFFFFFF), id="most restart points"),
        pytest.param(b"\1\1\0a" + block([])[-8:], id="shares without a key before"),
        pytest.param(b"\0\x09\0a" + block([])[-8:], id="key beyond the block"),
        pytest.param(b"\0\1\x09a" + block([])[-8:], id="value beyond the block"),
        pytest.param(b"\0\1" + block([])[-8:], id="ends within an entry"),
        pytest.param(
            b"\0" + varint(1 << 63) + b"\0" + block([])[-8:], id="key beyond any file"
        ),
    ],
)
def test_block_that_contradicts_the_format_is_refused(read, contents):
    with pytest.raises(FormatError):
        read(table_of_blocks([(b"z", sealed(contents))]))


@pytest.mark.parametrize(
    "pairs", [[(b"b", b""), (b"a", b"")], [(b"a", b"1"), (b"a", b"2")]]
)
@pytest.mark.parametrize("pairs_per_block", [None, 1])
def test_keys_out_of_order_or_twice_are_refused(read, pairs, pairs_per_block):
    with pytest.raises(FormatError):
        read(table(pairs, pairs_per_block=pairs_per_block))


def test_damaged_block_is_refused_before_its_contents_are_looked_at(read):
    data = bytearray(table(PAIRS))
    data[0] ^= 1
    with pytest.raises(FormatError):
        read(bytes(data))


def test_blocks_before_a_damaged_one_are_given(open_file):
    data = bytearray(table(PAIRS, pairs_per_block=3))
    first = len(sealed(block(PAIRS[:3])))
    data[first + 2] ^= 1
    pairs = read_table(open_file(bytes(data)))
    assert [next(pairs).key for _ in range(3)] == [key for key, _ in PAIRS[:3]]
    with pytest.raises(FormatError):
        next(pairs)


@pytest.mark.parametrize("data", [b"", b"a" * 47, b"a" * 48, b"a" * 500])
def test_file_without_magic_number_is_no_table(open_file, data):
    file = open_file(data)
    assert not is_table(file)
    with pytest.raises(FormatError):
        list(read_table(file))


def test_file_with_magic_number_is_a_table(open_file):
    assert is_table(open_file(table([])))


@pytest.mark.parametrize("handle", [varint(1 << 62) + varint(8), varint(0) * 2])
def test_footer_that_points_elsewhere_is_refused(read, handle):
    data = table(PAIRS)
    meta = varint(0) + varint(8)
    footer = (meta + handle).ljust(40, b"\0") + data[-8:]
    with pytest.raises(FormatError):
        read(data[:-48] + footer)


def test_index_block_that_points_beyond_the_file_is_refused_unallocated(read):
    handles = block([(b"z", varint(0) + varint(1 << 40))])
    data = sealed(handles)
    footer = varint(0) + varint(0) + varint(0) + varint(len(handles))
    with memory_below(1 << 20), pytest.raises(FormatError):
        read(data + footer.ljust(40, b"\0") + table([])[-8:])


@pytest.mark.parametrize("compression", [2, 3, 255])
def test_unknown_compression_is_refused_by_its_number(read, compression):
    with pytest.raises(errors.UnsupportedCheckpointError, match=str(compression)):
        read(table(PAIRS, compression=compression))


def test_prefix_compression_cannot_fill_the_memory(open_file):
    # Four bytes an entry, each a key one byte longer than the one before: 300 kB of
    # file would become more than 10 GB of keys.
    first = b"k" * 200_000
    entries = varint(0) + varint(len(first)) + varint(0) + first
    for count in range(25_000):
        entries += varint(len(first) + count) + b"\1\0k"
    contents = entries + struct.pack("<2I", 0, 1)
    file = open_file(table_of_blocks([(b"l", sealed(contents))]))
    with pytest.raises(FormatError):
        for _ in read_table(file):
            pass


# Snappy. Literal: (length - 1) << 2, then the bytes. Copy with a two-byte offset:
# (length - 1) << 2 | 2, then the offset.


def literal(data):
    assert len(data) <= 60
    return bytes([(len(data) - 1) << 2]) + data


def copy(offset, length):
    return bytes([(length - 1) << 2 | 2]) + struct.pack("<H", offset)


def test_snappy_blocks_are_decompressed(read):
    cramjam = pytest.importorskip("cramjam")

    def compress(contents):
        return bytes(cramjam.snappy.compress_raw(contents))

    data = table(PAIRS, 1, pairs_per_block=2, compress=compress, compression=SNAPPY)
    assert read(data) == PAIRS
    assert len(data) < len(table(PAIRS, 1, pairs_per_block=2))


def test_snappy_literals_and_overlapping_copies_are_decoded(read):
    pytest.importorskip("cramjam")
    contents = b"\0\1\x40a" + b"xy" * 32 + block([])[-8:]
    stored = varint(len(contents)) + literal(contents[:6]) + copy(2, 62)
    stored += literal(contents[-8:])
    assert read(table_of_blocks([(b"a", sealed(stored, SNAPPY))])) == [
        (b"a", b"xy" * 32)
    ]


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80", id="ends within the length"),
        pytest.param(varint(8) + literal(bytes(4)), id="less than declared"),
        pytest.param(varint(8) + literal(bytes(12)), id="more than declared"),
        pytest.param(varint(8) + b"\x1c" + bytes(4), id="ends within a literal"),
        pytest.param(varint(8) + b"\xff", id="ends within a copy"),
        pytest.param(varint(8) + literal(b"a") + copy(9, 7), id="copy from before"),
        pytest.param(varint(8) + literal(b"a") + copy(0, 7), id="copy from nowhere"),
    ],
)
def test_damaged_snappy_data_are_refused(read, stored):
    pytest.importorskip("cramjam")
    with pytest.raises(FormatError):
        read(table_of_blocks([(b"a", sealed(stored, SNAPPY))]))


@pytest.mark.parametrize("declared", [200, 1 << 20, 1 << 32, (1 << 64) - 1])
def test_snappy_data_that_declare_too_much_are_refused_before_anything_else(
    read, declared, monkeypatch
):
    # The decompressor allocates what is declared: it must not even be asked for.
    monkeypatch.setitem(sys.modules, "cramjam", None)
    stored = varint(declared) + literal(b"abcd")
    with pytest.raises(FormatError):
        read(table_of_blocks([(b"a", sealed(stored, SNAPPY))]))


def test_snappy_data_may_grow_as_much_as_the_format_can(read):
    pytest.importorskip("cramjam")
    count = 1000
    contents = b"\0\1" + varint(64 * count) + b"a" + b"x" * 64 * count + block([])[-8:]
    stored = varint(len(contents)) + literal(contents[:10])
    left = len(contents) - 10 - 8
    while left:
        stored += copy(1, min(left, 64))
        left -= min(left, 64)
    stored += literal(contents[-8:])
    assert len(contents) > 20 * len(stored)
    assert read(table_of_blocks([(b"a", sealed(stored, SNAPPY))])) == [
        (b"a", b"x" * 64 * count)
    ]


def test_missing_cramjam_is_named_with_its_extra(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "cramjam", None)
    contents = block([(b"a", b"b")])
    stored = varint(len(contents)) + literal(contents)
    with pytest.raises(errors.MissingDependencyError) as caught:
        read(table_of_blocks([(b"a", sealed(stored, SNAPPY))]))
    assert "legacy_restore[snappy]" in caught.value.hint
    assert caught.value.exit_code == errors.EXIT_INPUT


def test_random_snappy_data_are_decompressed_or_refused(read):
    cramjam = pytest.importorskip("cramjam")
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(
        deadline=None,
        max_examples=200,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(some.binary(max_size=200), some.integers(0), some.binary())
    def check(value, position, junk):
        contents = block([(b"a", value)])
        stored = bytearray(cramjam.snappy.compress_raw(contents))
        assert read(table_of_blocks([(b"a", sealed(bytes(stored), SNAPPY))])) == [
            (b"a", value)
        ]
        stored[position % len(stored) :] = junk
        data = table_of_blocks([(b"a", sealed(bytes(stored), SNAPPY))])
        with memory_below(1 << 20), contextlib.suppress(FormatError):
            read(data)

    check()


def test_random_bytes_before_a_footer_are_pairs_or_refused(read):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(
        deadline=None,
        max_examples=300,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(some.binary(max_size=300), some.booleans())
    def check(contents, is_index):
        # Checksums are right, so that what is behind them is reached.
        if is_index:
            data = sealed(contents)
            footer = varint(0) + varint(0) + varint(0) + varint(len(contents))
            data += footer.ljust(40, b"\0") + table([])[-8:]
        else:
            data = table_of_blocks([(b"k", sealed(contents))])
        with contextlib.suppress(FormatError):
            found = read(data)
            assert [key for key, _ in found] == sorted({key for key, _ in found})

    check()


def test_damaged_block_is_given_with_its_fault_and_the_others_whole(open_file):
    data = bytearray(table(PAIRS, pairs_per_block=2))
    sound = list(read_blocks(open_file(bytes(data))))
    assert [one.fault for one in sound] == [None] * len(sound)
    assert [(k, v) for one in sound for k, v in one.pairs] == PAIRS
    damaged = sound[1].handle
    data[damaged.offset + damaged.size + 1] ^= 1  # Of its checksum.
    found = list(read_blocks(open_file(bytes(data))))
    assert found[0] == sound[0]
    assert found[2:] == sound[2:]
    assert isinstance(found[1].fault, FormatError)
    assert found[1].pairs == sound[1].pairs
    with pytest.raises(FormatError, match=f"byte {damaged.offset}: does not match"):
        list(read_table(open_file(bytes(data))))
