"""Writing a bundle tensor by tensor: raw bytes, slices, and what is refused."""

import os
import shutil

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import bundle_writer, dtypes, open_checkpoint
from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.bundle_writer import BundleWriter
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.tensor_bytes import stored_array, stored_raw
from tests.checkpoint import golden
from tests.checkpoint.builders import BundleBuilder, strings

INT = dtypes.BY_NAME["int32"]
STRING = dtypes.BY_NAME["string"]
VARIANT = dtypes.BY_NAME["variant"]


def numbers(*values):
    return stored_array(np.int32(values), INT)


def files_in(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def copy_raw(source, target):
    """Copies a bundle's bytes in their order, whatever they are."""
    bundle = Bundle(source)
    pieces = [(key, None, one) for key, one in bundle.entries.items()]
    pieces = [piece for piece in pieces if piece[0] not in bundle.slices]
    for key, slices in bundle.slices.items():
        pieces += [(key, stored.part, stored.entry) for stored in slices]
    pieces.sort(key=lambda piece: (piece[2].shard, piece[2].offset, piece[2].size))
    with BundleWriter(target, bundle.header.num_shards) as writer:
        for key, part, entry in pieces:
            with open(bundle.shard_path(entry.shard), "rb") as file:
                file.seek(entry.offset)
                data = file.read(entry.size)
            chunks = [data[start : start + 7] for start in range(0, len(data), 7)]
            raw = stored_raw(entry.dtype, entry.shape, chunks, entry.crc32c)
            if part is None:
                writer.add(key, raw, entry.shard)
            else:
                shape = bundle.entries[key].shape
                writer.add_slice(key, shape, part, raw, entry.shard)
        writer.finish()
    bundle.close()


@pytest.mark.parametrize("prefix", golden.prefixes("V2"))
def test_golden_checkpoints_are_copied_byte_by_byte(prefix, tmp_path):
    source = golden.path_of(prefix)
    target = str(tmp_path / os.path.basename(prefix))
    copy_raw(source, target)
    with open_checkpoint(source) as one, open_checkpoint(target) as other:
        assert one.digest == other.digest
    folder = os.path.dirname(source)
    for name, data in files_in(tmp_path).items():
        if name.endswith(".index") and has_abbreviated_slices(source):
            continue
        with open(os.path.join(folder, name), "rb") as file:
            assert data == file.read(), name


def has_abbreviated_slices(prefix):
    """Whether axes are stored as taken whole; the writer names start and length."""
    bundle = Bundle(prefix)
    bundle.close()
    return any(
        extent.length is None
        for entry in bundle.entries.values()
        for extents in entry.slices
        for extent in extents
    )


def test_most_golden_checkpoints_are_compared_with_their_index():
    prefixes = [golden.path_of(prefix) for prefix in golden.prefixes("V2")]
    assert sum(not has_abbreviated_slices(one) for one in prefixes) >= 9


def test_variants_and_dtypes_of_the_future_are_copied_with_their_checksums(tmp_path):
    future = dtypes.from_number(99)
    with BundleWriter(tmp_path / "m") as writer:
        writer.add("v", stored_raw(VARIANT, (2,), [b"some", b"thing"], 0x12345678))
        writer.add("f", stored_raw(future, (3,), [b"abc"], 7))
        writer.finish()
    with open_checkpoint(tmp_path / "m") as checkpoint:
        entries = {one.key: one for one in checkpoint.entries()}
    assert (entries["v"].dtype, entries["v"].crc32c) == ("variant", 0x12345678)
    assert (entries["f"].dtype, entries["f"].nbytes) == ("unknown(99)", 3)
    assert (tmp_path / "m.data-00000-of-00001").read_bytes() == b"somethingabc"


def test_a_bundle_without_tensors_has_all_of_its_files(tmp_path):
    with BundleWriter(tmp_path / "m", 2) as writer:
        writer.finish()
    assert sorted(files_in(tmp_path)) == [
        "m.data-00000-of-00002",
        "m.data-00001-of-00002",
        "m.index",
    ]
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert (list(checkpoint), checkpoint.findings) == ([], [])


def test_slices_may_be_few_and_in_several_files(tmp_path):
    with BundleWriter(tmp_path / "m", 3) as writer:
        writer.add_slice("w", (4,), TensorSlice((2,), (2,)), numbers(3, 4), 2)
        writer.add("a", numbers(9), 1)
        writer.add_slice("w", (4,), TensorSlice((0,), (1,)), numbers(1), 0)
        writer.add_slice("x", (2,), TensorSlice((0,), (2,)), numbers(5, 6), 1)
        writer.finish()
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert [one.id for one in checkpoint.findings] == ["incomplete-tensor"]
        parts = {part.start: list(v) for part, v in checkpoint.read_parts("w")}
        assert parts == {(2,): [3, 4], (0,): [1]}
        assert checkpoint.entry("w").shape == (4,)
        assert checkpoint.entry("x").slices == ()
        assert list(checkpoint["x"]) == [5, 6]


def test_a_tensor_whose_bytes_fail_is_left_out_and_the_others_are_right(tmp_path):
    def broken():
        yield b"\1\0\0\0"
        raise RuntimeError("the source is damaged")

    with BundleWriter(tmp_path / "m") as writer:
        writer.add("a", numbers(1, 2))
        with pytest.raises(RuntimeError):
            writer.add("b", stored_raw(INT, (2,), broken()))
        writer.add("c", numbers(3))
        with pytest.raises(RuntimeError):
            writer.add_slice("d", (3,), TensorSlice((0,), (2,)), _raw(broken()))
        writer.finish()
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert {key: list(checkpoint[key]) for key in checkpoint} == {
            "a": [1, 2],
            "c": [3],
        }
    assert (tmp_path / "m.data-00000-of-00001").stat().st_size == 12


def _raw(chunks):
    return stored_raw(INT, (2,), chunks)


def refused(function, *arguments):
    with pytest.raises(errors.UsageError) as caught:
        function(*arguments)
    assert caught.value.findings
    return str(caught.value)


def test_what_contradicts_itself_is_refused(tmp_path):
    part = TensorSlice((0,), (1,))
    with BundleWriter(tmp_path / "m", 2) as writer:
        writer.add("a", numbers(1))
        writer.add_slice("w", (3,), part, numbers(1))
        cases = [
            (writer.add, "a", numbers(1)),
            (writer.add, "w", numbers(1)),
            (writer.add, "", numbers(1)),
            (writer.add, b"b", numbers(1)),
            (writer.add, "\ud800", numbers(1)),
            (writer.add, "b", numbers(1), 2),
            (writer.add, "b", numbers(1), -1),
            (writer.add, "b", stored_raw(INT, (2,), [b"1234"])),
            (writer.add, "b", stored_raw(INT, (1,), [b"1234", b"5"])),
            (writer.add, "b", stored_raw(INT, (1,), [b"1234"], 5)),
            (writer.add_slice, "a", (3,), part, numbers(1)),
            (writer.add_slice, "w", (3,), part, numbers(1)),
            (writer.add_slice, "w", (4,), TensorSlice((1,), (1,)), numbers(1)),
            (writer.add_slice, "w", (3,), TensorSlice((1,), (2,)), numbers(1)),
            (writer.add_slice, "w", (3,), TensorSlice((2,), (2,)), numbers(1, 2)),
            (writer.add_slice, "w", (3,), TensorSlice((2,), (0,)), numbers()),
            (writer.add_slice, "w", (3,), TensorSlice((2, 0), (1, 1)), numbers(1)),
            (writer.add_slice, "w", (3,), TensorSlice((-1,), (1,)), numbers(1)),
            (
                writer.add_slice,
                "w",
                (3,),
                TensorSlice((2,), (1,)),
                stored_array(np.float32([1]), dtypes.BY_NAME["float32"]),
            ),
        ]
        for case in cases:
            refused(*case)
        writer.finish()
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert list(checkpoint) == ["a", "w"]
        assert len(checkpoint.entry("w").slices) == 1


def test_slices_that_overlap_are_refused_at_the_end(tmp_path):
    with BundleWriter(tmp_path / "m") as writer:
        writer.add_slice("w", (3,), TensorSlice((0,), (2,)), numbers(1, 2))
        writer.add_slice("w", (3,), TensorSlice((1,), (2,)), numbers(2, 3))
        assert "overlap" in refused(writer.finish)
    assert files_in(tmp_path) == {}


def test_a_key_that_is_the_entry_of_a_slice_is_refused(tmp_path):
    from legacy_restore.checkpoint.slices import Extent, slice_key

    key = slice_key(b"w", [Extent(0, 1)]).decode("utf-8", "surrogateescape")
    with BundleWriter(tmp_path / "m") as writer:
        writer.add(key, numbers(1))
        refused(writer.add_slice, "w", (3,), TensorSlice((0,), (1,)), numbers(1))


def test_finishing_twice_and_adding_afterwards(tmp_path):
    writer = BundleWriter(tmp_path / "m")
    with pytest.raises(errors.ClosedError):
        writer.add("a", numbers(1))
    with writer:
        writer.add("a", numbers(1))
        writer.finish()
        with pytest.raises(errors.ClosedError):
            writer.finish()
        with pytest.raises(errors.ClosedError):
            writer.add("b", numbers(1))
    with pytest.raises(errors.ClosedError):
        writer.finish()
    assert len(files_in(tmp_path)) == 2


def test_what_is_not_finished_leaves_nothing(tmp_path):
    with BundleWriter(tmp_path / "m") as writer:
        writer.add("a", numbers(1))
    assert files_in(tmp_path) == {}
    with pytest.raises(KeyboardInterrupt), BundleWriter(tmp_path / "m") as writer:
        writer.add("a", numbers(1))
        raise KeyboardInterrupt
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("shards", [0, -1, 100_000, 1.0, True, "2", None])
def test_numbers_of_data_files(tmp_path, shards):
    with pytest.raises(errors.UsageError):
        BundleWriter(tmp_path / "m", shards)


def test_a_checkpoint_that_is_made_meanwhile_is_not_replaced(tmp_path):
    with BundleWriter(tmp_path / "m") as writer:
        writer.add("a", numbers(1))
        (tmp_path / "m.index").write_bytes(b"of somebody else")
        with pytest.raises(errors.WriteError) as caught:
            writer.finish()
    assert [one.id for one in caught.value.findings] == ["checkpoint-exists"]
    assert files_in(tmp_path) == {"m.index": b"of somebody else"}


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001"])
def test_what_is_read_back_differently_does_not_take_its_name(
    tmp_path, ending, monkeypatch
):
    compare = bundle_writer._compare_index

    def damage(prefix, pairs):
        with open(prefix + ending, "r+b") as file:
            byte = file.read(1)
            file.seek(0)
            file.write(bytes([byte[0] ^ 1]))
        compare(prefix, pairs)

    monkeypatch.setattr(bundle_writer, "_compare_index", damage)
    with BundleWriter(tmp_path / "m") as writer:
        writer.add("a", stored_array(strings(b"abc"), STRING))
        with pytest.raises(errors.WriteError) as caught:
            writer.finish()
    assert [one.id for one in caught.value.findings] == ["save-failed"]
    assert files_in(tmp_path) == {}


def test_the_current_directory_may_change(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    with BundleWriter("m") as writer:
        writer.add("a", numbers(1))
        monkeypatch.chdir(tmp_path / "other")
        writer.finish()
    shutil.rmtree(str(tmp_path / "other"))
    assert sorted(files_in(tmp_path)) == ["m.data-00000-of-00001", "m.index"]


def test_what_is_read_of_a_big_endian_bundle_is_written_with_the_lowest_byte_first(
    tmp_path,
):
    builder = BundleBuilder(is_big_endian=True)
    builder.add("a", np.int32([1, 2]))
    builder.write(tmp_path / "big")
    with open_checkpoint(tmp_path / "big") as source:
        values = source["a"]
    with BundleWriter(tmp_path / "m") as writer:
        writer.add("a", stored_array(values, INT))
        writer.finish()
    assert (tmp_path / "m.data-00000-of-00001").read_bytes() == b"\1\0\0\0\2\0\0\0"
