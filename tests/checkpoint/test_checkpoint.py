"""Tests of the open checkpoint as a mapping."""

import collections.abc
import os
import threading

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, open_checkpoint
from tests.checkpoint.builders import (
    BundleBuilder,
    parts_along,
    shard_path,
    small_checkpoint,
    strings,
)

TABLE = np.arange(42, dtype=np.float32).reshape([6, 7])
WORDS = strings(b"a", b"", b"\xff\0")


@pytest.fixture
def prefix(tmp_path):
    return small_checkpoint(tmp_path / "model.ckpt-1200")


@pytest.fixture
def checkpoint(prefix):
    with open_checkpoint(prefix) as one:
        yield one


def test_it_is_a_mapping_of_sorted_keys(checkpoint):
    assert isinstance(checkpoint, collections.abc.Mapping)
    assert list(checkpoint) == ["a/kernel", "a/words", "b/step"]
    assert len(checkpoint) == 3
    assert "a/kernel" in checkpoint
    assert "a" not in checkpoint
    assert 3 not in checkpoint
    assert {key: array.shape for key, array in checkpoint.items()} == {
        "a/kernel": (2, 3),
        "a/words": (3,),
        "b/step": (),
    }


def test_it_cannot_be_written_to(checkpoint):
    with pytest.raises(TypeError):
        checkpoint["a/kernel"] = np.zeros([2, 3])


def test_entry_says_all_without_reading(checkpoint, prefix):
    os.remove(shard_path(prefix))
    entry = checkpoint.entry("a/kernel")
    assert (entry.key, entry.dtype, entry.shape) == ("a/kernel", "float32", (2, 3))
    assert (entry.nbytes, entry.shard, entry.slices) == (24, 0, ())
    assert entry.num_elements == 6
    expected = checksum.crc32c(np.arange(6, dtype=np.float32).tobytes())
    assert entry.crc32c == checksum.mask(expected)


def test_entries_come_sorted(checkpoint):
    assert [entry.key for entry in checkpoint.entries()] == list(checkpoint)


def test_unknown_key_is_a_key_error_with_what_is_near(checkpoint, prefix):
    for ask in (checkpoint.__getitem__, checkpoint.entry, checkpoint.contents_crc):
        with pytest.raises(errors.KeyNotFoundError) as caught:
            ask("a/kernl")
        assert isinstance(caught.value, KeyError)
        assert "a/kernel" in caught.value.hint
        assert caught.value.path == prefix
        assert "a/kernl" in str(caught.value)


def test_key_unlike_any_other_gets_no_suggestion(checkpoint):
    with pytest.raises(errors.KeyNotFoundError) as caught:
        checkpoint["zzzzzzzz"]
    assert caught.value.hint is None


def test_get_gives_the_default_for_an_unknown_key(checkpoint):
    assert checkpoint.get("a/kernl") is None
    assert checkpoint.get("b/step") == 1200


def test_closed_checkpoint_lists_but_does_not_read(prefix):
    checkpoint = open_checkpoint(prefix)
    checkpoint["b/step"]
    checkpoint.close()
    checkpoint.close()
    assert list(checkpoint) == ["a/kernel", "a/words", "b/step"]
    for key in checkpoint:
        with pytest.raises(errors.ClosedError):
            checkpoint[key]
        with pytest.raises(errors.ClosedError):
            checkpoint.verify_tensor(key)


def test_with_closes_it(prefix):
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint["b/step"] == 1200
    with pytest.raises(errors.ClosedError):
        checkpoint["b/step"]


def test_closing_gives_the_files_back(prefix):
    before = os.listdir("/proc/self/fd")
    with open_checkpoint(prefix) as checkpoint:
        checkpoint["b/step"]
        assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_opening_opens_no_data_file(prefix):
    os.remove(shard_path(prefix))
    with open_checkpoint(prefix) as checkpoint:
        assert list(checkpoint) == ["a/kernel", "a/words", "b/step"]
        assert [one.id for one in checkpoint.findings] == ["shard-missing"]


def test_index_may_vanish_after_opening(prefix):
    with open_checkpoint(prefix) as checkpoint:
        os.remove(prefix + ".index")
        assert checkpoint["b/step"] == 1200


def test_data_file_truncated_after_opening_is_an_error_of_what_is_lost(prefix):
    with open_checkpoint(prefix) as checkpoint:
        checkpoint["b/step"]
        os.truncate(shard_path(prefix), 24)
        assert checkpoint["a/kernel"].shape == (2, 3)
        for key in ("a/words", "b/step"):
            with pytest.raises(errors.CorruptCheckpointError) as caught:
                checkpoint[key]
            (finding,) = caught.value.findings
            assert (finding.id, finding.subject) == ("tensor-corrupt", key)
            assert caught.value.exit_code == errors.EXIT_INPUT


def test_corrupt_tensor_raises_whenever_it_is_read_or_verified(prefix):
    with open(shard_path(prefix), "r+b") as file:
        file.write(b"\xff")
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.findings == []
        for ask in (checkpoint.__getitem__, checkpoint.verify_tensor):
            with pytest.raises(errors.CorruptCheckpointError) as caught:
                ask("a/kernel")
            assert [one.id for one in caught.value.findings] == ["tensor-corrupt"]
        checkpoint.verify_tensor("b/step")


def test_every_read_gives_an_array_of_its_own(checkpoint):
    checkpoint["a/kernel"][:] = -1
    assert checkpoint["a/kernel"][0, 1] == 1


def test_eight_threads_read_the_right_values(tmp_path):
    builder = BundleBuilder(num_shards=3)
    arrays = {f"t{n:02d}": np.full([5000 + n], n, np.float32) for n in range(24)}
    for number, (key, array) in enumerate(arrays.items()):
        builder.add(key, array, shard=number % 3)
    right = []
    barrier = threading.Barrier(8)

    def read_all(start):
        barrier.wait()
        for number in range(48):
            key = f"t{(start + number) % 24:02d}"
            right.append(checkpoint[key].tobytes() == arrays[key].tobytes())

    with open_checkpoint(builder.write(tmp_path / "model.ckpt")) as checkpoint:
        threads = [threading.Thread(target=read_all, args=(n * 3,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert right == [True] * (8 * 48)


# Digest and checksums of contents.


def digest_of(builder, prefix):
    with open_checkpoint(builder.write(prefix)) as checkpoint:
        assert checkpoint.digest == checkpoint.digest
        return checkpoint.digest


def one_shard():
    return BundleBuilder().add("t", TABLE).add("words", WORDS)


@pytest.mark.parametrize(
    "same",
    [
        BundleBuilder(2).add("t", TABLE, shard=1).add("words", WORDS, shard=0),
        BundleBuilder().add("words", WORDS).add("t", TABLE),
        BundleBuilder()
        .add_sliced("t", TABLE, parts_along(0, TABLE.shape, [2, 4]))
        .add("words", WORDS),
        BundleBuilder(2)
        .add_sliced("t", TABLE, parts_along(1, TABLE.shape, [1, 6]), shards=[1, 0])
        .add_sliced("words", WORDS, parts_along(0, WORDS.shape, [2, 1])),
        BundleBuilder(is_big_endian=True).add("t", TABLE).add("words", WORDS),
    ],
    ids=["two shards", "other order", "rows", "columns in two shards", "big-endian"],
)
def test_digest_is_the_same_however_the_tensors_are_stored(tmp_path, same):
    expected = digest_of(one_shard(), tmp_path / "a")
    assert len(expected) == 64
    assert digest_of(same, tmp_path / "b") == expected


@pytest.mark.parametrize(
    "other",
    [
        BundleBuilder().add("t", TABLE),
        BundleBuilder().add("T", TABLE).add("words", WORDS),
        BundleBuilder().add("t", TABLE + 1).add("words", WORDS),
        BundleBuilder().add("t", TABLE.T.reshape([6, 7])).add("words", WORDS),
        BundleBuilder().add("t", TABLE.reshape([7, 6])).add("words", WORDS),
        BundleBuilder().add("t", TABLE.view(np.int32)).add("words", WORDS),
        BundleBuilder().add("t", TABLE).add("words", strings(b"", b"a", b"\xff\0")),
    ],
    ids=["fewer", "key", "values", "order", "shape", "dtype", "strings"],
)
def test_digest_differs_with_what_is_stored(tmp_path, other):
    expected = digest_of(one_shard(), tmp_path / "a")
    assert digest_of(other, tmp_path / "b") != expected


def test_digest_of_unpartitioned_tensors_reads_no_data(tmp_path):
    prefix = one_shard().write(tmp_path / "a")
    with open_checkpoint(prefix) as checkpoint:
        expected = checkpoint.digest
    os.remove(shard_path(prefix))
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.digest == expected


def test_contents_have_the_crc_of_native_bytes(tmp_path):
    builder = BundleBuilder(is_big_endian=True).add("t", TABLE).add("words", WORDS)
    with open_checkpoint(builder.write(tmp_path / "a")) as checkpoint:
        for key, array in (("t", TABLE), ("words", WORDS)):
            assert checkpoint.contents_crc(key) == checksum.tensor_crc(array)
            assert checkpoint.entry(key).crc32c != checksum.mask(
                checksum.tensor_crc(array)
            )


def test_crc_of_a_partitioned_tensor_is_that_of_the_whole(tmp_path):
    parts = parts_along(1, TABLE.shape, [3, 4])
    builder = BundleBuilder().add_sliced("t", TABLE, parts)
    with open_checkpoint(builder.write(tmp_path / "a")) as checkpoint:
        assert checkpoint.contents_crc("t") == checksum.tensor_crc(TABLE)


def test_damaged_slice_is_not_taken_into_the_digest(tmp_path):
    parts = parts_along(0, TABLE.shape, [3, 3])
    prefix = BundleBuilder().add_sliced("t", TABLE, parts).write(tmp_path / "a")
    with open(shard_path(prefix), "r+b") as file:
        file.write(b"\xff")
    with open_checkpoint(prefix) as one, pytest.raises(errors.CorruptCheckpointError):
        _ = one.digest


def test_representation_says_where_and_how_many(checkpoint, prefix):
    assert prefix in repr(checkpoint)
    assert "3 tensors" in repr(checkpoint)


def half(tmp_path, name, cut=2, seed=0, **options):
    """Opens a checkpoint that has the first of two halves of a tensor."""
    table = np.arange(24, dtype=np.float32).reshape([4, 6]) + seed
    builder = BundleBuilder(**options)
    builder.add_sliced("t", table, parts_along(0, table.shape, [cut]))
    return open_checkpoint(builder.add("w", table).write(tmp_path / name))


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
def test_an_incomplete_tensor_is_listed_and_verified_but_not_read(
    tmp_path, is_big_endian
):
    with half(tmp_path, "a", is_big_endian=is_big_endian) as checkpoint:
        entry = checkpoint.entry("t")
        assert (entry.num_elements, entry.num_stored, entry.nbytes) == (24, 12, 48)
        assert not entry.is_complete
        assert checkpoint.entry("w").is_complete
        checkpoint.verify_tensor("t")
        for read in (checkpoint.__getitem__, checkpoint.contents_crc):
            with pytest.raises(errors.UnsupportedCheckpointError):
                read("t")
        [remark] = checkpoint.findings
        assert remark.id == "incomplete-tensor"
        [(part, crc)] = checkpoint.slice_crcs("t").items()
        assert part.shape == (2, 6)
        assert crc == checksum.tensor_crc(checkpoint["w"][:2])


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
def test_each_slice_of_a_tensor_has_the_checksum_of_its_values(tmp_path, is_big_endian):
    table = np.arange(24, dtype=np.float32).reshape([4, 6])
    builder = BundleBuilder(is_big_endian=is_big_endian)
    builder.add_sliced("t", table, parts_along(0, table.shape, [1, 3]))
    with open_checkpoint(builder.write(tmp_path / "m")) as checkpoint:
        crcs = checkpoint.slice_crcs("t")
        assert tuple(crcs) == checkpoint.entry("t").slices
        for part, crc in crcs.items():
            assert crc == checksum.tensor_crc(table[part.as_index()])


def test_digest_of_an_incomplete_tensor_is_of_what_is_stored(tmp_path):
    digests = []
    for change in ({}, {"is_big_endian": True}, {"cut": 1}, {"seed": 1}):
        with half(tmp_path, "-".join(["m", *change]), **change) as checkpoint:
            digests.append(checkpoint.digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
