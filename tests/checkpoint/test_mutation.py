"""Mutation: one byte or one field of a good checkpoint changed.

Whatever the change, the outcome is an error of ours or the very values that were
written: never another exception, never other values, never a huge allocation.
"""

import os
import shutil

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from tests.checkpoint import golden
from tests.checkpoint.builders import (
    BundleBuilder,
    block,
    entry,
    header,
    memory_below,
    pairs_of,
    parts_along,
    rewrite_index,
    sealed,
    strings,
    table_of_blocks,
)

FLIPS = (0x01, 0x80, 0xFF)
TABLE = np.arange(12, dtype=np.float32).reshape([4, 3])


def built(prefix):
    builder = BundleBuilder(num_shards=2)
    builder.add("a/kernel", TABLE.astype(np.float16))
    builder.add("a/step", np.int64(7), shard=1)
    builder.add("b/words", strings(b"one", b"", b"\xff\0"), shard=1)
    builder.add_sliced("c/table", TABLE, parts_along(0, TABLE.shape, [1, 3]))
    return builder.write(prefix)


def copied(folder):
    def copy(prefix):
        target = os.path.dirname(str(prefix))
        for source in (golden.FOLDER / folder).glob("model.ckpt.*"):
            shutil.copy(str(source), target)
        return os.path.join(target, "model.ckpt")

    return copy


@pytest.fixture(
    params=[built, copied("tf1_15_shapes"), copied("tf1_15_sharded")],
    ids=["built", "tf1_15_shapes", "tf1_15_sharded"],
)
def prefix(request, tmp_path):
    return request.param(tmp_path / "model.ckpt")


def values_of(prefix):
    """All that can be read, each value as an array or as the error it raises."""
    with open_checkpoint(prefix) as checkpoint:
        _ = checkpoint.findings
        return {key: outcome_of(checkpoint, key) for key in checkpoint}


def outcome_of(checkpoint, key):
    try:
        array = checkpoint[key]
    except errors.LegacyRestoreError as error:
        return error
    return (array.dtype, array.shape, golden.contents_of(array))


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def flips_of(data):
    for position in range(len(data)):
        for flip in FLIPS:
            changed = bytearray(data)
            changed[position] ^= flip
            yield position, bytes(changed)


def test_no_flipped_byte_of_the_index_yields_other_values(prefix):
    expected = values_of(prefix)
    data = read(prefix + ".index")
    refused = 0
    for position, changed in flips_of(data):
        write(prefix + ".index", changed)
        try:
            assert values_of(prefix) == expected, position
        except errors.CheckpointError as error:
            assert error.path == prefix + ".index"
            refused += 1
    # What is not read is the meta index block and the padding of the footer.
    assert refused > len(FLIPS) * (len(data) - 60)


def test_no_truncated_index_is_read(prefix):
    data = read(prefix + ".index")
    for length in range(len(data)):
        write(prefix + ".index", data[:length])
        with pytest.raises(errors.CorruptCheckpointError):
            open_checkpoint(prefix)


def test_index_with_bytes_behind_it_is_refused(prefix):
    data = read(prefix + ".index")
    write(prefix + ".index", data + b"\0")
    with pytest.raises(errors.CorruptCheckpointError):
        open_checkpoint(prefix)


def test_flipped_byte_of_data_is_found_in_its_tensor_and_only_there(prefix):
    expected = values_of(prefix)
    with open_checkpoint(prefix) as checkpoint:
        data_paths = checkpoint.paths()[1:]
    unread = 0
    for path in data_paths:
        data = read(path)
        for position, changed in flips_of(data):
            write(path, changed)
            found = values_of(prefix)
            wrong = [key for key in expected if found[key] != expected[key]]
            unread += not wrong
            assert len(wrong) <= 1, position
            for key in wrong:
                assert_at_fault(found[key], key)
        write(path, data)
    assert unread == 0


def test_truncated_data_file_loses_what_it_held_and_no_more(prefix):
    expected = values_of(prefix)
    with open_checkpoint(prefix) as checkpoint:
        data_paths = checkpoint.paths()[1:]
    for path in data_paths:
        data = read(path)
        for length in range(len(data)):
            write(path, data[:length])
            with open_checkpoint(prefix) as checkpoint:
                ids = [finding.id for finding in checkpoint.findings]
            assert ids == ["shard-truncated"]
            found = values_of(prefix)
            wrong = [key for key in expected if found[key] != expected[key]]
            assert wrong
            for key in wrong:
                assert_at_fault(found[key], key, "tensor-missing")
        write(path, data)


def test_missing_data_file_is_found_while_the_keys_are_listed(prefix):
    expected = values_of(prefix)
    with open_checkpoint(prefix) as checkpoint:
        data_paths = checkpoint.paths()[1:]
    for path in data_paths:
        data = read(path)
        os.remove(path)
        with open_checkpoint(prefix) as checkpoint:
            assert list(checkpoint) == list(expected)
            (finding,) = checkpoint.findings
        assert (finding.id, finding.subject) == ("shard-missing", path)
        for key, found in values_of(prefix).items():
            if found != expected[key]:
                assert_at_fault(found, key, "tensor-missing")
        write(path, data)


def assert_at_fault(error, key, kind="tensor-corrupt"):
    assert isinstance(error, errors.CorruptCheckpointError)
    (finding,) = error.findings
    assert (finding.id, finding.subject) == (kind, key)


def test_flipped_byte_behind_a_repaired_checksum_is_no_crash(prefix):
    # Names may change then, and nothing can tell; but every outcome is typed.
    data = block(sorted(pairs_of(prefix + ".index").items()))
    outcomes = set()
    with memory_below(32 << 20):
        for _, changed in flips_of(data):
            write(prefix + ".index", table_of_blocks([(b"\xff" * 9, sealed(changed))]))
            try:
                found = values_of(prefix)
            except errors.LegacyRestoreError as error:
                outcomes.add(type(error))
            else:
                outcomes |= {type(one) for one in found.values()}
    assert errors.CorruptCheckpointError in outcomes
    assert all(
        one is tuple or issubclass(one, errors.LegacyRestoreError) for one in outcomes
    )


def test_value_cut_short_behind_a_repaired_checksum_is_no_crash(prefix):
    pairs = pairs_of(prefix + ".index")
    for key, value in pairs.items():
        for length in range(len(value)):
            short = {**pairs, key: value[:length]}
            contents = block(sorted(short.items()))
            write(prefix + ".index", table_of_blocks([(b"\xff" * 9, sealed(contents))]))
            try:
                values_of(prefix)
            except errors.CheckpointError as error:
                assert error.path == prefix + ".index"


# Fields of an entry, behind repaired checksums. The tensor is float32[4,3], the first
# 48 bytes of 56 in the only data file.


@pytest.fixture
def one_tensor(tmp_path):
    builder = BundleBuilder().add("t", TABLE).add("u", np.int64(5))
    return builder.write(tmp_path / "model.ckpt")


def with_entry(prefix, **fields):
    with open_checkpoint(prefix) as checkpoint:
        crc = checkpoint.entry("t").crc32c
    sound = {"dtype": 1, "shape": (4, 3), "offset": 0, "size": 48, "crc": crc}
    changed = entry(**dict(sound, **fields))
    rewrite_index(prefix, lambda pairs: pairs.update({b"t": changed}))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"size": 44}, id="size too small"),
        pytest.param({"size": 52}, id="size too large"),
        pytest.param({"size": 0}, id="size 0"),
        pytest.param({"size": -1}, id="negative size"),
        pytest.param({"offset": -1}, id="negative offset"),
        pytest.param({"offset": -(1 << 63)}, id="most negative offset"),
        pytest.param({"shard": 1}, id="shard beyond"),
        pytest.param({"shard": 1 << 31}, id="huge shard"),
        pytest.param({"shard": -1}, id="negative shard"),
        pytest.param({"shape": (-4, -3)}, id="negative dimensions"),
        pytest.param({"shape": (4, 3, -1), "size": -48}, id="negative product"),
        pytest.param({"shape": (1 << 62, 1 << 62)}, id="huge dimensions"),
        pytest.param({"shape": (1 << 61, 12)}, id="product that wraps to 0"),
        pytest.param({"shape": ()}, id="rank 0"),
        pytest.param({"shape": (1,) * 300}, id="rank 300"),
        pytest.param({"dtype": 2}, id="wider dtype"),
        pytest.param({"dtype": 6}, id="narrower dtype"),
    ],
)
def test_entry_that_contradicts_itself_is_refused_when_opened(one_tensor, fields):
    with_entry(one_tensor, **fields)
    with memory_below(1 << 20), pytest.raises(errors.CorruptCheckpointError) as caught:
        open_checkpoint(one_tensor)
    assert caught.value.path == one_tensor + ".index"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"offset": 9}, id="reaches beyond"),
        pytest.param({"offset": (1 << 63) - 1}, id="far beyond"),
        pytest.param({"shape": (1 << 40,), "size": 4 << 40}, id="huge and consistent"),
    ],
)
def test_entry_beyond_its_data_file_is_refused_when_read(one_tensor, fields):
    with_entry(one_tensor, **fields)
    assert_refused_when_read(one_tensor, "tensor-missing")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"offset": 4}, id="shifted"),
        pytest.param({"shape": (2, 3), "size": 24}, id="smaller and consistent"),
        pytest.param({"crc": 0}, id="checksum 0"),
        pytest.param({"dtype": 7}, id="numbers as strings"),
        pytest.param({"dtype": 7, "shape": (1 << 40,)}, id="many strings"),
    ],
)
def test_entry_at_odds_with_its_data_is_refused_when_read(one_tensor, fields):
    with_entry(one_tensor, **fields)
    assert_refused_when_read(one_tensor, "tensor-corrupt")


def assert_refused_when_read(prefix, kind):
    with open_checkpoint(prefix) as checkpoint:
        with memory_below(1 << 20), pytest.raises(
            errors.CorruptCheckpointError
        ) as caught:
            checkpoint["t"]
        assert_at_fault(caught.value, "t", kind)
        assert checkpoint["u"] == 5


@pytest.mark.parametrize("dtype", [0, 20, 21, 34, 101, 1 << 31])
def test_dtype_number_that_is_not_read_is_refused_by_name(one_tensor, dtype):
    with_entry(one_tensor, dtype=dtype)
    with open_checkpoint(one_tensor) as checkpoint:
        name = checkpoint.entry("t").dtype
        with pytest.raises(errors.UnsupportedCheckpointError) as caught:
            checkpoint["t"]
        assert name in caught.value.message
        assert checkpoint["u"] == 5


def test_tensor_with_another_dtype_of_its_width_reads_as_that(one_tensor):
    # Nothing in the format can tell; the checksum is over bytes.
    with_entry(one_tensor, dtype=3)
    with open_checkpoint(one_tensor) as checkpoint:
        assert checkpoint["t"].tobytes() == TABLE.view(np.int32).tobytes()


def test_random_index_is_refused_and_no_crash(tmp_path):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies
    path = str(tmp_path / "model.ckpt.index")

    @hypothesis.settings(deadline=None, max_examples=200, derandomize=True)
    @hypothesis.given(some.dictionaries(some.binary(max_size=9), some.binary()))
    def check(pairs):
        contents = block(sorted({b"": header(), **pairs}.items()))
        write(path, table_of_blocks([(b"\xff" * 10, sealed(contents))]))
        try:
            values_of(path[: -len(".index")])
        except errors.CheckpointError as error:
            assert error.path == path

    check()
