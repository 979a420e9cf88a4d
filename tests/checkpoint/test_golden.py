"""Golden checkpoints: what old TensorFlow releases wrote is what is read."""

import sys

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, dtypes, open_checkpoint
from tests.checkpoint import golden
from tests.checkpoint.builders import pairs_of

PREFIXES = golden.prefixes()
VARIANT = "tf1_15_variant/model.ckpt"


@pytest.fixture(params=PREFIXES)
def case(request):
    with open_checkpoint(golden.path_of(request.param)) as checkpoint:
        yield checkpoint, golden.expected_of(request.param)


def is_readable(dtype):
    try:
        dtypes.BY_NAME[dtype].to_numpy()
    except errors.LegacyRestoreError:
        return False
    return True


def readable(expected):
    found = {key: one for key, one in expected.items() if is_readable(one.dtype)}
    assert found
    return found


def test_every_folder_has_a_checkpoint():
    folders = {path.name for path in golden.FOLDER.glob("tf*")}
    assert folders == {prefix.split("/")[0] for prefix in PREFIXES}
    assert len(folders) >= 9


def test_every_release_is_covered():
    releases = {"_".join(prefix.split("_")[:2]) for prefix in PREFIXES}
    of_v1 = {"_".join(prefix.split("_")[:2]) for prefix in PREFIXES if "_v1" in prefix}
    assert releases == of_v1 == {"tf0_12", "tf1_0", "tf1_15"}


def test_keys_are_those_that_were_saved(case):
    checkpoint, expected = case
    assert list(checkpoint) == sorted(expected)
    assert len(checkpoint) == len(expected)


def test_entries_say_dtype_and_shape(case):
    checkpoint, expected = case
    found = {one.key: (one.dtype, one.shape) for one in checkpoint.entries()}
    assert found == {key: (one.dtype, one.shape) for key, one in expected.items()}


def test_values_are_equal_byte_by_byte(case):
    checkpoint, expected = case
    for key, one in readable(expected).items():
        array = checkpoint[key]
        assert array.shape == one.shape
        assert array.dtype == dtypes.BY_NAME[one.dtype].to_numpy()
        assert golden.contents_of(array) == one.contents, key


def test_computed_crc_is_the_stored_one(case):
    checkpoint, expected = case
    for key in readable(expected):
        entry = checkpoint.entry(key)
        if entry.slices or checkpoint.format == "V1":
            assert entry.crc32c is None
        else:
            assert checksum.mask(checksum.tensor_crc(checkpoint[key])) == entry.crc32c
        assert checkpoint.contents_crc(key) == checksum.tensor_crc(checkpoint[key])


def test_nothing_is_found_wrong_with_the_files(case):
    checkpoint, _ = case
    is_sharded_v1 = checkpoint.prefix.endswith("-?????-of-00003")
    remarks = ["location-resolved"] if is_sharded_v1 else []
    assert [finding.id for finding in checkpoint.findings] == remarks
    assert checkpoint.format == ("V1" if "_v1" in checkpoint.prefix else "V2")


def test_every_tensor_is_verified(case):
    checkpoint, expected = case
    for key in readable(expected):
        checkpoint.verify_tensor(key)


def test_stored_bytes_add_up(case):
    checkpoint, _ = case
    for entry in checkpoint.entries():
        itemsize = dtypes.BY_NAME[entry.dtype].itemsize
        if itemsize is not None:
            assert entry.nbytes == entry.num_elements * itemsize


def open_golden(folder):
    return open_checkpoint(golden.path_of(folder + "/model.ckpt"))


def test_every_dtype_that_tensorflow_1_15_saves_is_there():
    with open_golden("tf1_15_dtypes") as checkpoint:
        found = {entry.dtype for entry in checkpoint.entries()}
    with open_golden("tf1_15_v1") as v1:
        of_v1 = {entry.dtype for entry in v1.entries()}
    # Its writer has no place for these.
    assert found - of_v1 == {"bfloat16", "qint16", "quint16", "uint32", "uint64"}
    unsaved = {"resource", "variant"}
    assert (
        found
        == {one.name for one in dtypes.BY_NUMBER.values() if one.number <= 23} - unsaved
    )


def test_bfloat16_has_the_type_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with open_golden("tf1_15_dtypes") as checkpoint:
        array = checkpoint["bfloat16"]
    assert array.dtype == np.dtype(ml_dtypes.bfloat16)
    assert list(array.astype(np.float32)[-2:]) == [1.0, 3.140625]


def test_bfloat16_without_ml_dtypes_is_refused_and_the_others_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with open_golden("tf1_15_dtypes") as checkpoint:
        assert checkpoint.entry("bfloat16").dtype == "bfloat16"
        assert checkpoint.entry("bfloat16").shape == (8,)
        with pytest.raises(errors.MissingDependencyError, match="ml_dtypes"):
            checkpoint["bfloat16"]
        for key in set(checkpoint) - {"bfloat16"}:
            assert checkpoint[key].shape == checkpoint.entry(key).shape


def test_strings_keep_nul_bytes_and_bytes_that_are_no_text():
    with open_golden("tf1_15_dtypes") as checkpoint:
        found = list(checkpoint["string"])
    assert all(type(one) is bytes for one in found)
    assert b"" in found
    assert b"nul at the end\0" in found
    assert b"\xff\xfe\x80 not UTF-8" in found


def test_scalars_and_empty_tensors_keep_their_shapes():
    with open_golden("tf1_15_shapes") as checkpoint:
        assert checkpoint["scalar/int"].shape == ()
        assert checkpoint["scalar/int"] == -(2**40)
        assert checkpoint["scalar/string"].shape == ()
        assert checkpoint["scalar/string"].item() == b"one scalar"
        assert checkpoint["empty/middle"].shape == (3, 0, 2)
        assert checkpoint["empty/string"].shape == (0,)
        assert checkpoint["five_axes"].shape == (2, 1, 3, 2, 4)
        assert checkpoint.entry("scalar/int").num_elements == 1
        assert checkpoint.entry("empty/middle").num_elements == 0


def test_variant_is_listed_and_refused_by_name_while_the_other_reads():
    with open_golden("tf1_15_variant") as checkpoint:
        assert checkpoint.entry("tensor_list").dtype == "variant"
        with pytest.raises(errors.UnsupportedCheckpointError, match="variant"):
            checkpoint["tensor_list"]
        assert checkpoint["plain"].shape == (2, 3)


def test_partitioned_tensor_is_one_tensor_with_its_slices():
    with open_golden("tf1_15_partitioned") as checkpoint:
        rows = checkpoint.entry("rows")
        columns = checkpoint.entry("columns")
        whole = checkpoint.entry("whole")
    assert [(part.start, part.shape) for part in rows.slices] == [
        ((0, 0), (3, 4)),
        ((3, 0), (2, 4)),
        ((5, 0), (2, 4)),
    ]
    assert [(part.start, part.shape) for part in columns.slices] == [
        ((0, 0), (3, 4)),
        ((0, 4), (3, 3)),
        ((0, 7), (3, 3)),
    ]
    assert (rows.shard, rows.crc32c, rows.nbytes) == (None, None, 7 * 4 * 4)
    assert (whole.slices, whole.shard) == ((), 0)
    assert whole.crc32c is not None


def test_partitioned_tensor_of_v1_is_assembled_from_three_files():
    with open_checkpoint(golden.path_of("tf1_15_v1_sharded")) as checkpoint:
        rows = checkpoint.entry("rows")
        shards = {entry.key: entry.shard for entry in checkpoint.entries()}
        names = [path[-len("00000-of-00003") :] for path in checkpoint.paths()]
    assert [part.shape for part in rows.slices] == [(3, 2), (2, 2), (2, 2)]
    assert (rows.shard, rows.crc32c, rows.nbytes) == (None, None, 7 * 2 * 4)
    assert shards == {"rows": None, "bias": 0, "words": 1, "step": 2}
    assert names == [f"0000{shard}-of-00003" for shard in range(3)]


def test_shards_are_three_and_one_tensor_has_a_slice_in_each():
    with open_golden("tf1_15_sharded") as checkpoint:
        shards = {entry.key: entry.shard for entry in checkpoint.entries()}
        assert len(checkpoint.paths()) == 4
        assert len(checkpoint.entry("spread").slices) == 3
    assert shards.pop("spread") is None
    assert shards == {key: int(key[len("shard_")]) for key in shards}


def test_index_of_several_blocks_is_read_in_reasonable_time():
    # 5,900 slices: comparing each with each would take minutes.
    index = pairs_of(golden.path_of("tf1_15_many/model.ckpt.index"))
    assert sum(map(len, index)) + sum(map(len, index.values())) > 256 << 10
    with open_golden("tf1_15_many") as checkpoint:
        assert len(checkpoint.entry("net/block3/embedding").slices) == 5900


def digest_of(prefix):
    with open_checkpoint(golden.path_of(prefix)) as checkpoint:
        return checkpoint.digest


def test_two_models_with_the_same_names_have_other_digests():
    others = [prefix for prefix in PREFIXES if "_v1" not in prefix]
    assert len({digest_of(prefix) for prefix in others}) == len(others)


def test_one_model_that_three_releases_wrote_has_one_digest():
    same = [prefix for prefix in PREFIXES if "_v1_sharded" in prefix]
    assert len(same) == 3
    assert len({digest_of(prefix) for prefix in same}) == 1
