"""Tests of V1 checkpoints: lists of tensors, slices over files, what is refused."""

import os
import sys
import threading

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, open_checkpoint, open_prefix
from legacy_restore.checkpoint.slices import slice_key
from tests.checkpoint.builders import (
    SNAPPY,
    BundleBuilder,
    block,
    memory_below,
    message,
    number,
    sealed,
    strings,
    table_of_blocks,
)
from tests.checkpoint.v1_builders import (
    V1Builder,
    extents_of,
    listed,
    metadata,
    opened_shards,
    record,
    rewrite,
    shape_proto,
    small_v1,
    values_of,
    write_table,
)

WHOLE = np.arange(20, dtype=np.float32).reshape([4, 5])
TOP = extents_of((0, 2), None)
BOTTOM_LEFT = extents_of((2, 2), (0, 3))
BOTTOM_RIGHT = extents_of((2, 2), (3, 2))
CORNER = extents_of((3, 1), (3, 2))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.ckpt"


def refused(path, kind=errors.CorruptCheckpointError):
    with pytest.raises(kind) as caught:
        open_prefix(str(path))
    assert caught.value.findings
    return caught.value


def ids(checkpoint):
    return [finding.id for finding in checkpoint.findings]


def test_values_come_back(path):
    with open_checkpoint(small_v1(path)) as checkpoint:
        assert checkpoint.format == "V1"
        assert checkpoint.paths() == [str(path)]
        assert list(checkpoint) == [
            "a/kernel",
            "a/words",
            "b/small",
            "b/step",
            "c/rows",
        ]
        assert checkpoint["a/kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert checkpoint["a/words"].tolist() == [b"one", b"", b"\xff\0"]
        assert checkpoint["b/small"].tolist() == [-128, 127, 0]
        assert checkpoint["b/step"].shape == ()
        assert checkpoint["b/step"] == 1200
        assert np.array_equal(checkpoint["c/rows"], np.arange(8.0).reshape([4, 2]))
        assert checkpoint.findings == []
        for key in checkpoint:
            checkpoint.verify_tensor(key)


def test_entries_say_what_the_file_lists(path):
    with open_checkpoint(small_v1(path)) as checkpoint:
        entries = {entry.key: entry for entry in checkpoint.entries()}
    assert {entry.crc32c for entry in entries.values()} == {None}
    assert {key: entry.nbytes for key, entry in entries.items()} == {
        "a/kernel": 24,
        "a/words": 0,
        "b/small": 3,
        "b/step": 8,
        "c/rows": 64,
    }
    assert entries["a/kernel"].shard == 0
    assert entries["a/kernel"].slices == ()
    assert entries["c/rows"].shard is None
    assert [part.shape for part in entries["c/rows"].slices] == [(3, 2), (1, 2)]


def test_the_same_tensors_have_the_same_digest_as_v2(path, tmp_path):
    bundle = BundleBuilder()
    with open_checkpoint(small_v1(path)) as checkpoint:
        for key in checkpoint:
            bundle.add(key, checkpoint[key])
        digest = checkpoint.digest
    with open_checkpoint(bundle.write(tmp_path / "v2")) as other:
        assert other.digest == digest


def test_one_slice_that_takes_all_is_the_whole(path):
    builder = V1Builder()
    builder.add_slices("w", WHOLE, [extents_of((0, 4), (0, 5))])
    with open_checkpoint(builder.write(path)) as checkpoint:
        assert checkpoint.entry("w").slices == ()
        assert checkpoint.entry("w").shard == 0
        assert np.array_equal(checkpoint["w"], WHOLE)


def test_slices_over_two_files_are_put_together(tmp_path):
    first = V1Builder().add_slices("w", WHOLE, [TOP])
    second = V1Builder().add_slices("w", WHOLE, [BOTTOM_LEFT, BOTTOM_RIGHT])
    second.add("only/here", np.int32(7))
    with opened_shards(tmp_path, first, second) as checkpoint:
        assert np.array_equal(checkpoint["w"], WHOLE)
        assert checkpoint.entry("only/here").shard == 1
        assert checkpoint["only/here"] == 7
        assert len(checkpoint.entry("w").slices) == 3
        checkpoint.verify_tensor("w")


def test_slices_have_checksums_of_their_own_values(tmp_path):
    first = V1Builder().add_slices("w", WHOLE, [TOP])
    second = V1Builder().add_slices("w", WHOLE, [BOTTOM_LEFT, BOTTOM_RIGHT])
    with opened_shards(tmp_path, first, second) as checkpoint:
        crcs = checkpoint.slice_crcs("w")
        assert set(crcs) == set(checkpoint.entry("w").slices)
        for part, crc in crcs.items():
            assert crc == checksum.tensor_crc(WHOLE[part.as_index()])
        assert checkpoint.contents_crc("w") == checksum.tensor_crc(WHOLE)


def test_a_tensor_with_a_hole_is_listed_and_not_read(tmp_path):
    first = V1Builder().add_slices("w", WHOLE, [TOP])
    second = V1Builder().add_slices("w", WHOLE, [BOTTOM_LEFT, CORNER])
    with opened_shards(tmp_path, first, second) as checkpoint:
        assert ids(checkpoint) == ["location-resolved", "incomplete-tensor"]
        entry = checkpoint.entry("w")
        assert (entry.num_stored, entry.is_complete) == (18, False)
        with pytest.raises(errors.UnsupportedCheckpointError, match="18 of 20"):
            checkpoint["w"]
        checkpoint.verify_tensor("w")
        crcs = checkpoint.slice_crcs("w")
        assert {part.shape for part in crcs} == {(2, 5), (2, 3), (1, 2)}


def test_empty_tensors_and_names_without_text_come_back(path):
    builder = V1Builder()
    builder.add("none", np.zeros([0, 3], np.int32))
    builder.add("no/strings", np.zeros([0], object), "string")
    builder.add(b"\xff\0name", np.float32(1))
    builder.add("x" * 5000, np.float32(2))
    with open_checkpoint(builder.write(path)) as checkpoint:
        assert checkpoint["none"].shape == (0, 3)
        assert checkpoint["no/strings"].shape == (0,)
        assert checkpoint["x" * 5000] == 2
        assert checkpoint[b"\xff\0name".decode("utf-8", "surrogateescape")] == 1


def test_file_without_tensors_is_a_checkpoint(path):
    with open_checkpoint(V1Builder().write(path)) as checkpoint:
        assert list(checkpoint) == []
        assert checkpoint.findings == []


@pytest.mark.parametrize("pairs_per_block", [1, 2, None])
def test_snappy_blocks_are_read(path, pairs_per_block):
    cramjam = pytest.importorskip("cramjam")

    def compress(contents):
        return bytes(cramjam.snappy.compress_raw(contents))

    small_v1(path, pairs_per_block=pairs_per_block, compress=compress, compression=1)
    with open_checkpoint(path) as checkpoint:
        assert checkpoint["a/kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]
        for key in checkpoint:
            checkpoint.verify_tensor(key)


def test_missing_cramjam_is_named_also_when_a_value_is_read(path, monkeypatch):
    cramjam = pytest.importorskip("cramjam")
    first, *others = V1Builder().add("w", WHOLE).pairs()
    compressed = bytes(cramjam.snappy.compress_raw(block(others)))
    blocks = [(first[0], sealed(block([first])))]
    blocks.append((others[-1][0], sealed(compressed, SNAPPY)))
    path.write_bytes(table_of_blocks(blocks))
    with open_checkpoint(path) as checkpoint:
        assert np.array_equal(checkpoint["w"], WHOLE)
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with open_checkpoint(path) as checkpoint:
        for read in (checkpoint.__getitem__, checkpoint.verify_tensor):
            with pytest.raises(errors.MissingDependencyError) as caught:
                read("w")
            assert "legacy_restore[snappy]" in caught.value.hint
            assert [one.id for one in caught.value.findings] == ["missing-dependency"]


# Missing shards.


def three_shards(folder):
    builders = [V1Builder().add(f"shard_{one}", np.float32(one)) for one in range(3)]
    with opened_shards(folder, *builders) as checkpoint:
        return checkpoint.prefix


def test_missing_shard_is_a_finding_and_the_others_are_read(tmp_path):
    prefix = three_shards(tmp_path)
    os.remove(str(tmp_path / "model.ckpt-00001-of-00003"))
    with open_checkpoint(prefix) as checkpoint:
        assert ids(checkpoint) == ["shard-missing"]
        finding = checkpoint.findings[0]
        assert finding.subject == str(tmp_path / "model.ckpt-00001-of-00003")
        assert finding.is_error
        assert list(checkpoint) == ["shard_0", "shard_2"]
        assert checkpoint["shard_2"] == 2
        assert len(checkpoint.paths()) == 3


def test_damaged_shard_names_itself(tmp_path):
    prefix = three_shards(tmp_path)
    shard = tmp_path / "model.ckpt-00002-of-00003"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert refused(prefix).path == str(shard)


def test_shards_that_contradict_each_other_are_refused(tmp_path):
    for other in (V1Builder().add("w", WHOLE.T), V1Builder().add("w", WHOLE > 0)):
        first = V1Builder().add("w", WHOLE)
        with pytest.raises(
            errors.CorruptCheckpointError, match="elsewhere"
        ), opened_shards(tmp_path, first, other):
            pass


def test_slice_that_is_in_two_shards_is_refused(tmp_path):
    builder = V1Builder().add("w", WHOLE)
    with pytest.raises(errors.CorruptCheckpointError, match="overlap"), opened_shards(
        tmp_path, builder, builder
    ):
        pass


# What a list of tensors may not say.


def write_listed(path, *tensors, **options):
    write_table(path, {b"": metadata(*tensors, **options)})


@pytest.mark.parametrize(
    "tensor, match",
    [
        (listed(b"w", [-4, 5]), "dimension"),
        (listed(b"w", [4], slices=[]), "without a slice"),
        (listed(b"w", [4, 5], slices=[extents_of(None)]), "1 axes"),
        (listed(b"w", [4], slices=[extents_of((3, 2))]), "beyond"),
        (listed(b"w", [4], slices=[extents_of((-1, 2))]), "slice from -1"),
        (listed(b"w", [4], slices=[extents_of((0, -3))]), "length -3"),
        (listed(b"w", [4], slices=[extents_of((2**63 - 1, 5))]), "beyond"),
        (listed(b"w", [4], slices=[extents_of((0, 2)), extents_of((1, 2))]), "overlap"),
        (listed(b"w", [4], slices=[extents_of(None), extents_of(None)]), "overlap"),
        (listed(b"w", [2**62, 2**62]), "shape"),
        (listed(b"w", [1] * 255), "rank"),
        (listed(b"w", [4], shape_field=message(2, number(3, 1))), "unknown rank"),
        (listed(b"w", [4], shape_field=message(2, b"\x12\x05\x08")), "beyond"),
        (listed(b"w", [4], name_field=number(1, 7)), "not bytes"),
        (listed(b"w", [4], type_field=message(3, b"x")), "not a number"),
    ],
)
def test_list_that_contradicts_itself_is_refused_at_once(path, tensor, match):
    write_listed(path, tensor)
    with memory_below(4 << 20):
        assert match in refused(path).message


@pytest.mark.parametrize("dtype", [0, 103, 20, 99])
def test_tensor_of_another_dtype_is_listed_and_not_read(path, dtype):
    builder = V1Builder().add("good", WHOLE).add("w", WHOLE)
    builder.tensors[1] = listed(b"w", [4, 5], dtype)
    with open_checkpoint(builder.write(path)) as checkpoint:
        assert list(checkpoint) == ["good", "w"]
        assert checkpoint.entry("w").shape == (4, 5)
        with pytest.raises(errors.UnsupportedCheckpointError) as caught:
            checkpoint["w"]
        assert [one.subject for one in caught.value.findings] == ["w"]
        checkpoint.verify_tensor("w")
        assert np.array_equal(checkpoint["good"], WHOLE)


@pytest.mark.parametrize(
    "versions, match",
    [
        (number(2, 2), "version 2"),
        (number(1, 1) + number(3, 1), "forbids"),
        (message(3, b"\5\1"), "forbids"),
    ],
)
def test_version_gates_are_kept(path, versions, match):
    write_listed(path, versions=versions)
    error = refused(path, errors.UnsupportedCheckpointError)
    assert match in error.message
    assert error.path == str(path)


@pytest.mark.parametrize("versions", [b"", number(1, 5) + number(2, 1), number(3, 2)])
def test_versions_that_permit_this_reader_are_read(path, versions):
    write_listed(path, listed(b"w", [4]), versions=versions)
    with open_prefix(str(path)) as checkpoint:
        assert list(checkpoint) == ["w"]


def test_table_without_a_list_is_refused(path):
    write_table(path, {b"key": b"value"})
    assert "without a list" in refused(path).message


def test_table_without_blocks_is_refused(path):
    write_table(path, {})
    assert "without a list" in refused(path).message


def test_list_in_two_parts_is_one_as_protobuf_merges_them(path):
    parts = [message(1, message(1, listed(name, [2]))) for name in (b"a", b"b")]
    write_table(path, {b"": b"".join(parts)})
    with open_prefix(str(path)) as checkpoint:
        assert list(checkpoint) == ["a", "b"]


def test_index_of_v2_under_another_name_is_recognised(tmp_path, path):
    prefix = BundleBuilder().add("w", WHOLE).write(tmp_path / "v2")
    os.rename(prefix + ".index", str(path))
    error = refused(path, errors.UnsupportedCheckpointError)
    assert "V2" in error.message
    assert ".index" in error.hint


# What the values may not say.


def with_record(path, value):
    """A file in which the values of ``w`` are others."""
    V1Builder().add("good", np.float32(1)).add("w", WHOLE).write(path)
    key = slice_key(b"w", extents_of(None, None))

    def change(pairs):
        if value is None:
            del pairs[key]
        else:
            pairs[key] = value

    rewrite(path, change)
    return open_prefix(str(path))


DATA = values_of(WHOLE)
ALL = extents_of(None, None)


@pytest.mark.parametrize(
    "value, match",
    [
        (None, "not there"),
        (b"", "another tensor"),
        (record(b"v", ALL, DATA), "another tensor"),
        (record(b"w", TOP, DATA), "another tensor"),
        (record(b"w", extents_of(None), DATA), "another tensor"),
        (record(b"w", ALL, values_of(WHOLE[:3])), "15 are stored"),
        (record(b"w", ALL, values_of(WHOLE.astype(np.float64))), "field 6"),
        (record(b"w", ALL, b""), "0 are stored"),
        (record(b"w", ALL, DATA[:-1]), "beyond its message"),
        (record(b"w", ALL, DATA) + message(1, b""), "both"),
        (number(2, 1), "not bytes"),
        (b"\xff", "varint"),
        (
            record(b"w", ALL, message(2, shape_proto([1 << 40])) + DATA),
            "declare the shape",
        ),
    ],
)
def test_values_that_are_not_those_that_are_listed_are_refused(path, value, match):
    with with_record(path, value) as checkpoint:
        assert checkpoint.findings == []
        for read in (checkpoint.__getitem__, checkpoint.verify_tensor):
            with pytest.raises(errors.CorruptCheckpointError, match=match) as caught:
                read("w")
            assert [one.id for one in caught.value.findings] == ["tensor-corrupt"]
            assert caught.value.findings[0].subject == "w"
        assert checkpoint["good"] == 1


def test_whole_slice_may_be_spelt_out_in_the_values(path):
    spelt = record(b"w", extents_of((0, 4), (0, 5)), DATA)
    with with_record(path, spelt) as checkpoint:
        assert np.array_equal(checkpoint["w"], WHOLE)


@pytest.mark.parametrize("slices", [1, 2])
def test_nothing_is_allocated_for_elements_that_cannot_be_there(path, slices):
    half = 1 << 39
    parts = [extents_of((0, half)), extents_of((half, half))]
    tensor = listed(b"w", [1 << 40], slices=parts if slices == 2 else None)
    records = {
        slice_key(b"w", one): record(b"w", one, values_of(WHOLE)) for one in parts
    }
    whole = extents_of(None)
    records[slice_key(b"w", whole)] = record(b"w", whole, values_of(WHOLE))
    write_table(path, {b"": metadata(tensor), **records})
    with open_prefix(str(path)) as checkpoint:
        for read in (checkpoint.__getitem__, checkpoint.verify_tensor):
            with memory_below(4 << 20), pytest.raises(errors.CorruptCheckpointError):
                read("w")


def test_reading_takes_the_block_and_the_array(path):
    array = np.arange(4 << 20, dtype=np.float32)
    builder = V1Builder()
    for name in "abcd":
        builder.add(name, array)
    builder.write(path, pairs_per_block=1)
    with open_checkpoint(path) as checkpoint:
        for name in "abcd":
            # The block is read twice over for a moment, before the array is made.
            with memory_below(2 * array.nbytes + (4 << 20)):
                assert checkpoint[name][-1] == array[-1]


def test_opening_reads_no_values(path, monkeypatch):
    array = np.zeros(4 << 20, np.float32)
    V1Builder().add("a", np.float32(1)).add("w", array).write(path, pairs_per_block=1)
    with memory_below(1 << 20), open_checkpoint(path) as checkpoint:
        assert checkpoint.entry("w").nbytes == array.nbytes
        assert checkpoint.findings == []


def test_threads_read_from_one_checkpoint(path):
    builder = V1Builder()
    for one in range(200):
        builder.add(f"w{one}", np.full([50], one, np.float32))
    builder.write(path, pairs_per_block=7)
    wrong = []

    def read_all(checkpoint, order):
        for one in order:
            if set(checkpoint[f"w{one}"]) != {one}:
                wrong.append(one)

    with open_checkpoint(path) as checkpoint:
        orders = [range(200), range(199, -1, -1), range(0, 200, 3), range(100)]
        threads = [
            threading.Thread(target=read_all, args=(checkpoint, order))
            for order in orders
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_closed_checkpoint_is_an_error(path):
    checkpoint = open_checkpoint(small_v1(path))
    checkpoint.close()
    checkpoint.close()
    with pytest.raises(errors.ClosedError):
        checkpoint["b/step"]


def test_file_that_became_shorter_is_an_error(path):
    array = np.zeros(1 << 20, np.float32)
    V1Builder().add("w", array).write(path, pairs_per_block=1)
    with open_checkpoint(path) as checkpoint:
        with open(str(path), "r+b") as file:
            file.truncate(1 << 20)
        with pytest.raises(errors.CorruptCheckpointError, match="ends at byte"):
            checkpoint["w"]


def test_strings_in_slices_are_put_together(path):
    words = strings(b"a", b"", b"c\0")
    builder = V1Builder()
    builder.add_slices("w", words, [extents_of((0, 1)), extents_of((1, 2))])
    with open_checkpoint(builder.write(path)) as checkpoint:
        assert checkpoint["w"].tolist() == [b"a", b"", b"c\0"]
