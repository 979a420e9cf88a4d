"""Salvaging: exactly what is undamaged, bit by bit, and the rest by name."""

import os
import pathlib
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import checksum, open_checkpoint
from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.slices import Extent, slice_key
from legacy_restore.checkpoint.table import read_blocks
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from legacy_restore.examining import salvage as salvage_module
from legacy_restore.examining.salvage_report import SalvageStatus
from tests.checkpoint import golden
from tests.checkpoint.builders import (
    BundleBuilder,
    entry,
    header,
    memory_below,
    parts_along,
    rewrite_index,
    shard_path,
    strings,
    varint,
)
from tests.checkpoint.object_builders import (
    adam_graph,
    adam_tensors,
    write_object_based,
)
from tests.checkpoint.v1_builders import V1Builder, extents_of, small_v1
from tests.conftest import ROOT
from tests.graphdef import builders as graph_builders
from tests.samples import sample

TABLE = np.arange(12, dtype=np.float32).reshape([4, 3])


def of_all_kinds(**options):
    builder = BundleBuilder(num_shards=2, **options)
    builder.add("a/kernel", TABLE)
    builder.add("a/step", np.int64(7), shard=1)
    builder.add("b/complex", np.complex64([1 + 2j, -3j]), shard=1)
    builder.add("b/words", strings(b"one", b"", b"\xff\0" * 9), shard=1)
    builder.add("c/none", np.zeros([0, 3], np.float32))
    parts = parts_along(0, TABLE.shape, [1, 3])
    builder.add_sliced("d/table", TABLE + 1, parts, shards=[0, 1])
    builder.add("e/quantized", np.int8([-128, 127]), dtype="qint8")
    return builder


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model.ckpt")


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out.ckpt")


def contents(location):
    """Everything that can be had of a checkpoint, as dtype, shape and bytes."""
    with open_checkpoint(location) as checkpoint:
        found = {}
        for one in checkpoint.entries():
            parts = [
                (str(part), golden.contents_of(np.asarray(values)))
                for part, values in checkpoint.read_parts(one.key)
            ]
            found[one.key] = (one.dtype, one.shape, parts)
    return found


def flip(path, position, mask=1):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ mask]))


def keys(rows):
    return [row.key for row in rows]


def ids(report):
    return [one.id for one in report.findings]


def assert_salvaged(report, out, expected, lost):
    """All but the lost ones are there, and nothing else, bit by bit."""
    assert keys(report.lost) == sorted(lost), str(report)
    assert all(row.reason for row in report.lost)
    assert keys(report.rows) == sorted(keys(report.rows))
    kept = {key: value for key, value in expected.items() if key not in lost}
    assert keys(report.saved) == sorted(kept)
    assert report.ok == (not lost)
    if not kept:
        assert (report.written, report.exit_code) == (None, 3)
        assert not [n for n in os.listdir(os.path.dirname(out)) if "out.ckpt" in n]
        return
    assert report.exit_code == (1 if lost else 0)
    assert report.written == out
    assert contents(out) == kept
    verified = lr.verify_checkpoint(out)
    assert verified.ok, str(verified)
    assert str(report) and report.to_json()


def is_tidy(prefix):
    """Whether no temporary file or directory is left."""
    names = os.listdir(os.path.dirname(prefix))
    return not [one for one in names if one.startswith(".legacy_restore")]


# Sound checkpoints.


@pytest.mark.parametrize("name", golden.prefixes())
def test_sound_checkpoint_is_copied(name, out):
    report = lr.salvage(golden.path_of(name), out)
    assert report.ok, str(report)
    assert report.exit_code == 0
    with open_checkpoint(golden.path_of(name)) as one, open_checkpoint(out) as other:
        assert one.digest == other.digest
        for key in one:
            ours, theirs = other.entry(key), one.entry(key)
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            assert ours.slices == theirs.slices
    assert lr.verify_checkpoint(out).ok
    assert is_tidy(out)


@pytest.mark.parametrize("is_big_endian", [False, True])
def test_both_byte_orders_are_saved_with_the_lowest_byte_first(
    prefix, out, is_big_endian
):
    of_all_kinds(is_big_endian=is_big_endian).write(prefix)
    report = lr.salvage(prefix, out)
    assert_salvaged(report, out, contents(prefix), [])
    little = of_all_kinds().write(prefix + "-little")
    with open_checkpoint(out) as found, open_checkpoint(little) as expected:
        assert found.digest == expected.digest
        assert found.has_crcs


def test_bytes_of_a_little_endian_checkpoint_are_those_of_the_input(prefix, out):
    of_all_kinds().write(prefix)
    lr.salvage(prefix, out)
    source, copy = Bundle(prefix), Bundle(out)
    for bundle in (source, copy):
        bundle.close()
    crcs = {key: one.crc32c for key, one in source.entries.items()}
    assert crcs == {key: one.crc32c for key, one in copy.entries.items()}
    sizes = {key: one.size for key, one in source.entries.items()}
    assert sizes == {key: one.size for key, one in copy.entries.items()}


def test_incomplete_tensors_of_tensorflow_are_saved_as_they_are(prefix, out):
    builder = BundleBuilder()
    builder.add_sliced("w/0/Adagrad", TABLE, [(Extent(0, 1), Extent())])
    builder.write(prefix)
    report = lr.salvage(prefix, out)
    assert report.ok
    assert keys(report.with_status(SalvageStatus.INCOMPLETE)) == ["w/0/Adagrad"]
    assert contents(out) == contents(prefix)
    with open_checkpoint(out) as checkpoint, pytest.raises(
        errors.UnsupportedCheckpointError
    ):
        checkpoint["w/0/Adagrad"]


# Damaged data.


def parts_in(prefix):
    """The range of bytes of each tensor in each data file."""
    bundle = Bundle(prefix)
    bundle.close()
    return [
        (key, one.shard, one.offset, one.offset + one.size)
        for key in bundle.entries
        for _, one in bundle._parts(key)
    ]


@pytest.mark.parametrize("is_big_endian", [False, True])
def test_every_flipped_byte_of_the_data_costs_its_tensor(prefix, out, is_big_endian):
    of_all_kinds(is_big_endian=is_big_endian).write(prefix)
    expected = contents(prefix)
    places = parts_in(prefix)
    for shard in (0, 1):
        path = shard_path(prefix, shard, 2)
        for position in range(os.path.getsize(path)):
            flip(path, position, 0x81)
            lost = [
                key
                for key, where, start, end in places
                if where == shard and start <= position < end
            ]
            assert len(lost) == 1
            report = lr.salvage(prefix, out, overwrite=True)
            assert_salvaged(report, out, expected, lost)
            flip(path, position, 0x81)
    assert_salvaged(lr.salvage(prefix, out, overwrite=True), out, expected, [])


def test_every_truncation_costs_what_is_behind_it(prefix, out):
    of_all_kinds().write(prefix)
    expected = contents(prefix)
    places = parts_in(prefix)
    path = shard_path(prefix, 1, 2)
    for size in reversed(range(0, os.path.getsize(path), 3)):
        os.truncate(path, size)
        lost = {key for key, where, _, end in places if where == 1 and end > size}
        report = lr.salvage(prefix, out, overwrite=True)
        assert_salvaged(report, out, expected, lost)


@pytest.mark.parametrize("shard", [0, 1])
def test_missing_data_file_costs_what_is_in_it(prefix, out, shard):
    of_all_kinds().write(prefix)
    expected = contents(prefix)
    lost = {key for key, where, _, _ in parts_in(prefix) if where == shard}
    os.remove(shard_path(prefix, shard, 2))
    report = lr.salvage(prefix, out)
    assert_salvaged(report, out, expected, lost)
    assert "shard-missing" in ids(report)
    assert os.path.exists(shard_path(out, 0, 1))


def test_all_data_files_lost_is_nothing_to_save(prefix, out):
    of_all_kinds().write(prefix)
    for shard in (0, 1):
        os.remove(shard_path(prefix, shard, 2))
    report = lr.salvage(prefix, out)
    assert (report.exit_code, report.written, report.saved) == (3, None, [])
    assert "nothing to save; nothing was written" in str(report)
    assert not os.path.exists(out + ".index")
    assert is_tidy(out)
    with pytest.raises(errors.CorruptCheckpointError):
        report.raise_if_failed()


# Damaged index.


def blocks_of(path):
    file = PositionedFile(path)
    try:
        return list(read_blocks(file))
    finally:
        file.close()


@pytest.mark.parametrize("place", ["checksum", "contents"])
def test_every_damaged_block_of_the_index_costs_what_it_lists(prefix, out, place):
    of_all_kinds().write(prefix, pairs_per_block=1)
    expected = contents(prefix)
    blocks = blocks_of(prefix + ".index")
    assert len(blocks) == 10
    for one in blocks:
        (pair,) = one.pairs
        end = one.handle.offset + one.handle.size
        position = end + 2 if place == "checksum" else one.handle.offset + 1
        flip(prefix + ".index", position)
        report = lr.salvage(prefix, out, overwrite=True)
        if pair.key == b"":
            assert (report.written, report.exit_code) == (None, 3)
        else:
            name = pair.key.decode() if pair.key[:1] != b"\0" else "d/table"
            # Where not even a key is left, nothing is known but that it is lost.
            assert set(keys(report.lost)) <= {name} or place == "contents"
            assert set(contents(out)) == set(expected) - {name}
            assert all(expected[key] == v for key, v in contents(out).items())
            assert not report.ok
            assert report.exit_code == 1
            assert report.next_commands == [f"legacy-restore inspect {out}"]
            os.remove(out + ".index")
        flip(prefix + ".index", position)


def test_flipped_bytes_of_the_index_never_save_what_was_not_there(prefix, out):
    of_all_kinds().write(prefix, pairs_per_block=4)
    expected = contents(prefix)
    for position in range(os.path.getsize(prefix + ".index")):
        flip(prefix + ".index", position, 0xFF)
        try:
            report = lr.salvage(prefix, out, overwrite=True)
        except errors.LegacyRestoreError as error:
            assert error.exit_code == 3, position
            report = None
        if report is not None and report.written is not None:
            found = contents(out)
            assert all(expected[key] == one for key, one in found.items()), position
            assert report.exit_code == (0 if found == expected else 1), position
            os.remove(out + ".index")
        flip(prefix + ".index", position, 0xFF)


def test_index_that_is_something_else_is_nothing_to_save(prefix, out):
    of_all_kinds().write(prefix)
    with open(prefix + ".index", "wb") as file:
        file.write(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n")
    report = lr.salvage(prefix, out)
    assert (report.exit_code, report.written, report.rows) == (3, None, ())
    assert "git lfs pull" in str(report)


def test_no_checkpoint_is_an_error(tmp_path, out):
    with pytest.raises(errors.LocationError):
        lr.salvage(tmp_path / "nowhere", out)


# Waivers.


def doubtful(prefix):
    """A checkpoint of which the block that lists ``a/step`` is damaged."""
    of_all_kinds().write(prefix, pairs_per_block=1)
    (one,) = [
        one
        for one in blocks_of(prefix + ".index")
        if one.pairs and one.pairs[0].key == b"a/step"
    ]
    flip(prefix + ".index", one.handle.offset + one.handle.size + 2)


def test_tensors_of_doubtful_blocks_are_taken_only_by_name(prefix, out):
    of_all_kinds().write(prefix)
    expected = contents(prefix)
    doubtful(prefix)
    report = lr.salvage(prefix, out)
    assert keys(report.lost) == ["a/step"]
    assert report.lost[0].waiver == ("allow_undecided", "a/step")
    assert "--allow_undecided=a/step" in str(report)
    report = lr.salvage(prefix, out, overwrite=True, allow_undecided=["a/s.*"])
    assert report.lost == []
    assert keys(report.with_status(SalvageStatus.UNVERIFIED)) == ["a/step"]
    assert "tensor-unverified" in ids(report)
    # The block may have listed others.
    assert (report.ok, report.exit_code) == (False, 1)
    assert contents(out) == expected


@pytest.mark.parametrize("waiver", ["allow_undecided", "allow_incomplete"])
def test_waiver_that_permits_nothing_is_refused(prefix, out, waiver):
    of_all_kinds().write(prefix)
    with pytest.raises(errors.WriteError) as caught:
        lr.salvage(prefix, out, **{waiver: ["a/.*"]})
    assert [one.id for one in caught.value.findings] == ["unused-waiver"]
    assert caught.value.exit_code == 1
    assert not os.path.exists(out + ".index")
    with pytest.raises(errors.UsageError):
        lr.salvage(prefix, out, **{waiver: "a/.*"})
    with pytest.raises(errors.UsageError):
        lr.salvage(prefix, out, **{waiver: ["("]})


def test_good_slices_are_kept_only_by_name_and_never_pass_for_the_whole(prefix, out):
    of_all_kinds().write(prefix)
    expected = contents(prefix)
    (first, _) = [one for one in parts_in(prefix) if one[0] == "d/table"]
    flip(shard_path(prefix, first[1], 2), first[2])
    report = lr.salvage(prefix, out)
    assert_salvaged(report, out, expected, ["d/table"])
    assert report.lost[0].waiver == ("allow_incomplete", "d/table")
    report = lr.salvage(prefix, out, overwrite=True, allow_incomplete=["d/.*"])
    (row,) = report.with_status(SalvageStatus.INCOMPLETE)
    assert row.reason.startswith("1 of 2 slices are sound and kept; slice [0:1,0:3]")
    assert (row.nbytes, row.saved_nbytes) == (48, 36)
    assert ids(report) == ["tensor-corrupt"]
    assert (report.ok, report.exit_code, report.lost) == (False, 1, [])
    with open_checkpoint(out) as checkpoint:
        assert not checkpoint.entry("d/table").is_complete
        with pytest.raises(errors.UnsupportedCheckpointError):
            checkpoint["d/table"]
        ((part, values),) = checkpoint.read_parts("d/table")
        assert part.start == (1, 0)
        assert values.tolist() == (TABLE + 1)[1:].tolist()
    data = report.to_json()
    assert data["lost"] == {"tensors": 0, "nbytes": 12}
    assert data["saved"]["nbytes"] == data["total"]["nbytes"] - 12


def test_damaged_tensor_without_sound_slices_is_no_candidate(prefix, out):
    of_all_kinds().write(prefix)
    for _, shard, start, _ in [one for one in parts_in(prefix) if one[0] == "d/table"]:
        flip(shard_path(prefix, shard, 2), start)
    with pytest.raises(errors.WriteError, match="no damaged tensor with a sound slice"):
        lr.salvage(prefix, out, allow_incomplete=["d/table"])


# What is not decoded.


def variant(*elements, byte_order="<"):
    data, crc = b"", 0
    for element in elements:
        crc = checksum.extend(crc, struct.pack(byte_order + "Q", len(element)))
        crc = checksum.extend(crc, element)
        raw = struct.pack(byte_order + "I", checksum.mask(crc))
        crc = checksum.extend(crc, raw)
        data += varint(len(element)) + element + raw
    return data, checksum.mask(crc)


def with_bytes(prefix, number, shape, data, crc, **options):
    builder = BundleBuilder(**options)
    builder.shards[0] = data
    builder.index[b"t"] = entry(number, shape, 0, 0, len(data), crc)
    builder.add("u", TABLE)
    return builder.write(prefix)


def raw_bytes(prefix, key="t"):
    bundle = Bundle(prefix)
    bundle.close()
    one = bundle.entries[key]
    with open(bundle.shard_path(one.shard), "rb") as file:
        file.seek(one.offset)
        return one.dtype.number, one.shape, file.read(one.size), one.crc32c


def test_variants_are_copied_and_their_damage_is_found(prefix, out):
    data, crc = variant(b"one", b"", b"x" * 300)
    with_bytes(prefix, 21, (3,), data, crc)
    assert lr.salvage(prefix, out).ok
    assert raw_bytes(out) == (21, (3,), data, crc)
    for position in range(len(data)):
        flip(shard_path(prefix), position)
        report = lr.salvage(prefix, out, overwrite=True)
        assert keys(report.lost) == ["t"]
        flip(shard_path(prefix), position)


@pytest.mark.parametrize("number", [21, 20, 101])
def test_bytes_that_nobody_can_turn_round_are_lost_by_name(prefix, out, number):
    data, crc = variant(b"one", byte_order=">")
    if number != 21:
        crc = checksum.mask(checksum.crc32c(data))
    with_bytes(prefix, number, (1,), data, crc, is_big_endian=True)
    assert lr.verify_checkpoint(prefix).ok
    report = lr.salvage(prefix, out)
    assert keys(report.lost) == ["t"]
    assert "highest byte first" in report.lost[0].reason
    assert [one.id for one in report.findings] == ["unsupported"]
    with open_checkpoint(out) as checkpoint:
        assert checkpoint["u"].tolist() == TABLE.tolist()


@pytest.mark.parametrize("number", [20, 101])
def test_unknown_dtypes_are_copied_as_they_are(prefix, out, number):
    data = b"whatever it means"
    crc = checksum.mask(checksum.crc32c(data))
    with_bytes(prefix, number, (2,), data, crc)
    assert lr.salvage(prefix, out).ok
    assert raw_bytes(out) == (number, (2,), data, crc)
    with_bytes(prefix, number, (2,), data, crc ^ 1)
    report = lr.salvage(prefix, out, overwrite=True)
    assert keys(report.lost) == ["t"]
    lr.salvage(prefix, out, overwrite=True, allow_undecided=["t"])
    assert raw_bytes(out) == (number, (2,), data, crc ^ 1)


# Object-based checkpoints.


def test_object_graph_stays_and_its_lost_keys_are_named(prefix, out):
    write_object_based(prefix, adam_graph(), adam_tensors())
    expected = contents(prefix)
    (key, _, start, _) = [one for one in parts_in(prefix) if "iter" in one[0]][0]
    flip(shard_path(prefix), start)
    report = lr.salvage(prefix, out)
    assert_salvaged(report, out, expected, [key])
    (note,) = [one for one in report.findings if one.id == "object-key-missing"]
    assert note.message == f"1 of its keys are lost: {key}"
    with open_checkpoint(out) as checkpoint:
        assert checkpoint.objects.missing_keys == (key,)


def test_lost_object_graph_is_named_and_the_tensors_are_saved(prefix, out):
    write_object_based(prefix, adam_graph(), adam_tensors())
    expected = contents(prefix)
    places = [one for one in parts_in(prefix) if one[0] == OBJECT_GRAPH_KEY]
    flip(shard_path(prefix), places[0][3] - 1)
    report = lr.salvage(prefix, out)
    assert_salvaged(report, out, expected, [OBJECT_GRAPH_KEY])


# The format V1.


@pytest.mark.parametrize("flipped", [0x01, 0xFF])
def test_flipped_bytes_of_a_v1_file_cost_what_is_in_their_block(tmp_path, out, flipped):
    path = small_v1(tmp_path / "model.ckpt", pairs_per_block=1)
    expected = contents(path)
    outcomes = set()
    for position in range(os.path.getsize(path)):
        flip(path, position, flipped)
        try:
            report = lr.salvage(path, out, overwrite=True)
        except errors.LegacyRestoreError as error:
            assert error.exit_code == 3
            report = None
        if report is not None and report.written is not None:
            found = contents(out)
            assert all(expected[key] == one for key, one in found.items())
            assert set(keys(report.lost)) == set(expected) - set(found)
            assert report.ok == (found == expected)
            outcomes.add(len(found))
            os.remove(out + ".index")
        flip(path, position, flipped)
    # The meta index block and the padding are never read.
    assert outcomes == {len(expected), len(expected) - 1}


def sharded_v1(folder, count=3):
    rows = [extents_of((start, 1), None) for start in range(count)]
    whole = np.arange(2 * count, dtype=np.float32).reshape([count, 2])
    for shard in range(count):
        builder = V1Builder()
        builder.add(f"own{shard}", np.int64(shard))
        builder.add_slices("rows", whole, [rows[shard]])
        builder.write(folder / f"model.ckpt-{shard:05d}-of-{count:05d}")
    return str(folder / "model.ckpt")


@pytest.mark.parametrize("damage", ["missing", "truncated", "list", "index"])
@pytest.mark.parametrize("shard", [0, 1, 2])
def test_lost_v1_shard_costs_what_is_in_it(tmp_path, out, damage, shard):
    location = sharded_v1(tmp_path)
    expected = contents(location)
    path = tmp_path / f"model.ckpt-{shard:05d}-of-00003"
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        os.truncate(str(path), path.stat().st_size - 1)
    else:
        flip(str(path), 3 if damage == "list" else path.stat().st_size - 54)
    report = lr.salvage(location, out)
    del expected[f"own{shard}"]
    # Nobody knows that there was another tensor: but that a file is lost is known.
    assert_salvaged(report, out, expected, ["rows"])
    assert "missing or damaged may have the rest" in report.lost[0].reason
    report = lr.salvage(location, out, overwrite=True, allow_incomplete=["rows"])
    assert (report.ok, report.lost) == (False, [])
    with open_checkpoint(out) as checkpoint:
        assert len(checkpoint.entry("rows").slices) == 2


def test_v1_shards_of_different_checkpoints_cost_the_tensors_they_disagree_on(
    tmp_path, out
):
    location = sharded_v1(tmp_path)
    other = V1Builder().add("own2", np.int64(2)).add("rows", np.zeros([9], np.int32))
    other.write(tmp_path / "model.ckpt-00002-of-00003")
    with pytest.raises(errors.CorruptCheckpointError):
        open_checkpoint(location)
    report = lr.salvage(location, out)
    assert keys(report.lost) == ["rows"]
    assert set(contents(out)) == {"own0", "own1", "own2"}
    assert report.next_commands == [f"legacy-restore inspect {out}"]


def test_half_precision_of_v1_needs_no_ml_dtypes(tmp_path, out, monkeypatch):
    values = np.array([0x3F80, 0x4000], np.uint16)
    builder = V1Builder().add("h", values, dtype="bfloat16")
    path = builder.write(tmp_path / "model.ckpt")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert lr.salvage(path, out).ok
    number, _, data, _ = raw_bytes(out, "h")
    assert (number, data) == (14, values.tobytes())


# Where it is written.


def test_existing_checkpoint_is_refused_unless_named(prefix, out):
    of_all_kinds().write(prefix)
    lr.write_checkpoint(out, {"old": np.int32(1)})
    before = contents(out)
    with pytest.raises(errors.WriteError) as caught:
        lr.salvage(prefix, out)
    assert [one.id for one in caught.value.findings] == ["checkpoint-exists"]
    assert contents(out) == before
    assert lr.salvage(prefix, out, overwrite=True).ok


@pytest.mark.parametrize("overwrite", [False, True])
def test_input_is_never_written_over(tmp_path, prefix, overwrite):
    of_all_kinds().write(prefix)
    before = contents(prefix)
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    targets = [prefix, os.path.join(str(link), "model.ckpt")]
    for target in targets:
        with pytest.raises(errors.UsageError, match="never writes over"):
            lr.salvage(prefix, target, overwrite=overwrite)
    path = small_v1(tmp_path / "v1.ckpt")
    with pytest.raises(errors.UsageError, match="never writes over"):
        lr.salvage(path, path, overwrite=overwrite)
    folder = tmp_path / "shards"
    folder.mkdir()
    location = sharded_v1(folder)
    with pytest.raises(errors.UsageError, match="never writes over"):
        lr.salvage(location, location, overwrite=overwrite)
    assert contents(prefix) == before


def test_prefix_that_cannot_be_meant_is_usage(tmp_path, prefix):
    of_all_kinds().write(prefix)
    for target in (str(tmp_path), str(tmp_path / "no" / "m"), prefix + "2.index"):
        with pytest.raises(errors.UsageError):
            lr.salvage(prefix, target)


def test_graph_beside_the_input_is_copied_if_it_can_be_read(prefix, out):
    of_all_kinds().write(prefix)
    path = graph_builders.write(
        pathlib.Path(prefix + ".meta"), graph_builders.everything()
    )
    report = lr.salvage(prefix, out)
    assert report.ok
    assert "graph-copied" in ids(report)
    with open(path, "rb") as one, open(out + ".meta", "rb") as other:
        assert one.read() == other.read()
    with open(path, "wb") as file:
        file.write(b"\x0a\xff\xff\xff")
    report = lr.salvage(prefix, out, overwrite=True)
    assert report.ok
    assert "graph-not-read" in ids(report)
    assert not os.path.exists(out + ".meta")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device")]
)
@pytest.mark.parametrize("where", ["write", "fsync", "rename"])
def test_nothing_is_left_on_failure(prefix, out, monkeypatch, error, where):
    of_all_kinds().write(prefix)
    lr.write_checkpoint(out, {"old": np.int32(1)})
    before = contents(out)
    directory = os.path.dirname(prefix)
    names = sorted(os.listdir(directory))

    def fail(*args, **options):
        raise error

    if where == "write":
        target = "legacy_restore.checkpoint.shard_writer.ShardWriter._write_at"
        monkeypatch.setattr(target, fail)
    else:
        monkeypatch.setattr(os, where, fail)
    with pytest.raises((errors.WriteError, KeyboardInterrupt)):
        lr.salvage(prefix, out, overwrite=True)
    monkeypatch.undo()
    assert sorted(os.listdir(directory)) == names
    assert contents(out) == before


@pytest.mark.parametrize("key", ["a/kernel", "b/words", "d/table"])
@pytest.mark.parametrize("is_big_endian", [False, True])
def test_input_that_changes_meanwhile_is_refused(
    prefix, out, monkeypatch, key, is_big_endian
):
    of_all_kinds(is_big_endian=is_big_endian).write(prefix)
    _, shard, _, end = [one for one in parts_in(prefix) if one[0] == key][-1]
    find = salvage_module.find_survivors

    def change(*args):
        found = find(*args)
        flip(shard_path(prefix, shard, 2), end - 1)
        return found

    monkeypatch.setattr(salvage_module, "find_survivors", change)
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        lr.salvage(prefix, out)
    (finding,) = caught.value.findings
    assert (finding.id, finding.subject) == ("checkpoint-changed", key)
    assert not os.path.exists(out + ".index")
    assert is_tidy(out)


# Hostile files.


def test_number_of_data_files_that_is_declared_is_not_made(prefix, out):
    of_all_kinds().write(prefix)
    rewrite_index(prefix, lambda pairs: pairs.update({b"": header(99_999)}))
    for shard in (0, 1):
        os.rename(shard_path(prefix, shard, 2), shard_path(prefix, shard, 99_999))
    assert lr.salvage(prefix, out).ok
    made = [n for n in os.listdir(os.path.dirname(out)) if n.startswith("out.ckpt")]
    assert len(made) == 3


def test_tensor_larger_than_its_file_takes_no_memory(prefix, out):
    builder = BundleBuilder().add("u", TABLE)
    builder.index[b"t"] = entry(1, (1 << 40,), 0, 0, 1 << 42, 0)
    builder.index[b"v"] = entry(7, (1 << 40,), 0, 0, 1 << 42, 0)
    builder.write(prefix)
    with memory_below(8 << 20):
        report = lr.salvage(prefix, out)
    assert keys(report.lost) == ["t", "v"]


def test_key_that_is_a_slice_of_another_tensor_is_taken_once(prefix, out):
    builder = BundleBuilder()
    name = slice_key(b"t", (Extent(0, 2), Extent(0, 3)))
    builder.add(name, TABLE[:2])
    builder.add_sliced("t", TABLE, [(Extent(0, 2), Extent()), (Extent(2, 2), Extent())])
    builder.write(prefix)
    report = lr.salvage(prefix, out)
    assert len(report.lost) == 1
    assert "part of another tensor" in report.lost[0].reason
    assert report.written == out


def test_slices_without_elements_are_left_out(prefix, out):
    builder = BundleBuilder()
    parts = parts_along(0, TABLE.shape, [4])
    builder.add_sliced("t", TABLE, [*parts, (Extent(1, 0), Extent())])
    none = np.zeros([0, 3], np.float32)
    rows = [(Extent(0, 0), Extent(0, 1)), (Extent(0, 0), Extent(1, 2))]
    builder.add_sliced("none", none, rows)
    builder.index[b"gone"] = entry(1, (4,), slices=[(Extent(1, 0),)])
    builder.index[slice_key(b"gone", [Extent(1, 0)])] = entry(1, (0,))
    builder.write(prefix)
    report = lr.salvage(prefix, out)
    assert keys(report.lost) == ["gone"]
    with open_checkpoint(out) as checkpoint:
        assert checkpoint["t"].tolist() == TABLE.tolist()
        assert checkpoint["none"].shape == (0, 3)


def test_v1_tensor_without_a_name_is_lost(tmp_path, out):
    builder = V1Builder().add("", TABLE).add("u", TABLE)
    report = lr.salvage(builder.write(tmp_path / "model.ckpt"), out)
    assert keys(report.lost) == [""]
    assert set(contents(out)) == {"u"}


def test_large_tensors_are_copied_a_chunk_at_a_time(prefix, out):
    words = strings(*[b"word" * (number % 9) for number in range(200_000)])
    builder = BundleBuilder().add("numbers", np.zeros(16 << 20, np.uint8))
    builder.add("words", words).write(prefix)
    del builder, words
    with memory_below(8 << 20):
        assert lr.salvage(prefix, out).ok


def test_keys_cannot_break_a_line(prefix, out):
    BundleBuilder().add("a\nb", TABLE).add("c", TABLE).write(prefix)
    flip(shard_path(prefix), 0)
    report = lr.salvage(prefix, out)
    (line,) = [one for one in str(report).splitlines() if "checksum is" in one]
    assert line.startswith("  a\\nb  lost")


# Without TensorFlow; and with it.


def test_it_loads_neither_tensorflow_nor_absl(prefix, out):
    of_all_kinds().write(prefix)
    flip(shard_path(prefix, 1, 2), 0)
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'absl', 'keras', 'tf_keras', 'ml_dtypes'):\n"
        "    sys.modules[name] = None\n"
        "import legacy_restore as lr\n"
        f"report = lr.salvage({prefix!r}, {out!r})\n"
        "assert str(report) and report.to_json() and len(report.lost) == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=str(ROOT), check=True)


def test_tensorflow_reads_what_was_saved(tmp_path, prefix, out):
    tf = pytest.importorskip("tensorflow.compat.v1")
    cases = [of_all_kinds().write(prefix)]
    for name in ("tf1_15_sharded", "tf1_15_partitioned", "tf1_0_v1"):
        shutil.copytree(str(golden.FOLDER / name), str(tmp_path / name))
        cases.append(str(tmp_path / name / "model.ckpt"))
    for number, case in enumerate(cases):
        with open_checkpoint(case) as checkpoint:
            expected = {key: checkpoint[key] for key in checkpoint}
        path = shard_path(case, 0, 2) if number == 0 else None
        if path is not None:
            flip(path, 0)
        target = f"{out}-{number}"
        report = lr.salvage(case, target)
        reader = tf.train.load_checkpoint(target)
        assert set(reader.get_variable_to_shape_map()) == set(keys(report.saved))
        assert len(report.lost) == (1 if path else 0)
        for row in report.saved:
            found = np.asarray(reader.get_tensor(row.key))
            wanted = expected[row.key]
            assert found.shape == wanted.shape
            if wanted.dtype == object:
                assert found.astype(object).tolist() == wanted.tolist()
            else:
                assert found.tobytes() == wanted.tobytes(), row.key


def test_tensorflow_refuses_a_tensor_of_which_slices_are_lost(prefix, out):
    tf = pytest.importorskip("tensorflow.compat.v1")
    of_all_kinds().write(prefix)
    (first, _) = [one for one in parts_in(prefix) if one[0] == "d/table"]
    flip(shard_path(prefix, first[1], 2), first[2])
    lr.salvage(prefix, out, allow_incomplete=["d/table"])
    with tf.Graph().as_default(), tf.Session() as session:
        whole = tf.raw_ops.RestoreV2(
            prefix=out,
            tensor_names=["d/table"],
            shape_and_slices=[""],
            dtypes=[tf.float32],
        )
        rows = tf.raw_ops.RestoreV2(
            prefix=out,
            tensor_names=["d/table"],
            shape_and_slices=["4 3 1,3:0,3"],
            dtypes=[tf.float32],
        )
        with pytest.raises(tf.errors.OpError):
            session.run(whole)
        assert session.run(rows)[0].tolist() == (TABLE + 1)[1:].tolist()


def test_tensorflow_goes_on_with_the_graph_that_was_copied(tmp_path, out):
    tf = pytest.importorskip("tensorflow.compat.v1")
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("v", initializer=tf.constant(TABLE))
        name = tf.identity(variable).name
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), 7)
    assert lr.salvage(prefix, out).ok
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(out + ".meta").restore(session, out)
        assert session.run(name).tolist() == TABLE.tolist()


@pytest.mark.parametrize(
    "path",
    [
        "cudnn_lstm",
        "iris_partitioned",
        "keras_object_based",
        "mtcnn/PNet_landmark",
        "regression/saved_model",
        "taxi_estimator",
        "traffic_signs_v1",
    ],
)
def test_real_checkpoints_are_copied(path, out):
    report = lr.salvage(sample(path), out)
    assert report.ok, str(report)
    with open_checkpoint(report.prefix) as one, open_checkpoint(out) as other:
        assert one.digest == other.digest
