"""Mutation of V1 files: one byte, one length or one field is another one.

A flipped byte is an error of ours or gives exactly the same values. Where a field is
altered and the checksum of its block is right again, it is an error wherever the file
contradicts itself, else the values are those that it declares.
"""

import contextlib

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_prefix
from tests.checkpoint import golden
from tests.checkpoint.builders import (
    block,
    memory_below,
    pairs_of,
    sealed,
    table,
    table_of_blocks,
)
from tests.checkpoint.test_v1 import BOTTOM_LEFT, BOTTOM_RIGHT, TOP, WHOLE
from tests.checkpoint.v1_builders import V1Builder, small_v1


def contents_of(path):
    """Everything that a file gives: dtypes, shapes, values or errors of ours."""
    found = {}
    with open_prefix(str(path)) as checkpoint:
        for entry in checkpoint.entries():
            try:
                value = checkpoint[entry.key]
                contents = golden.contents_of(value)
                checkpoint.verify_tensor(entry.key)
            except errors.LegacyRestoreError as error:
                assert error.message
                contents = type(error)
            found[entry.key] = (entry.dtype, entry.shape, contents)
    return found


def outcome_of(path):
    try:
        return contents_of(path)
    except errors.LegacyRestoreError as error:
        assert error.message and error.findings
        return None


def is_same_or_refused(found, good):
    """No tensor has other values, no tensor is gone, and none is there in addition."""
    if found is None:
        return True
    if set(found) != set(good):
        return False
    return all(
        one == good[key]
        or (one[:2] == good[key][:2] and isinstance(one[2], type(Exception)))
        for key, one in found.items()
    )


SMALL = {
    "built": lambda path: small_v1(path, pairs_per_block=2),
    "slices": lambda path: (
        V1Builder().add_slices("w", WHOLE, [TOP, BOTTOM_LEFT, BOTTOM_RIGHT]).write(path)
    ),
}


@pytest.fixture(params=sorted(SMALL))
def small(request, tmp_path):
    path = tmp_path / "model.ckpt"
    SMALL[request.param](path)
    return path


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_an_error_or_changes_nothing(small, flip):
    data = small.read_bytes()
    good = contents_of(small)
    refused = 0
    for position in range(len(data)):
        small.write_bytes(
            data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :]
        )
        found = outcome_of(small)
        assert is_same_or_refused(found, good), position
        refused += found != good
    # What is not read: the padding of the footer and the meta index block.
    assert refused > len(data) - 70


def test_every_flipped_byte_of_a_file_of_tensorflow_0_12(tmp_path):
    path = tmp_path / "model.ckpt"
    shard = golden.FOLDER / "tf0_12_v1_sharded" / "model.ckpt-100-00001-of-00003"
    data = shard.read_bytes()
    path.write_bytes(data)
    good = contents_of(path)
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytes([data[position] ^ (1 << bit)])
            path.write_bytes(data[:position] + flipped + data[position + 1 :])
            assert is_same_or_refused(outcome_of(path), good), (position, bit)


def test_every_truncation_is_an_error(small):
    data = small.read_bytes()
    for length in range(len(data)):
        small.write_bytes(data[:length])
        assert outcome_of(small) is None, length


@pytest.mark.parametrize("value", [0x00, 0x01, 0x7F, 0x80, 0xFF])
def test_every_byte_of_a_block_replaced_under_a_right_checksum(tmp_path, value):
    path = tmp_path / "model.ckpt"
    small_v1(path)
    good = contents_of(path)
    pairs = sorted(pairs_of(path).items())
    contents = block(pairs)
    outcomes = []
    with memory_below(16 << 20):
        for position in range(len(contents)):
            changed = contents[:position] + bytes([value]) + contents[position + 1 :]
            path.write_bytes(table_of_blocks([(pairs[-1][0], sealed(changed))]))
            outcomes.append(outcome_of(path))
    # Names, dtypes and values may be others now, as declared; none without a shape.
    listed = [one for found in outcomes if found for one in found.values()]
    assert all(dtype and isinstance(shape, tuple) for dtype, shape, _ in listed)
    assert any(found is None for found in outcomes)
    assert sum(found == good for found in outcomes) < len(contents) / 4


def test_random_files_are_refused(tmp_path):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies
    path = tmp_path / "model.ckpt"

    @hypothesis.settings(deadline=None, max_examples=200, derandomize=True)
    @hypothesis.given(
        pairs=some.dictionaries(some.binary(max_size=6), some.binary(max_size=40)),
        head=some.binary(max_size=60),
    )
    def check(pairs, head):
        path.write_bytes(table(sorted({**pairs, b"": head}.items())))
        with contextlib.suppress(errors.LegacyRestoreError):
            contents_of(path)

    check()
