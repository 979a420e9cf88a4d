"""Tests of V2 checkpoints: the index as a whole, data files, slices."""

import os

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.slices import Extent, slice_key
from tests.checkpoint.builders import (
    SNAPPY,
    BundleBuilder,
    entry,
    header,
    memory_below,
    parts_along,
    rewrite_index,
    shard_path,
    small_checkpoint,
    strings,
    table,
)

TABLE = np.arange(42, dtype=np.float32).reshape([6, 7])
ROWS = parts_along(0, TABLE.shape, [3, 2, 1])
COLUMNS = parts_along(1, TABLE.shape, [4, 3])
EXPLICIT_ROWS = [(rows, Extent(0, 7)) for rows, _ in ROWS]
TILES = [
    (Extent(row, 3), Extent(column, size))
    for row in (0, 3)
    for column, size in ((0, 4), (4, 3))
]


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model.ckpt")


@pytest.fixture
def open_bundle():
    opened = []

    def open_one(prefix):
        opened.append(Bundle(prefix))
        return opened[-1]

    yield open_one
    for bundle in opened:
        bundle.close()


def assert_refused(prefix, kind=errors.CorruptCheckpointError):
    with pytest.raises(kind) as caught:
        Bundle(prefix)
    assert caught.value.path == prefix + ".index"
    assert caught.value.exit_code == errors.EXIT_INPUT


def ids_of(error):
    return [finding.id for finding in error.findings]


# The index as a whole.


def test_layout_of_the_index_does_not_matter(prefix, open_bundle):
    small_checkpoint(prefix)
    for interval, pairs_per_block in [(1, None), (16, 1), (3, 2)]:
        rewrite_index(
            prefix,
            lambda pairs: None,
            restart_interval=interval,
            pairs_per_block=pairs_per_block,
        )
        bundle = open_bundle(prefix)
        assert list(bundle.entries) == ["a/kernel", "a/words", "b/step"]
        assert bundle.read("b/step") == 1200


def test_compressed_index_is_read(prefix, open_bundle):
    cramjam = pytest.importorskip("cramjam")
    small_checkpoint(prefix)
    rewrite_index(
        prefix,
        lambda pairs: None,
        compress=lambda data: bytes(cramjam.snappy.compress_raw(data)),
        compression=SNAPPY,
    )
    assert open_bundle(prefix).read("b/step") == 1200


def test_unknown_compression_is_refused_by_its_number(prefix):
    small_checkpoint(prefix)
    rewrite_index(prefix, lambda pairs: None, compression=7)
    with pytest.raises(errors.UnsupportedCheckpointError, match="7") as caught:
        Bundle(prefix)
    assert caught.value.path == prefix + ".index"


def test_checkpoint_without_tensors_is_read(prefix, open_bundle):
    BundleBuilder().write(prefix)
    bundle = open_bundle(prefix)
    assert dict(bundle.entries) == {}
    assert bundle.file_findings() == []


def test_empty_index_has_no_header(prefix):
    with open(prefix + ".index", "wb") as file:
        file.write(table([]))
    assert_refused(prefix)


@pytest.mark.parametrize("first", [{}, {b"\0": header()}], ids=["tensor", "header"])
def test_index_that_begins_with_another_key_has_no_header(prefix, first):
    small_checkpoint(prefix)

    def change(pairs):
        del pairs[b""]
        pairs.update(first)

    rewrite_index(prefix, change)
    assert_refused(prefix)


@pytest.mark.parametrize("data", [b"", b"not a table", bytes(1000)])
def test_index_that_is_no_table_is_corrupt(prefix, data):
    with open(prefix + ".index", "wb") as file:
        file.write(data)
    assert_refused(prefix)


def test_index_that_is_not_there_is_no_location(prefix):
    assert_refused(prefix, errors.LocationError)


def test_index_that_is_a_named_pipe_is_refused_without_waiting(prefix):
    os.mkfifo(prefix + ".index")
    assert_refused(prefix)


def test_index_that_is_a_directory_is_refused(prefix):
    os.mkdir(prefix + ".index")
    assert_refused(prefix)


@pytest.mark.parametrize(
    "fields",
    [{"min_consumer": 2}, {"bad_consumers": [1]}],
    ids=["min_consumer", "bad_consumers"],
)
def test_version_gates_are_obeyed(prefix, fields):
    BundleBuilder(**fields).write(prefix)
    assert_refused(prefix, errors.UnsupportedCheckpointError)


@pytest.mark.parametrize(
    "value",
    [header(endianness=2), header(num_shards=-1), header(num_shards=0), b"\xff"],
    ids=["byte order", "negative shards", "no shards", "no message"],
)
def test_header_that_contradicts_the_format_is_refused(prefix, value):
    small_checkpoint(prefix)
    rewrite_index(prefix, lambda pairs: pairs.update({b"": value}))
    assert_refused(prefix)


def test_faulty_entry_is_refused_by_its_key(prefix):
    small_checkpoint(prefix)
    bad = entry(1, (-1,), size=4)
    rewrite_index(prefix, lambda pairs: pairs.update({b"a/kernel": bad}))
    with pytest.raises(errors.CorruptCheckpointError, match="a/kernel"):
        Bundle(prefix)


def test_key_that_is_no_text_is_kept(prefix, open_bundle):
    BundleBuilder().add(b"a\xff\0b", np.int8(3)).write(prefix)
    bundle = open_bundle(prefix)
    (key,) = bundle.entries
    assert key.encode("utf-8", "surrogateescape") == b"a\xff\0b"
    assert bundle.read(key) == 3


# Data files.


def three_shards(prefix):
    builder = BundleBuilder(num_shards=3)
    for shard in range(3):
        builder.add(f"t{shard}", np.full([4], shard, np.int32), shard=shard)
    return builder.write(prefix)


def test_tensors_are_read_from_any_shard(prefix, open_bundle):
    bundle = open_bundle(three_shards(prefix))
    assert [list(bundle.read(f"t{n}")) for n in range(3)] == [[0] * 4, [1] * 4, [2] * 4]
    assert bundle.paths() == [
        prefix + ".index",
        *(shard_path(prefix, shard, 3) for shard in range(3)),
    ]


def test_missing_shard_is_a_finding_and_the_others_read(prefix, open_bundle):
    three_shards(prefix)
    os.remove(shard_path(prefix, 1, 3))
    bundle = open_bundle(prefix)
    assert list(bundle.entries) == ["t0", "t1", "t2"]
    (finding,) = bundle.file_findings()
    assert finding.id == "shard-missing"
    assert finding.subject == shard_path(prefix, 1, 3)
    assert finding.is_input_fault
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        bundle.read("t1")
    assert ids_of(caught.value) == ["tensor-missing"]
    assert bundle.read("t2")[0] == 2


def test_short_shard_is_a_finding_and_what_is_left_reads(prefix, open_bundle):
    small_checkpoint(prefix)
    os.truncate(shard_path(prefix), 30)
    bundle = open_bundle(prefix)
    (finding,) = bundle.file_findings()
    assert finding.id == "shard-truncated"
    assert (finding.subject, finding.found) == (shard_path(prefix), "30 bytes")
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        bundle.read("b/step")
    assert ids_of(caught.value) == ["tensor-missing"]
    assert caught.value.findings[0].subject == "b/step"
    assert bundle.read("a/kernel").shape == (2, 3)


def test_several_faults_of_the_files_are_all_found(prefix, open_bundle):
    three_shards(prefix)
    os.truncate(shard_path(prefix, 0, 3), 3)
    os.remove(shard_path(prefix, 2, 3))
    found = [finding.id for finding in open_bundle(prefix).file_findings()]
    assert found == ["shard-truncated", "shard-missing"]


def test_longer_shard_than_needed_is_no_fault(prefix, open_bundle):
    small_checkpoint(prefix)
    with open(shard_path(prefix), "ab") as file:
        file.write(b"more")
    assert open_bundle(prefix).file_findings() == []


def test_shard_that_no_tensor_is_in_may_be_missing(prefix, open_bundle):
    BundleBuilder(num_shards=2).add("t", np.int32(1)).write(prefix)
    os.remove(shard_path(prefix, 1, 2))
    assert open_bundle(prefix).file_findings() == []


def test_shard_that_is_a_named_pipe_is_refused_without_waiting(prefix, open_bundle):
    small_checkpoint(prefix)
    os.remove(shard_path(prefix))
    os.mkfifo(shard_path(prefix))
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        open_bundle(prefix).read("b/step")
    assert ids_of(caught.value) == ["tensor-corrupt"]


def test_tensor_in_a_shard_beyond_the_number_is_refused(prefix):
    small_checkpoint(prefix)
    beyond = entry(3, (1,), shard=1, size=4)
    rewrite_index(prefix, lambda pairs: pairs.update({b"b/step": beyond}))
    assert_refused(prefix)


def test_slice_in_a_shard_beyond_the_number_is_refused(prefix):
    BundleBuilder().add_sliced("t", TABLE, ROWS).write(prefix)
    key = slice_key(b"t", ROWS[1])
    beyond = entry(1, (2, 7), shard=5, size=56)
    rewrite_index(prefix, lambda pairs: pairs.update({key: beyond}))
    assert_refused(prefix)


# Slices.


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("parts", [ROWS, EXPLICIT_ROWS, COLUMNS, TILES, TILES[::-1]])
def test_slices_make_up_the_whole(prefix, open_bundle, parts, is_big_endian):
    builder = BundleBuilder(num_shards=2, is_big_endian=is_big_endian)
    shards = [number % 2 for number in range(len(parts))]
    builder.add_sliced("t", TABLE, parts, shards=shards).write(prefix)
    bundle = open_bundle(prefix)
    assert list(bundle.entries) == ["t"]
    assert bundle.read("t").tobytes() == TABLE.tobytes()


def test_slices_of_strings_make_up_the_whole(prefix, open_bundle):
    words = strings(b"a", b"", b"ccc", b"\0").reshape([4, 1])
    parts = parts_along(0, words.shape, [1, 3])
    BundleBuilder().add_sliced("t", words, parts).write(prefix)
    assert list(open_bundle(prefix).read("t").reshape(-1)) == list(words.reshape(-1))


def test_single_slice_of_the_whole_is_read(prefix, open_bundle):
    BundleBuilder().add_sliced("t", TABLE, [(Extent(), Extent())]).write(prefix)
    assert open_bundle(prefix).read("t").tobytes() == TABLE.tobytes()


def test_slices_take_no_more_memory_than_the_whole_and_one(prefix, open_bundle):
    array = np.ones([4096, 1024], np.float32)
    parts = parts_along(0, array.shape, [512] * 8)
    BundleBuilder().add_sliced("t", array, parts).write(prefix)
    bundle = open_bundle(prefix)
    with memory_below(array.nbytes * 9 // 8 + (1 << 20)):
        bundle.read("t")


def damaged(prefix, parts, shape=TABLE.shape):
    """Writes a tensor whose entry names other slices than make up its shape."""
    builder = BundleBuilder().add_sliced("t", TABLE, parts)
    builder.index[b"t"] = entry(1, shape, slices=parts)
    return builder.write(prefix)


@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
def test_slices_that_do_not_make_up_the_whole_are_read_one_by_one(
    prefix, open_bundle, is_big_endian
):
    builder = BundleBuilder(is_big_endian=is_big_endian)
    builder.add_sliced("t", TABLE, [ROWS[0], ROWS[2]]).add("u", np.float32(1))
    bundle = open_bundle(builder.write(prefix))
    assert not bundle.tensor_entries()["t"].is_complete
    assert bundle.tensor_entries()["u"].is_complete
    read = {part.start[0]: values for part, values in bundle.read_slices("t")}
    assert read[0].tolist() == TABLE[:3].tolist()
    assert read[5].tolist() == TABLE[5:].tolist()
    bundle.verify("t")


def test_a_tensor_of_which_slices_are_missing_is_not_read_whole(prefix, open_bundle):
    bundle = open_bundle(damaged(prefix, [ROWS[0], ROWS[2]]))
    with pytest.raises(errors.UnsupportedCheckpointError) as caught:
        bundle.read("t")
    assert ids_of(caught.value) == ["unsupported"]
    assert caught.value.findings[0].subject == "t"
    assert caught.value.path == prefix
    assert "28 of 42 elements" in caught.value.message


def test_a_remark_names_tensors_of_which_slices_are_missing(prefix, open_bundle):
    [remark] = open_bundle(damaged(prefix, [ROWS[1]])).incomplete_findings()
    assert remark.id == "incomplete-tensor"
    assert not remark.is_error
    assert remark.message.endswith(": t")


def test_damage_in_a_slice_without_the_others_is_found(prefix, open_bundle):
    damaged(prefix, [ROWS[0], ROWS[2]])
    with open(shard_path(prefix), "r+b") as file:
        file.write(b"\xff")
    bundle = open_bundle(prefix)
    with pytest.raises(errors.CorruptCheckpointError):
        bundle.verify("t")
    with pytest.raises(errors.CorruptCheckpointError):
        list(bundle.read_slices("t"))


def test_overlap_of_slices_is_refused(prefix):
    # As many elements as the whole, but two rows twice and two never.
    parts = [(Extent(0, 3), Extent()), (Extent(2, 3), Extent())]
    assert_refused(damaged(prefix, parts))


def test_slice_beyond_the_shape_is_refused(prefix):
    assert_refused(damaged(prefix, ROWS, shape=(5, 7)))


def test_slice_behind_the_shape_is_refused(prefix):
    # As many elements as the whole, but half of them beyond it.
    parts = [(Extent(0, 3), Extent(0, 7)), (Extent(6, 3), Extent(0, 7))]
    builder = BundleBuilder().add_sliced("t", np.resize(TABLE, [9, 7]), parts)
    builder.index[b"t"] = entry(1, TABLE.shape, slices=parts)
    assert_refused(builder.write(prefix))


def test_shape_larger_than_the_slices_allocates_nothing(prefix, open_bundle):
    bundle = open_bundle(damaged(prefix, EXPLICIT_ROWS, shape=(6, 1 << 40)))
    assert not bundle.tensor_entries()["t"].is_complete
    with memory_below(1 << 20), pytest.raises(errors.UnsupportedCheckpointError):
        bundle.read("t")


def test_overlap_of_slices_that_leave_a_hole_is_refused(prefix):
    assert_refused(
        damaged(prefix, [(Extent(0, 2), Extent()), (Extent(1, 2), Extent())])
    )


def test_slice_without_entry_is_refused(prefix):
    BundleBuilder().add_sliced("t", TABLE, ROWS).write(prefix)
    rewrite_index(prefix, lambda pairs: pairs.pop(slice_key(b"t", ROWS[1])))
    assert_refused(prefix)


def test_slice_that_is_listed_twice_is_refused(prefix):
    BundleBuilder().add_sliced("t", TABLE, ROWS).write(prefix)
    twice = entry(1, TABLE.shape, slices=[*ROWS[:2], ROWS[0]])
    rewrite_index(prefix, lambda pairs: pairs.update({b"t": twice}))
    assert_refused(prefix)


@pytest.mark.parametrize(
    "changed",
    [
        entry(1, (2, 6), size=48),
        entry(3, (2, 7), size=56),
        entry(1, (14,), size=56),
        entry(1, (2, 7), slices=[ROWS[1]]),
    ],
    ids=["shape", "dtype", "rank", "slices of its own"],
)
def test_slice_that_differs_from_what_is_declared_is_refused(prefix, changed):
    BundleBuilder().add_sliced("t", TABLE, ROWS).write(prefix)
    key = slice_key(b"t", ROWS[1])
    rewrite_index(prefix, lambda pairs: pairs.update({key: changed}))
    assert_refused(prefix)


@pytest.mark.parametrize("key", [b"t", b"\0"], ids=["behind", "in front"])
def test_slice_that_is_made_of_slices_is_refused(prefix, key):
    part = (Extent(), Extent())
    builder = BundleBuilder().add_sliced(key, TABLE, [part])
    inner = slice_key(key, part)
    builder.add_sliced(inner, TABLE, [part])
    assert_refused(builder.write(prefix))


def test_slice_of_another_rank_than_the_whole_is_refused(prefix):
    extents = (Extent(0, 6),)
    builder = BundleBuilder().add_sliced("t", TABLE, ROWS)
    builder.index[b"t"] = entry(1, TABLE.shape, slices=[extents])
    builder.index[slice_key(b"t", extents)] = entry(1, (6,), size=24)
    assert_refused(builder.write(prefix))


def test_huge_slices_are_refused_before_anything_is_allocated(prefix, open_bundle):
    length = 1 << 34
    parts = [(Extent(0, length),), (Extent(length, length),)]
    builder = BundleBuilder()
    builder.index[b"t"] = entry(1, (2 * length,), slices=parts)
    for extents in parts:
        builder.index[slice_key(b"t", extents)] = entry(1, (length,), size=4 * length)
    builder.shards[0] = bytes(100)
    bundle = open_bundle(builder.write(prefix))
    with memory_below(1 << 20), pytest.raises(errors.CorruptCheckpointError) as caught:
        bundle.read("t")
    assert ids_of(caught.value) == ["tensor-missing"]


def test_huge_slices_of_strings_are_refused_before_allocation(prefix, open_bundle):
    length = 1 << 26
    parts = [(Extent(0, length),), (Extent(length, length),)]
    builder = BundleBuilder()
    builder.index[b"t"] = entry(7, (2 * length,), slices=parts)
    for extents in parts:
        builder.index[slice_key(b"t", extents)] = entry(7, (length,), size=50)
    builder.shards[0] = bytes(100)
    bundle = open_bundle(builder.write(prefix))
    with memory_below(1 << 20), pytest.raises(errors.CorruptCheckpointError):
        bundle.read("t")
