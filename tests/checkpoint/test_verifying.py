"""Verifying: every fault in one run, each tensor named, the others still good."""

import os
import shutil
import struct
import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import checksum, dtypes, open_checkpoint
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.slices import Extent, slice_key
from legacy_restore.checkpoint.table import read_blocks
from legacy_restore.checkpoint.verifying import verify_checkpoint
from legacy_restore.report.verify_report import VerifyStatus
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
    shard_path,
    strings,
    table,
    table_of_blocks,
    varint,
)

TABLE = np.arange(12, dtype=np.float32).reshape([4, 3])


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model.ckpt")


def of_all_kinds(prefix, **options):
    builder = BundleBuilder(num_shards=2, **options)
    builder.add("a/kernel", TABLE)
    builder.add("a/step", np.int64(7), shard=1)
    builder.add("b/words", strings(b"one", b"", b"\xff\0" * 9), shard=1)
    builder.add("c/none", np.zeros([0, 3], np.float32))
    parts = parts_along(0, TABLE.shape, [1, 3])
    builder.add_sliced("d/table", TABLE + 1, parts, shards=[0, 1])
    return builder


def statuses(report):
    return {row.key: row.status.value for row in report.rows}


def reason(report, key):
    (row,) = [row for row in report.rows if row.key == key]
    return row.reason


def file_ids(report):
    return [(one.id, os.path.basename(one.subject)) for one in report.file_findings]


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("name", golden.prefixes())
def test_sound_checkpoints_are_sound(name):
    report = verify_checkpoint(golden.path_of(name))
    assert report.ok
    assert {one.id for one in report.findings} <= {"location-resolved"}
    assert [row.key for row in report.rows] == sorted(golden.expected_of(name))
    assert set(statuses(report).values()) == {"ok"}
    report.raise_if_failed()
    with open_checkpoint(golden.path_of(name)) as checkpoint:
        assert checkpoint.verify() == report
        for key in checkpoint:
            checkpoint.verify_tensor(key)


@pytest.mark.parametrize("is_big_endian", [False, True])
def test_all_kinds_of_tensors_are_sound_in_both_byte_orders(prefix, is_big_endian):
    of_all_kinds(prefix, is_big_endian=is_big_endian).write(prefix)
    report = verify_checkpoint(prefix)
    assert report.ok, str(report)
    assert len(report.rows) == 5


def test_all_faults_are_found_in_one_run(prefix):
    of_all_kinds(prefix).write(prefix)
    flip(shard_path(prefix, 0, 2), 0)
    os.truncate(shard_path(prefix, 1, 2), 8)
    report = verify_checkpoint(prefix)
    assert statuses(report) == {
        "a/kernel": "corrupt",
        "a/step": "ok",
        "b/words": "missing data",
        "c/none": "ok",
        "d/table": "missing data",
    }
    assert file_ids(report) == [("shard-truncated", "model.ckpt.data-00001-of-00002")]
    assert [row.key for row in report.good] == ["a/step", "c/none"]
    assert [row.key for row in report.lost] == ["a/kernel", "b/words", "d/table"]
    assert "slice [1:4,0:3]" in reason(report, "d/table")
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        report.raise_if_failed()
    assert caught.value.findings == report.findings
    assert caught.value.exit_code == 3


def test_every_damaged_slice_is_named(prefix):
    of_all_kinds(prefix).write(prefix)
    flip(shard_path(prefix, 0, 2), 48)
    flip(shard_path(prefix, 1, 2), os.path.getsize(shard_path(prefix, 1, 2)) - 1)
    report = verify_checkpoint(prefix)
    assert "slice [0:1,0:3]" in reason(report, "d/table")
    assert "slice [1:4,0:3]" in reason(report, "d/table")


def test_missing_file_loses_what_was_in_it(prefix):
    of_all_kinds(prefix).write(prefix)
    os.remove(shard_path(prefix, 1, 2))
    report = verify_checkpoint(prefix)
    assert file_ids(report) == [("shard-missing", "model.ckpt.data-00001-of-00002")]
    lost = {row.key: row.status.value for row in report.lost}
    assert lost == dict.fromkeys(["a/step", "b/words", "d/table"], "missing data")


def test_longer_file_is_a_remark_and_alignment_is_none(prefix):
    of_all_kinds(prefix).write(prefix)
    with open(shard_path(prefix, 1, 2), "ab") as file:
        file.write(bytes(63))
    assert verify_checkpoint(prefix).findings == ()
    with open(shard_path(prefix, 1, 2), "ab") as file:
        file.write(b"x")
    report = verify_checkpoint(prefix)
    assert report.ok
    assert file_ids(report) == [("shard-longer", "model.ckpt.data-00001-of-00002")]


def test_data_files_of_another_set_are_a_remark(prefix):
    of_all_kinds(prefix).write(prefix)
    shutil.copy(shard_path(prefix, 0, 2), shard_path(prefix, 0, 1))
    report = verify_checkpoint(prefix)
    assert report.ok
    assert file_ids(report) == [("stray-data-file", "model.ckpt.data-00000-of-00001")]
    assert "2 data files" in report.findings[0].message


def test_index_and_data_of_different_steps_are_told_apart_from_damage(tmp_path):
    source = golden.FOLDER / "tf1_15_two_models" / "encoder"
    prefix = str(tmp_path / "model.ckpt-200")
    shutil.copy(str(source / "model.ckpt-200.index"), prefix + ".index")
    data = source / "model.ckpt-100.data-00000-of-00001"
    shutil.copy(str(data), shard_path(prefix))
    report = verify_checkpoint(prefix)
    assert set(statuses(report).values()) == {"corrupt"}
    (finding,) = report.file_findings
    assert (finding.id, finding.subject) == ("index-data-mismatch", shard_path(prefix))
    assert "another step" in finding.message
    assert "from one step" in finding.hint
    data = source / "model.ckpt-200.data-00000-of-00001"
    shutil.copy(str(data), shard_path(prefix))
    flip(shard_path(prefix), 0)
    assert verify_checkpoint(prefix).file_findings == ()


def test_file_whose_end_was_never_written_is_told(prefix):
    builder = BundleBuilder()
    for number in range(20):
        builder.add(f"t{number:02d}", np.full([1000], number + 1.0))
    builder.write(prefix)
    size = os.path.getsize(shard_path(prefix))
    os.truncate(shard_path(prefix), 100_000)
    os.truncate(shard_path(prefix), size)
    report = verify_checkpoint(prefix)
    assert len(report.good) == 12
    (finding,) = report.file_findings
    assert finding.id == "corrupt"
    assert "its last 60000 of 160000 bytes are zero" in finding.message
    assert reason(report, "t15").startswith("its bytes are all zero")


# Slices.


def sliced(prefix, extents, shape=(4, 3)):
    """A tensor of zeros whose slices may be anything."""
    builder = BundleBuilder()
    builder.index[b"t"] = entry(1, shape, slices=extents)
    for one in extents:
        size = [n if e.length is None else e.length for n, e in zip(shape, one)]
        data = np.zeros(size, np.float32)
        builder.index[slice_key(b"t", one)] = builder._store(data, "float32", 0)
    builder.add("u", TABLE)
    return builder.write(prefix)


def test_overlapping_slices_are_both_named_and_the_others_verified(prefix):
    rows = [(Extent(0, 2), Extent()), (Extent(1, 3), Extent())]
    report = verify_checkpoint(sliced(prefix, rows))
    assert statuses(report) == {"t": "corrupt", "u": "ok"}
    assert reason(report, "t") == "slices [0:2,0:3] and [1:4,0:3] of 't' overlap"


def test_hole_between_slices_is_named(prefix):
    rows = [(Extent(0, 1), Extent()), (Extent(2, 2), Extent())]
    report = verify_checkpoint(sliced(prefix, rows))
    assert statuses(report) == {"t": "incomplete", "u": "ok"}
    assert reason(report, "t") == "9 of 12 elements are stored; no slice has [1:2,0:3]"
    assert report.ok  # TensorFlow writes such tensors.
    assert len(report.good) == 2


def test_slice_beyond_its_tensor_and_slice_without_an_entry_are_named(prefix):
    sliced(prefix, [(Extent(3, 2), Extent())])
    assert "beyond its shape" in reason(verify_checkpoint(prefix), "t")
    rows = [(Extent(0, 1), Extent()), (Extent(1, 3), Extent())]
    sliced(prefix, rows)
    rewrite_index(prefix, lambda pairs: pairs.pop(slice_key(b"t", rows[1])))
    report = verify_checkpoint(prefix)
    assert statuses(report) == {"t": "corrupt", "u": "ok"}
    assert "slice that is not there" in reason(report, "t")


def test_slice_that_lists_slices_itself_is_named_after_its_tensor(prefix):
    # Of a name that stands before the keys of its slices.
    extents = (Extent(0, 2), Extent())
    builder = BundleBuilder().add("u", TABLE)
    builder.index[b"\0"] = entry(1, (4, 3), slices=[extents])
    builder.index[slice_key(b"\0", extents)] = entry(1, (2, 3), slices=[extents])
    report = verify_checkpoint(builder.write(prefix))
    assert statuses(report) == {"\0": "corrupt", "u": "ok"}


# A damaged index.


def test_entry_that_contradicts_itself_costs_one_tensor(prefix):
    of_all_kinds(prefix).write(prefix)
    rewrite_index(prefix, lambda pairs: pairs.update({b"b/words": b"\x0a"}))
    rewrite_index(prefix, lambda pairs: pairs.update({b"a/step": entry(9, (), 7)}))
    with pytest.raises(errors.CorruptCheckpointError):
        open_checkpoint(prefix)
    report = verify_checkpoint(prefix)
    assert [row.key for row in report.lost] == ["a/step", "b/words"]
    assert {row.status for row in report.lost} == {VerifyStatus.CORRUPT}


def blocks_of(prefix):
    file = PositionedFile(prefix + ".index")
    try:
        return list(read_blocks(file))
    finally:
        file.close()


def damage_block(prefix, key, at="checksum"):
    """Flips a byte of the block that lists a key."""
    (found,) = [
        one for one in blocks_of(prefix) if key in [pair.key for pair in one.pairs]
    ]
    inside = found.handle.size + 3 if at == "checksum" else 0
    flip(prefix + ".index", found.handle.offset + inside)


def test_damaged_block_costs_what_it_lists(prefix):
    of_all_kinds(prefix).write(prefix, pairs_per_block=4)
    damage_block(prefix, b"b/words")
    report = verify_checkpoint(prefix)
    assert statuses(report) == {
        "a/kernel": "ok",
        "a/step": "cannot tell",
        "b/words": "cannot tell",
        "c/none": "cannot tell",
        "d/table": "corrupt",
    }
    (finding,) = report.file_findings
    assert (finding.id, finding.subject) == ("corrupt", prefix + ".index")
    assert "does not match its checksum" in finding.message
    assert "block of the index that lists it is damaged" in reason(report, "a/step")


def test_doubtful_tensor_that_is_damaged_too_is_corrupt(prefix):
    of_all_kinds(prefix).write(prefix, pairs_per_block=1)
    damage_block(prefix, b"a/kernel")
    flip(shard_path(prefix, 0, 2), 0)
    assert statuses(verify_checkpoint(prefix))["a/kernel"] == "corrupt"


def test_every_damaged_block_is_found_and_named(prefix):
    builder = BundleBuilder()
    for number in range(40):
        builder.add(f"t{number:02d}", np.full([5], number, np.float32))
    builder.write(prefix, pairs_per_block=10)
    for key in (b"t12", b"t25"):
        damage_block(prefix, key, at="beginning")
    report = verify_checkpoint(prefix)
    assert [one.id for one in report.file_findings] == ["corrupt", "corrupt"]
    assert "from behind 't08' up to 't18'" in report.file_findings[0].message
    good = {row.key for row in report.good}
    assert good == {f"t{number:02d}" for number in [*range(9), *range(29, 40)]}


@pytest.mark.parametrize("at", ["checksum", "beginning"])
def test_without_its_header_nobody_knows_the_byte_order(prefix, at):
    of_all_kinds(prefix).write(prefix, pairs_per_block=1)
    damage_block(prefix, b"", at)
    report = verify_checkpoint(prefix)
    assert set(statuses(report).values()) == {"cannot tell"}
    assert "header of the index" in reason(report, "a/kernel")
    assert file_ids(report) == [("corrupt", "model.ckpt.index")]
    assert not report.ok


@pytest.mark.parametrize("at", ["checksum", "beginning"])
def test_slices_whose_tensor_is_lost_are_named_after_it(prefix, at):
    of_all_kinds(prefix).write(prefix, pairs_per_block=1)
    damage_block(prefix, b"d/table", at)
    report = verify_checkpoint(prefix)
    assert [row.key for row in report.lost] == ["d/table"]
    assert "damaged" in reason(report, "d/table")


def test_tensor_whose_slice_is_lost_is_lost(prefix):
    of_all_kinds(prefix).write(prefix, pairs_per_block=1)
    extents = parts_along(0, TABLE.shape, [1, 3])[1]
    damage_block(prefix, slice_key(b"d/table", extents))
    report = verify_checkpoint(prefix)
    assert [row.key for row in report.lost] == ["d/table"]
    assert "slice that is not there" in reason(report, "d/table")


def test_reader_version_that_is_not_this_ones_is_told(prefix):
    of_all_kinds(prefix, min_consumer=9).write(prefix)
    report = verify_checkpoint(prefix)
    assert [one.id for one in report.findings] == ["unsupported"]
    with pytest.raises(errors.UnsupportedCheckpointError):
        report.raise_if_failed()


def test_compressed_block_without_cramjam_is_told(prefix, monkeypatch):
    monkeypatch.setitem(sys.modules, "cramjam", None)
    contents = block([(b"", header()), (b"t", entry())])
    stored = varint(len(contents)) + contents
    with open(prefix + ".index", "wb") as file:
        file.write(table_of_blocks([(b"u", sealed(stored, 1))]))
    report = verify_checkpoint(prefix)
    assert [one.id for one in report.findings] == ["missing-dependency"]
    with pytest.raises(errors.MissingDependencyError):
        report.raise_if_failed()


def test_small_index_cannot_name_one_block_without_end(prefix):
    contents = block([(b"k" * 200, b"v" * 4000)])
    one = sealed(contents)
    handles = [(b"%05d" % n, varint(0) + varint(len(contents))) for n in range(5000)]
    listed = sealed(block(handles, restart_interval=1))
    footer = varint(0) + varint(8) + varint(len(one)) + varint(len(listed) - 5)
    with open(prefix + ".index", "wb") as file:
        file.write(one + listed + footer.ljust(40, b"\0") + table([])[-8:])
    with memory_below(16 << 20):
        report = verify_checkpoint(prefix)
    assert [one.message for one in report.findings] == ["its blocks overlap"]


# What cannot be decoded.


def variant(*elements, byte_order="<"):
    """The bytes of a variant tensor and their checksum."""
    data, crc = b"", 0
    for element in elements:
        crc = checksum.extend(crc, struct.pack(byte_order + "Q", len(element)))
        crc = checksum.extend(crc, element)
        raw = struct.pack(byte_order + "I", checksum.mask(crc))
        crc = checksum.extend(crc, raw)
        data += varint(len(element)) + element + raw
    return data, crc


def with_variants(prefix, data, crc, count, **options):
    builder = BundleBuilder(**options)
    builder.shards[0] = data
    builder.index[b"v"] = entry(21, (count,), 0, 0, len(data), checksum.mask(crc))
    return builder.write(prefix)


@pytest.mark.parametrize("is_big_endian", [False, True])
def test_variants_are_verified_without_being_decoded(prefix, is_big_endian):
    order = ">" if is_big_endian else "<"
    data, crc = variant(b"one", b"", b"x" * 300, byte_order=order)
    with_variants(prefix, data, crc, 3, is_big_endian=is_big_endian)
    assert verify_checkpoint(prefix).ok
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with open(shard_path(prefix), "wb") as file:
            file.write(changed)
        assert statuses(verify_checkpoint(prefix)) == {"v": "corrupt"}


def test_variants_that_do_not_fill_their_tensor_are_corrupt(prefix):
    data, crc = variant(b"one", b"two")
    for count in (1, 3):
        with_variants(prefix, data, crc, count)
        assert statuses(verify_checkpoint(prefix)) == {"v": "corrupt"}
    with_variants(prefix, varint(1 << 60) + data, crc, 2)
    with memory_below(4 << 20):
        assert statuses(verify_checkpoint(prefix)) == {"v": "corrupt"}


@pytest.mark.parametrize("number", [20, 34, 101])
def test_dtype_that_is_not_known_is_never_called_corrupt(prefix, number):
    data = b"whatever it means"
    crc = checksum.mask(checksum.crc32c(data))
    builder = BundleBuilder()
    builder.shards[0] = data
    builder.index[b"t"] = entry(number, (2,), 0, 0, len(data), crc)
    builder.write(prefix)
    assert verify_checkpoint(prefix).ok  # The checksum is that of the bytes.
    builder.index[b"t"] = entry(number, (2,), 0, 0, len(data), crc ^ 1)
    builder.write(prefix)
    report = verify_checkpoint(prefix)
    assert statuses(report) == {"t": "cannot tell"}
    assert dtypes.from_number(number).name in reason(report, "t")
    assert [one.id for one in report.findings] == ["tensor-undecided"]
    with pytest.raises(errors.UnsupportedCheckpointError):
        report.raise_if_failed()
    with open_checkpoint(prefix) as checkpoint, pytest.raises(
        errors.UnsupportedCheckpointError
    ):
        checkpoint.verify_tensor("t")
    os.truncate(shard_path(prefix), 3)
    assert statuses(verify_checkpoint(prefix)) == {"t": "missing data"}


# Memory.


def test_large_tensors_are_verified_a_chunk_at_a_time(prefix):
    words = strings(*[b"word" * (number % 9) for number in range(300_000)])
    builder = BundleBuilder().add("numbers", np.zeros(16 << 20, np.uint8))
    data, crc = variant(bytes(8 << 20), b"x")
    builder.add("words", words)
    builder.index[b"v"] = entry(
        21, (2,), 0, len(builder.shards[0]), len(data), checksum.mask(crc)
    )
    builder.shards[0] += data
    builder.write(prefix)
    del builder, words, data
    with open_checkpoint(prefix) as checkpoint, memory_below(5 << 20):
        report = checkpoint.verify()
    assert report.ok, str(report)


# Locations.


def test_directory_of_damaged_checkpoints_is_verified_at_its_highest_step(tmp_path):
    source = golden.FOLDER / "tf1_15_two_models" / "encoder"
    shutil.copytree(str(source), str(tmp_path / "encoder"))
    directory = str(tmp_path / "encoder")
    assert verify_checkpoint(directory).ok
    for name in os.listdir(directory):
        if name.endswith(".index"):
            flip(os.path.join(directory, name), 9)
    state_file = os.path.join(directory, "checkpoint")
    for location in (directory, directory + "@latest", state_file):
        report = verify_checkpoint(location)
        assert report.prefix == os.path.join(directory, "model.ckpt-300")
        assert {one.id for one in report.findings} >= {"location-resolved", "corrupt"}
    report = verify_checkpoint(directory + "@100")
    assert report.prefix == os.path.join(directory, "model.ckpt-100")


def test_location_without_an_index_is_an_error(tmp_path, prefix):
    for location in (prefix, tmp_path):
        with pytest.raises(errors.LocationError):
            verify_checkpoint(location)
    of_all_kinds(prefix).write(prefix)
    os.remove(prefix + ".index")
    for location in (prefix, shard_path(prefix, 0, 2)):
        with pytest.raises(errors.LocationError, match="without index|no index"):
            verify_checkpoint(location)


def test_closed_checkpoint_is_not_verified(prefix):
    of_all_kinds(prefix).write(prefix)
    with open_checkpoint(prefix) as checkpoint:
        pass
    with pytest.raises(errors.ClosedError):
        checkpoint.verify()


def test_it_is_public():
    assert lr.verify_checkpoint is verify_checkpoint


def test_good_tensors_are_those_that_can_be_read(prefix):
    of_all_kinds(prefix).write(prefix)
    flip(shard_path(prefix, 1, 2), 20)
    report = verify_checkpoint(prefix)
    with open_checkpoint(prefix) as checkpoint:
        for row in report.good:
            assert checkpoint[row.key] is not None
        for row in report.lost:
            with pytest.raises(errors.CorruptCheckpointError):
                checkpoint[row.key]
    assert report.lost
    assert pairs_of(prefix + ".index")
