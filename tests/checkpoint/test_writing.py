"""``lr.write_checkpoint``: from a mapping to files, and what is refused."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from tests.checkpoint import golden
from tests.checkpoint.builders import (
    BundleBuilder,
    memory_below,
    parts_along,
    shard_path,
    small_checkpoint,
    strings,
    table,
)
from tests.checkpoint.v1_builders import V1Builder

ROOT = pathlib.Path(lr.__file__).resolve().parents[1]


def files_in(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def read(prefix):
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.findings == []
        return {key: checkpoint[key] for key in checkpoint}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        value = np.asarray(value)
        assert found[key].dtype == value.dtype.newbyteorder("=")
        assert found[key].shape == value.shape
        if value.dtype == object:
            assert found[key].tolist() == value.tolist()
        else:
            assert found[key].tobytes() == value.astype(found[key].dtype).tobytes()


DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
)
ARRAYS = hnp.arrays(
    DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
)
TEXTS = st.lists(st.binary(max_size=20), max_size=6).map(lambda some: strings(*some))
KEYS = st.one_of(
    st.text(min_size=1, max_size=12).filter(lambda key: _is_encodable(key)),
    st.binary(min_size=1, max_size=6).map(
        lambda key: key.decode("utf-8", "surrogateescape")
    ),
)


def _is_encodable(key):
    try:
        return (
            key.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
            == key
        )
    except UnicodeError:
        return False


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(KEYS, st.one_of(ARRAYS, TEXTS), min_size=1), st.integers(1, 5))
def test_what_is_written_is_read(tmp_path_factory, tensors, shards):
    prefix = str(tmp_path_factory.mktemp("round") / "m")
    assert lr.write_checkpoint(prefix, tensors, shards=shards) == prefix
    assert_same(read(prefix), tensors)


@st.composite
def partitions(draw):
    """An array and slices that cut it along its axes, one after the other."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    parts = [((0,) * len(shape), tuple(shape))]
    for _ in range(draw(st.integers(0, 5))):
        start, size = parts.pop(draw(st.integers(0, len(parts) - 1)))
        axis = draw(st.integers(0, len(shape) - 1))
        cut = draw(st.integers(0, size[axis]))
        if cut in (0, size[axis]):
            parts.append((start, size))
            continue
        low, high = list(size), list(size)
        low[axis], high[axis] = cut, size[axis] - cut
        behind = list(start)
        behind[axis] += cut
        parts += [(start, tuple(low)), (tuple(behind), tuple(high))]
    array = np.arange(int(np.prod(shape)), dtype=np.int16).reshape(shape)
    return array, draw(st.permutations(parts))


@settings(deadline=None, max_examples=30)
@given(partitions(), st.integers(1, 3), st.booleans())
def test_slices_are_put_together_again(tmp_path_factory, given, shards, as_text):
    array, parts = given
    if as_text:
        flat = [b"%d" % number for number in array.reshape(-1)]
        array = strings(*flat).reshape(array.shape)
    prefix = str(tmp_path_factory.mktemp("slices") / "m")
    lr.write_checkpoint(prefix, {"w": array}, shards=shards, slices={"w": parts})
    assert_same(read(prefix), {"w": array})
    with open_checkpoint(prefix) as checkpoint:
        found = [(one.start, one.shape) for one in checkpoint.entry("w").slices]
        assert found == ([] if len(parts) == 1 else list(parts))
        again = lr.write_checkpoint(prefix + "2", checkpoint)
        with open_checkpoint(again) as copy:
            assert copy.entry("w").slices == checkpoint.entry("w").slices
            assert copy.digest == checkpoint.digest


@pytest.mark.parametrize("prefix", golden.prefixes())
@pytest.mark.parametrize("shards", [1, 3])
def test_golden_checkpoints_are_written_again(prefix, shards, tmp_path):
    with open_checkpoint(golden.path_of(prefix)) as source:
        kept = {entry.key: entry for entry in source.entries()}
        names = {entry.dtype for entry in kept.values()}
        if "variant" in names:
            with pytest.raises(errors.UsageError, match="variant"):
                lr.write_checkpoint(tmp_path / "m", source, shards=shards)
            return
        if "bfloat16" in names:
            pytest.importorskip("ml_dtypes")
        lr.write_checkpoint(tmp_path / "m", source, shards=shards)
        with open_checkpoint(tmp_path / "m") as copy:
            assert copy.digest == source.digest
            for key, entry in kept.items():
                found = copy.entry(key)
                assert (found.dtype, found.shape) == (entry.dtype, entry.shape)
                assert found.slices == entry.slices
                if source.format == "V2":  # V1 lists no sizes of strings.
                    assert found.nbytes == entry.nbytes


def test_slices_that_are_not_all_there_stay_so(tmp_path):
    builder = BundleBuilder()
    parts = parts_along(0, (4,), [2, 2])
    builder.add_sliced("w", np.arange(4, dtype=np.int32), parts)
    whole = [key for key in builder.index if key.startswith(b"\0")]
    builder.write(tmp_path / "whole")
    from legacy_restore.checkpoint import dtypes
    from tests.checkpoint.builders import entry

    del builder.index[whole[1]]
    builder.index[b"w"] = entry(dtypes.BY_NAME["int32"].number, (4,), slices=parts[:1])
    builder.write(tmp_path / "part")
    with open_checkpoint(tmp_path / "part") as source:
        lr.write_checkpoint(tmp_path / "m", source)
        with pytest.raises(errors.UsageError, match="only part"):
            lr.write_checkpoint(tmp_path / "n", source, slices={"w": [((0,), (4,))]})
        with open_checkpoint(tmp_path / "m") as copy:
            assert copy.entry("w") == source.entry("w")
    with open_checkpoint(tmp_path / "whole") as source:
        lr.write_checkpoint(tmp_path / "one", source, slices={"w": [((0,), (4,))]})
    with open_checkpoint(tmp_path / "one") as copy:
        assert copy.entry("w").slices == ()
        assert copy["w"].tolist() == [0, 1, 2, 3]


def test_quantized_dtypes(tmp_path):
    names = {"qint8": "i1", "quint8": "u1", "qint16": "i2", "quint16": "u2"}
    names["qint32"] = "i4"
    values = {name: np.arange(3).astype(dtype) for name, dtype in names.items()}
    lr.write_checkpoint(tmp_path / "m", values, dtypes={name: name for name in names})
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert {one.key: one.dtype for one in checkpoint.entries()} == {
            name: name for name in names
        }
        lr.write_checkpoint(tmp_path / "n", checkpoint, dtypes={"qint8": "int8"})
    with open_checkpoint(tmp_path / "n") as checkpoint:
        assert checkpoint.entry("qint8").dtype == "int8"
        assert checkpoint.entry("quint8").dtype == "quint8"


def test_tensors_are_spread_by_bytes_and_always_the_same_way(tmp_path):
    sizes = {"a": 10, "b": 80, "c": 30, "d": 30, "e": 20, "f": 0}
    values = {key: np.zeros(size, np.int8) for key, size in sizes.items()}
    for name in ("m", "n"):
        lr.write_checkpoint(tmp_path / name, values, shards=2)
        values = dict(reversed(list(values.items())))
    with open_checkpoint(tmp_path / "m") as checkpoint:
        shards = {one.key: one.shard for one in checkpoint.entries()}
    # The largest first: b | c, d, e (80) | a to the first of equals, then f.
    assert shards == {"b": 0, "c": 1, "d": 1, "e": 1, "a": 0, "f": 1}
    for ending in (".index", ".data-00000-of-00002", ".data-00001-of-00002"):
        one = (tmp_path / ("m" + ending)).read_bytes()
        assert one == (tmp_path / ("n" + ending)).read_bytes()


def test_more_data_files_than_tensors(tmp_path):
    lr.write_checkpoint(tmp_path / "m", {"a": 1}, shards=np.int64(40))
    assert len(files_in(tmp_path)) == 41
    assert read(tmp_path / "m")["a"] == 1


def test_all_that_cannot_be_written_is_said_at_once(tmp_path):
    tensors = {
        "text": "abc",
        "fields": np.zeros(2, [("x", "f4")]),
        "date": np.zeros(2, "M8[s]"),
        "wrong": np.zeros(2, np.float32),
        "sliced": np.zeros(4),
        "": 1.0,
        7: 1.0,
        "good": 1.0,
    }
    with pytest.raises(errors.UsageError) as caught:
        lr.write_checkpoint(
            tmp_path / "m",
            tensors,
            slices={"sliced": [((0,), (3,))], "absent": [((), ())]},
            dtypes={"wrong": "qint8", "lost": "qint8"},
        )
    found = sorted((one.id, one.subject) for one in caught.value.findings)
    assert found == [
        ("slices-mismatch", "sliced"),
        ("unknown-key", "absent"),
        ("unknown-key", "lost"),
        ("value-not-storable", "''"),
        ("value-not-storable", "7"),
        ("value-not-storable", "date"),
        ("value-not-storable", "fields"),
        ("value-not-storable", "text"),
        ("value-not-storable", "wrong"),
    ]
    assert len(str(caught.value).splitlines()) <= 15
    assert files_in(tmp_path) == {}


def test_keys_of_the_same_bytes(tmp_path):
    with pytest.raises(errors.UsageError, match="same bytes"):
        lr.write_checkpoint(tmp_path / "m", {"é": 1, "\udcc3\udca9": 2})


@pytest.mark.parametrize("tensors", [{}, None, [("a", 1)], np.zeros(3)])
def test_what_is_no_mapping_or_empty(tmp_path, tensors):
    with pytest.raises(errors.UsageError):
        lr.write_checkpoint(tmp_path / "m", tensors)


@pytest.mark.parametrize(
    "options", [{"slices": [1]}, {"dtypes": "qint8"}, {"shards": 0}, {"shards": 1.5}]
)
def test_arguments_that_cannot_be_meant(tmp_path, options):
    with pytest.raises(errors.UsageError):
        lr.write_checkpoint(tmp_path / "m", {"a": 1}, **options)
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("name", ["m.index", "m.meta", "m.data-00000-of-00001"])
def test_the_name_of_one_file_is_no_prefix(tmp_path, name):
    with pytest.raises(errors.UsageError) as caught:
        lr.write_checkpoint(tmp_path / name, {"a": 1})
    assert caught.value.hint == str(tmp_path / "m")


def test_prefixes_that_cannot_be_meant(tmp_path):
    for prefix in (None, 3, "", f"{tmp_path}/", tmp_path, tmp_path / "no" / "m"):
        with pytest.raises(errors.UsageError):
            lr.write_checkpoint(prefix, {"a": 1})


@pytest.mark.parametrize(
    "name",
    ["m.index", "m.meta", "m.data-00003-of-00009", "m-00000-of-00002", "m"],
)
def test_any_file_of_a_checkpoint_refuses_and_is_replaced_if_named(tmp_path, name):
    (tmp_path / name).write_bytes(table([(b"", b"")]))
    before = files_in(tmp_path)
    with pytest.raises(errors.WriteError) as caught:
        lr.write_checkpoint(tmp_path / "m", {"a": 1})
    assert [one.id for one in caught.value.findings] == ["checkpoint-exists"]
    assert caught.value.exit_code == 1
    assert "overwrite=True" in str(caught.value)
    assert files_in(tmp_path) == before
    lr.write_checkpoint(tmp_path / "m", {"a": 1}, overwrite=True)
    assert sorted(files_in(tmp_path)) == ["m.data-00000-of-00001", "m.index"]


def test_a_checkpoint_is_written_over_itself(tmp_path):
    prefix = small_checkpoint(tmp_path / "m")
    before = read(prefix)
    for shards in (1, 2, 2, 1):
        with open_checkpoint(prefix) as checkpoint:
            lr.write_checkpoint(prefix, checkpoint, shards=shards, overwrite=True)
        assert_same(read(prefix), before)
        assert len(files_in(tmp_path)) == shards + 1


def test_a_damaged_source_leaves_nothing_and_keeps_its_error(tmp_path):
    prefix = small_checkpoint(tmp_path / "m")
    with open(shard_path(prefix), "r+b") as file:
        file.write(b"\xff")
    before = files_in(tmp_path)
    with open_checkpoint(prefix) as checkpoint:
        with pytest.raises(errors.CorruptCheckpointError):
            lr.write_checkpoint(tmp_path / "n", checkpoint)
        checkpoint.close()
        with pytest.raises(errors.ClosedError):
            lr.write_checkpoint(tmp_path / "n", checkpoint)
    assert files_in(tmp_path) == before


def test_a_mapping_that_changes_between_its_two_readings(tmp_path):
    class Changing(dict):
        count = 0

        def __getitem__(self, key):
            self.count += 1
            return np.zeros(self.count)

    with pytest.raises(errors.UsageError, match="asked for again"):
        lr.write_checkpoint(tmp_path / "m", Changing(a=1))
    assert files_in(tmp_path) == {}


def test_errors_of_the_mapping_are_its_own(tmp_path):
    class Failing(dict):
        def __getitem__(self, key):
            raise OSError("the source cannot be read")

    with pytest.raises(OSError, match="the source"):
        lr.write_checkpoint(tmp_path / "m", Failing(a=1))
    assert files_in(tmp_path) == {}


def test_one_tensor_at_a_time_is_in_memory(tmp_path):
    values = {f"w{count}": np.zeros(1 << 19) for count in range(6)}
    with memory_below(12 << 20):
        lr.write_checkpoint(tmp_path / "m", values, shards=2)
        with open_checkpoint(tmp_path / "m") as checkpoint:
            lr.write_checkpoint(tmp_path / "n", checkpoint)


def test_all_of_it_works_where_tensorflow_cannot_be_imported(tmp_path):
    program = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "absl", "keras", "tf_keras"}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
import numpy as np
import legacy_restore as lr

values = {"w": np.ones([4, 2], np.float32), "s": [b"a", b""], "n": 3}
prefix = lr.write_checkpoint(
    sys.argv[1], values, shards=2, slices={"w": [((0, 0), (1, 2)), ((1, 0), (3, 2))]}
)
with lr.open_checkpoint(prefix) as checkpoint:
    copy = lr.write_checkpoint(sys.argv[1] + "2", checkpoint)
with lr.open_checkpoint(copy) as checkpoint:
    print(json.dumps([checkpoint["w"].tolist(), checkpoint["n"].tolist()]))
"""
    search = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout.decode()) == [[[1.0, 1.0]] * 4, 3]


def test_links_in_a_prefix_are_followed_as_the_system_does(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    monkeypatch.chdir(tmp_path)
    lr.write_checkpoint("link/../m", {"x": np.float32(1)})
    with open_checkpoint("link/../m") as checkpoint:
        assert checkpoint["x"] == 1
    assert sorted(path.name for path in (tmp_path / "a").glob("m.*")) == [
        "m.data-00000-of-00001",
        "m.index",
    ]


def test_a_checkpoint_that_lacks_files_is_not_written_without_them(tmp_path):
    """What was in a V1 file that is missing is listed nowhere."""
    for shard in range(2):
        builder = V1Builder().add(f"w{shard}", np.float32(shard))
        builder.write(tmp_path / f"old-{shard:05d}-of-00003")
    with open_checkpoint(tmp_path / "old") as source, pytest.raises(
        errors.CorruptCheckpointError
    ) as caught:
        lr.write_checkpoint(tmp_path / "new", source)
    assert [one.id for one in caught.value.findings] == ["shard-missing"]
    assert not list(tmp_path.glob("new*"))
