"""Tests of looking up single keys of table files."""

import pytest

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.table_lookup import TableLookup
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.builders import (
    block,
    memory_below,
    sealed,
    table,
    table_of_blocks,
    varint,
)


class CountingFile(PositionedFile):
    """Counts the bytes that are read."""

    read_bytes = 0

    def read_into(self, offset, target):
        self.read_bytes += len(target)
        super().read_into(offset, target)


@pytest.fixture
def open_table(tmp_path):
    opened = []

    def open_bytes(data):
        path = tmp_path / "table"
        path.write_bytes(data)
        opened.append(CountingFile(str(path)))
        return opened[-1]

    yield open_bytes
    for file in opened:
        file.close()


def lookup(open_table, data):
    return TableLookup(open_table(data))


def found(one, key):
    value = one.get(key)
    return None if value is None else bytes(value)


@pytest.mark.parametrize("pairs_per_block", [None, 1, 3])
@pytest.mark.parametrize("restart_interval", [1, 16])
def test_every_key_is_found_and_no_other(open_table, restart_interval, pairs_per_block):
    pairs = [(b"", b"first"), (b"\0a", b""), (b"net/a", b"1"), (b"net/b", b"22" * 50)]
    one = lookup(open_table, table(pairs, restart_interval, pairs_per_block))
    for key, value in [*pairs, *reversed(pairs)]:
        assert found(one, key) == value
    for key in (b"\0", b"net", b"net/aa", b"net/c", b"\xff"):
        assert one.get(key) is None


def test_random_tables_are_looked_up(open_table):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(deadline=None, max_examples=100, derandomize=True)
    @hypothesis.given(
        pairs=some.dictionaries(some.binary(max_size=8), some.binary(max_size=40)),
        others=some.lists(some.binary(max_size=8)),
        per_block=some.integers(1, 5),
    )
    def check(pairs, others, per_block):
        data = table(sorted(pairs.items()), pairs_per_block=per_block)
        one = lookup(open_table, data)
        for key in [*pairs, *others]:
            assert found(one, key) == pairs.get(key)

    check()


def test_empty_table_has_no_key(open_table):
    assert lookup(open_table, table([])).get(b"") is None


def test_only_the_block_of_the_key_is_read(open_table):
    pairs = [(b"%03d" % one, bytes(10_000)) for one in range(100)]
    file = open_table(table(pairs, pairs_per_block=1))
    one = TableLookup(file)
    assert file.read_bytes < 5_000
    assert found(one, b"050") == bytes(10_000)
    assert file.read_bytes < 16_000


def test_block_of_small_values_is_read_once(open_table):
    pairs = [(b"%03d" % one, bytes(100)) for one in range(100)]
    file = open_table(table(pairs))
    one = TableLookup(file)
    for key, _ in pairs:
        assert one.get(key) is not None
    assert file.read_bytes < 20_000


def test_block_of_a_large_value_is_not_kept(open_table):
    pairs = [(b"%d" % one, bytes(3 << 20)) for one in range(4)]
    one = lookup(open_table, table(pairs, pairs_per_block=1))
    with memory_below(8 << 20):  # Being read, one block is there twice.
        for key, _ in pairs:
            assert len(one.get(key)) == 3 << 20


def test_damaged_block_is_an_error_and_others_are_read(open_table):
    pairs = [(b"a", b"first"), (b"b", b"second"), (b"c", b"third")]
    data = bytearray(table(pairs, pairs_per_block=1))
    data[data.index(b"second")] ^= 1
    one = lookup(open_table, bytes(data))
    assert found(one, b"a") == b"first"
    with pytest.raises(FormatError, match="checksum"):
        one.get(b"b")
    assert found(one, b"c") == b"third"


def test_block_without_restart_points_is_an_error(open_table):
    data = table_of_blocks([(b"a", sealed(block([(b"a", b"1")], num_restarts=0)))])
    with pytest.raises(FormatError, match="restart"):
        lookup(open_table, data).get(b"a")


def test_blocks_out_of_order_are_an_error(open_table):
    blocks = [(key, sealed(block([(key, b"1")]))) for key in (b"b", b"a")]
    with pytest.raises(FormatError, match="order"):
        lookup(open_table, table_of_blocks(blocks))


def test_keys_out_of_order_in_a_block_are_an_error(open_table):
    data = table_of_blocks([(b"b", sealed(block([(b"b", b"1"), (b"a", b"2")])))])
    with pytest.raises(FormatError, match="order"):
        lookup(open_table, data).get(b"a")


def test_block_beyond_the_file_is_an_error_at_once(open_table):
    index = sealed(block([(b"a", varint(0) + varint(1 << 40))]))
    handle = varint(0) + varint(len(index) - 5)
    data = index + (handle + handle).ljust(40, b"\0") + table([])[-8:]
    with pytest.raises(FormatError, match="the file"):
        lookup(open_table, data)


def test_keys_that_share_much_do_not_fill_the_memory(open_table):
    # Four bytes an entry, and each would make a key of 100,000.
    long_key = b"k" * 100_000
    body = varint(0) + varint(len(long_key)) + varint(0) + long_key
    for count in range(1, 5_000):
        body += varint(99_998) + varint(2) + varint(0) + b"%c%c" % divmod(count, 256)
    contents = body + bytes(4) + (1).to_bytes(4, "little")
    one = lookup(open_table, table_of_blocks([(b"z", sealed(contents))]))
    with memory_below(16 << 20), pytest.raises(FormatError, match="keys|order"):
        one.get(b"z")


def test_file_that_is_no_table_is_an_error(open_table):
    with pytest.raises(FormatError, match="not a table"):
        lookup(open_table, b"text" * 50)
