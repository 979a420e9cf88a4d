"""Comparing checkpoints: what TensorFlow wrote, what was built, what is damaged."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint
from legacy_restore.examining import pairwise
from legacy_restore.examining.diff_report import ComparedBy, DiffStatus
from tests.checkpoint import builders, golden
from tests.checkpoint.builders import BundleBuilder, parts_along
from tests.planning.specs import error_ids, ids, of_id


def write(path, tensors, **options):
    """Writes a checkpoint; a tensor may be a pair of array and sizes of its slices."""
    builder = BundleBuilder(**options)
    for key, value in tensors.items():
        if isinstance(value, tuple):
            array, sizes = value
            builder.add_sliced(key, array, parts_along(0, array.shape, sizes))
        else:
            builder.add(key, value)
    return builder.write(str(path))


def compared(tmp_path, a, b, **options):
    first, second = write(tmp_path / "a.ckpt", a), write(tmp_path / "b.ckpt", b)
    return lr.diff(first, second, **options)


def statuses(report):
    return {row.key: row.status for row in report.rows}


def floats(*values):
    return np.array(values, np.float32)


# What TensorFlow wrote.


@pytest.mark.parametrize("read", ["needed", "all"])
@pytest.mark.parametrize("prefix", golden.prefixes())
def test_a_checkpoint_equals_its_copy(tmp_path, prefix, read):
    if read == "all" and "variant" in prefix:
        pytest.skip("a variant has no array to read")
    folder = (golden.FOLDER / prefix).parent
    shutil.copytree(str(folder), str(tmp_path / "copy"))
    copy = tmp_path / "copy" / golden.path_of(prefix).rpartition("/")[2]
    report = lr.diff(golden.path_of(prefix), str(copy), read=read)
    assert report.ok
    assert set(statuses(report).values()) == {DiffStatus.EQUAL}
    assert len(report.rows) == len(golden.expected_of(prefix))
    report.raise_if_failed()
    assert error_ids(report.findings) == []


def test_two_steps_differ_as_their_expected_values_do():
    folder = "tf1_15_two_models/encoder/model.ckpt"
    report = lr.diff(golden.path_of(folder + "-100"), golden.path_of(folder + "-200"))
    first = golden.expected_of(folder + "-100")
    second = golden.expected_of(folder + "-200")
    for row in report.rows:
        wanted, other = first[row.key], second[row.key]
        dtype = {"float32": "f4", "int64": "i8"}[wanted.dtype]
        a = np.frombuffer(wanted.contents, dtype).astype("f8")
        b = np.frombuffer(other.contents, dtype).astype("f8")
        assert row.values.differing == (a != b).sum()
        assert row.values.max_abs == np.abs(a - b).max()
        relative = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
        assert row.values.max_rel == relative.max()


def test_old_names_of_a_cell_are_found_by_contents():
    path = golden.path_of("tf0_12_lstm/model.ckpt")
    report = lr.diff(path, golden.path_of("tf1_0_lstm/model.ckpt"))
    renamed = {row.a.key: row.b.key for row in report.with_status(DiffStatus.RENAMED)}
    assert renamed["RNN/BasicLSTMCell/Linear/Matrix"] == "rnn/basic_lstm_cell/weights"
    assert len(renamed) == 6
    assert statuses(report)["global_step"] is DiffStatus.DTYPE


def test_files_of_this_tensorflow(tmp_path):
    pytest.importorskip("tensorflow")
    from legacy_restore.tf import tf

    def save(name, values, partitions):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.get_variable(
                "rows",
                initializer=tf.constant(values),
                partitioner=tf.fixed_size_partitioner(partitions)
                if partitions > 1
                else None,
                use_resource=False,
            )
            tf.get_variable("words", initializer=tf.constant(["a", "b"]))
            session.run(tf.global_variables_initializer())
            path = str(tmp_path / name)
            return tf.train.Saver(sharded=partitions > 2).save(session, path)

    values = np.arange(28, dtype=np.float32).reshape(7, 4)
    other = values.copy()
    other[6, 3] += 0.5
    whole, cut = save("whole", values, 1), save("cut", values, 3)
    assert lr.diff(whole, cut).ok
    report = lr.diff(cut, save("other", other, 2))
    assert error_ids(report.findings) == ["tensor-differs"]
    (row,) = report.with_status(DiffStatus.VALUES)
    assert (row.values.differing, row.values.max_abs) == (1, 0.5)


# What was built.


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64"])
def test_slices_and_byte_order_make_no_difference(tmp_path, dtype):
    array = (np.arange(12) % 5).reshape(4, 3).astype(dtype)
    same = {
        "whole": {"w": array},
        "two": {"w": (array, [1, 3])},
        "three": {"w": (array, [2, 1, 1])},
    }
    paths = [write(tmp_path / name, tensors) for name, tensors in same.items()]
    paths.append(write(tmp_path / "big", {"w": array}, is_big_endian=True))
    paths.append(write(tmp_path / "shards", {"w": array}, num_shards=3))
    for a in paths:
        for b in paths:
            assert lr.diff(a, b).ok, (a, b)
            assert lr.diff(a, b, read="all").ok


def test_each_status(tmp_path):
    array = floats(1, 2, 3, 4)
    a = {
        "equal": array,
        "values": array,
        "shape": array,
        "dtype": array,
        "both": array,
        "old": floats(7, 8),
        "a": floats(1, 1, 1),
    }
    b = {
        "equal": array,
        "values": floats(1, 2, 3, 5),
        "shape": array.reshape(2, 2),
        "dtype": array.astype("f8"),
        "both": array.astype("i4").reshape(2, 2),
        "new": floats(7, 8),
        "b": floats(1, 1, 1, 1, 1),
    }
    report = compared(tmp_path, a, b)
    assert statuses(report) == {
        "equal": DiffStatus.EQUAL,
        "values": DiffStatus.VALUES,
        "shape": DiffStatus.SHAPE,
        "dtype": DiffStatus.DTYPE,
        "both": DiffStatus.SHAPE,
        "old": DiffStatus.RENAMED,
        "a": DiffStatus.ONLY_IN_A,
        "b": DiffStatus.ONLY_IN_B,
    }
    assert not report.ok
    assert error_ids(report.findings) == ["tensor-differs"] * 7
    with pytest.raises(errors.CheckError) as raised:
        report.raise_if_failed()
    assert raised.value.exit_code == 1
    assert raised.value.findings == report.findings
    assert "7 of 8 tensors differ" in str(raised.value)


def test_text_and_json_tell_the_same(tmp_path):
    report = compared(
        tmp_path,
        {"w": floats(1, 2), "gone": floats(1), "same": floats(3)},
        {"w": floats(1, 2.5), "same": floats(3)},
    )
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["counts"]["values differ"] == 1
    assert sum(data["counts"].values()) == len(data["rows"]) == 3
    lines = [" ".join(line.split()) for line in str(report).splitlines()]
    assert lines[3:] == [
        "key A B values",
        "gone only in A float32[1]",
        "w values differ float32[2] float32[2] 1 of 2 differ, at most by 0.5, "
        "relative 0.2",
        "",
        "3 tensors: 1 equal, 1 values differ, 1 only in A",
        "1 of them equal by the checksums that both files store, not read (--full, "
        'read="all" reads them)',
    ]
    for row in data["rows"]:
        is_shown = any(line.startswith(row["key"] + " ") for line in lines)
        assert is_shown == (row["status"] != "equal")


def test_what_stands_in_a_file_moves_no_cursor(tmp_path):
    hostile = b"w\x1b[2J\r\n\xff"
    report = compared(tmp_path, {hostile: floats(1)}, {hostile: floats(2)})
    assert all(line.isprintable() for line in str(report).split("\n"))
    with pytest.raises(errors.CheckError) as raised:
        report.raise_if_failed()
    assert all(line.isprintable() for line in str(raised.value).split("\n"))


ARRAYS = st.sampled_from(
    [
        floats(1, 2, 3),
        floats(1, 2, 4),
        floats(0, 0, 0),
        floats(),
        floats(1, 2, 3).astype("f8"),
        np.arange(6, dtype=np.int64).reshape(2, 3),
        builders.strings(b"a", b""),
    ]
)
CHECKPOINTS = st.dictionaries(st.sampled_from("abcdef"), ARRAYS, max_size=6)
FLIPPED = {
    DiffStatus.ONLY_IN_A: DiffStatus.ONLY_IN_B,
    DiffStatus.ONLY_IN_B: DiffStatus.ONLY_IN_A,
}


@given(CHECKPOINTS, CHECKPOINTS, st.sampled_from(["needed", "all"]))
@settings(max_examples=60, deadline=None)
def test_both_directions_tell_the_same(tmp_path_factory, a, b, read):
    folder = tmp_path_factory.mktemp("pair")
    first, second = write(folder / "a.ckpt", a), write(folder / "b.ckpt", b)
    there, back = lr.diff(first, second, read=read), lr.diff(second, first, read=read)

    def facts(report, flip):
        return {
            (
                frozenset([row.a and row.a.key, row.b and row.b.key]),
                FLIPPED.get(row.status, row.status) if flip else row.status,
                row.values,
            )
            for row in report.rows
        }

    assert facts(there, flip=False) == facts(back, flip=True)
    assert there.ok == back.ok
    assert lr.diff(first, first, read=read).ok
    named = {row.a.key for row in there.rows if row.a is not None}
    assert named == set(a)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_changes_are_found_exactly(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("pair")
    arrays = {
        f"t{number}": np.random.RandomState(number).normal(size=[4, 5]).astype("f4")
        for number in range(5)
    }
    changed = {}
    for key in data.draw(st.sets(st.sampled_from(sorted(arrays)))):
        places = data.draw(st.sets(st.integers(0, 19), min_size=1))
        changed[key] = places
    other = {}
    for key, array in arrays.items():
        copy = array.copy()
        for place in changed.get(key, ()):
            copy.reshape(-1)[place] += 1
        other[key] = (copy, [1, 3]) if data.draw(st.booleans()) else copy
    report = lr.diff(write(folder / "a.ckpt", arrays), write(folder / "b.ckpt", other))
    found = {row.key: row.values for row in report.with_status(DiffStatus.VALUES)}
    assert set(found) == set(changed)
    for key, values in found.items():
        assert values.differing == len(changed[key])
        assert values.max_abs == pytest.approx(1, rel=1e-6)
    assert set(statuses(report).values()) <= {DiffStatus.EQUAL, DiffStatus.VALUES}


# What is read.


class Reads:
    """Counts what is read, by key."""

    def __init__(self, monkeypatch):
        self.keys = []
        real = Checkpoint.__getitem__

        def counted(checkpoint, key):
            self.keys.append(key)
            return real(checkpoint, key)

        monkeypatch.setattr(Checkpoint, "__getitem__", counted)


def test_what_has_the_same_checksum_is_read_only_when_asked(tmp_path, monkeypatch):
    a = write(tmp_path / "a.ckpt", {"x": floats(1), "y": floats(1)})
    b = write(tmp_path / "b.ckpt", {"x": floats(1), "y": floats(2)})
    reads = Reads(monkeypatch)
    report = lr.diff(a, b)
    assert reads.keys == ["y", "y"]
    assert [row.compared_by for row in report.rows] == [
        ComparedBy.CHECKSUMS,
        ComparedBy.VALUES,
    ]
    report = lr.diff(a, b, read="all")
    assert reads.keys[2:] == ["x", "x", "y", "y"]
    assert [row.compared_by for row in report.rows] == [ComparedBy.VALUES] * 2


def test_without_stored_checksums_values_are_read(tmp_path, monkeypatch):
    a = write(tmp_path / "a.ckpt", {"x": floats(1)})
    b = write(tmp_path / "b.ckpt", {"x": floats(1)}, is_big_endian=True)
    reads = Reads(monkeypatch)
    (row,) = lr.diff(a, b).rows
    assert (row.status, row.compared_by) == (DiffStatus.EQUAL, ComparedBy.VALUES)
    assert reads.keys == ["x", "x"]


def test_one_tensor_of_each_side_is_in_memory_at_a_time(tmp_path):
    size = 1 << 20
    arrays = {f"t{n}": np.full([size // 4], n, np.float32) for n in range(8)}
    other = {key: array + 1 for key, array in arrays.items()}
    a, b = write(tmp_path / "a.ckpt", arrays), write(tmp_path / "b.ckpt", other)
    with builders.memory_below(8 * size):  # Two tensors, and chunks in float64.
        report = lr.diff(a, b)
    assert len(report.with_status(DiffStatus.VALUES)) == 8


def test_open_checkpoints_are_taken_and_stay_open(tmp_path):
    prefix = write(tmp_path / "a.ckpt", {"x": floats(1)})
    with lr.open_checkpoint(prefix) as one:
        assert lr.diff(one, prefix, read="all").ok
        assert one["x"] == [1]


# Incomplete tensors.


def test_of_incomplete_tensors_what_is_stored_is_compared(tmp_path):
    array = np.arange(8, dtype=np.float32).reshape(4, 2)
    other = array + [[0], [1], [0], [0]]
    other = other.astype("f4")
    report = compared(
        tmp_path,
        {"same": (array, [2]), "changed": (array, [2]), "part": (array, [2])},
        {"same": (array, [2]), "changed": (other, [2]), "part": (array, [1, 1])},
    )
    assert statuses(report) == {
        "same": DiffStatus.EQUAL,
        "changed": DiffStatus.VALUES,
        "part": DiffStatus.SLICES,
    }
    (row,) = report.with_status(DiffStatus.VALUES)
    assert (row.values.elements, row.values.differing) == (4, 2)
    whole = lr.diff(
        write(tmp_path / "c.ckpt", {"w": array}),
        write(tmp_path / "d.ckpt", {"w": (array, [3])}),
    )
    assert statuses(whole) == {"w": DiffStatus.SLICES}


# Renames and rules.


def test_ambiguous_names_are_listed_and_a_rule_is_proposed(tmp_path):
    zeros = floats(0, 0)
    a = {"old/w": floats(1, 2), "old/b": zeros, "old/c": zeros}
    b = {"new/w": floats(1, 3), "new/b": zeros, "new/c": zeros}
    report = compared(tmp_path, a, b)
    assert set(statuses(report).values()) == {
        DiffStatus.ONLY_IN_A,
        DiffStatus.ONLY_IN_B,
    }
    (ambiguous,) = of_id(report.findings, "ambiguous-rename")
    assert "old/b, old/c" in ambiguous.message
    (proposed,) = of_id(report.findings, "rename-proposed")
    assert proposed.hint == "--rename='^old/=>new/'"
    assert proposed.hint in str(report)
    renamed = compared(tmp_path, a, b, rules=[lr.Rename("^old/", "new/")])
    assert statuses(renamed) == {
        "new/b": DiffStatus.EQUAL,
        "new/c": DiffStatus.EQUAL,
        "new/w": DiffStatus.VALUES,
    }
    (row,) = renamed.with_status(DiffStatus.VALUES)
    assert (row.a.key, row.b.key) == ("old/w", "new/w")


def test_no_rule_is_proposed_that_contents_contradict(tmp_path):
    a = {"old/w": floats(1, 2), "old/v": floats(3, 4)}
    b = {"new/w": floats(3, 4), "new/v": floats(1, 2)}
    report = compared(tmp_path, a, b)
    renamed = {row.a.key: row.b.key for row in report.rows}
    assert renamed == {"old/w": "new/v", "old/v": "new/w"}
    assert ids(report.findings) == ["tensor-differs"] * 2


def test_a_new_name_across_slices_and_formats(tmp_path):
    array = np.arange(8, dtype=np.float32).reshape(4, 2)
    a = write(tmp_path / "a.ckpt", {"a": (array, [1, 3])})
    b = write(tmp_path / "b.ckpt", {"b": array}, is_big_endian=True)
    for read in ("needed", "all"):
        (row,) = lr.diff(a, b, read=read).rows
        assert row.status is DiffStatus.RENAMED


def test_a_checksum_that_lies_renames_nothing_when_all_is_read(tmp_path, monkeypatch):
    a = write(tmp_path / "a.ckpt", {"a": floats(1, 2)})
    b = write(tmp_path / "b.ckpt", {"b": floats(3, 4)})
    monkeypatch.setattr(Checkpoint, "contents_crc", lambda self, key: 7)
    assert statuses(lr.diff(a, b)) == {"a": DiffStatus.RENAMED}
    assert statuses(lr.diff(a, b, read="all")) == {
        "a": DiffStatus.ONLY_IN_A,
        "b": DiffStatus.ONLY_IN_B,
    }


def test_rules_that_do_nothing_or_collide_are_errors(tmp_path):
    a = {"x": floats(1), "y": floats(2)}
    rules = [lr.Rename("^[xy]$", "z"), lr.Rename("nowhere", "")]
    report = compared(tmp_path, a, {"z": floats(1)}, rules=rules)
    assert error_ids(report.findings)[:2] == ["unused-rule", "rule-collision"]
    assert not report.ok


# Restricting, waiving, wrong arguments.


def test_only_keys_that_a_pattern_finds_are_compared(tmp_path):
    a = {"x/w": floats(1), "y/w": floats(1)}
    b = {"x/w": floats(1), "y/w": floats(2), "y/v": floats(9)}
    assert compared(tmp_path, a, b, grep=["^x/"]).ok
    report = compared(tmp_path, a, b, grep=["^x/", "v$", "nothing"])
    assert statuses(report) == {"x/w": DiffStatus.EQUAL, "y/v": DiffStatus.ONLY_IN_B}
    assert error_ids(report.findings) == ["no-match", "tensor-differs"]
    assert (report.a.tensors, report.b.tensors) == (1, 2)


def test_a_comparison_of_nothing_is_not_good(tmp_path):
    report = compared(tmp_path, {"x": floats(1)}, {"x": floats(1)}, grep=["y"])
    assert not report.ok
    assert "0 tensors" in str(report)
    with pytest.raises(errors.CheckError):
        report.raise_if_failed()


def test_a_tolerance_permits_by_name(tmp_path):
    a, b = {"w": floats(1, 2), "v": floats(1)}, {"w": floats(1, 2.5), "v": floats(1)}
    assert not compared(tmp_path, a, b, atol=0.25).ok
    report = compared(tmp_path, a, b, atol=0.5)
    assert report.ok
    assert statuses(report) == {"v": DiffStatus.EQUAL, "w": DiffStatus.WITHIN}
    assert ids(report.findings) == ["within-tolerance"]


@pytest.mark.parametrize(
    "options",
    [
        {"grep": ["("]},
        {"grep": "abc"},
        {"read": "some"},
        {"atol": -1},
        {"rtol": float("nan")},
        {"rules": ["a=>b"]},
    ],
)
def test_arguments_that_cannot_be_meant_are_usage(tmp_path, options):
    with pytest.raises(errors.UsageError):
        lr.diff("nowhere", "nowhere", **options)


# Files at fault.


def damage(prefix, position=0):
    with open(builders.shard_path(prefix), "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("side", [0, 1, 2])
def test_a_damaged_tensor_is_a_finding_and_the_others_are_compared(tmp_path, side):
    a = {"v": floats(1), "w": floats(1), "x": floats(1)}
    b = {"v": floats(2), "w": floats(2), "x": floats(1)}
    paths = [write(tmp_path / "a.ckpt", a), write(tmp_path / "b.ckpt", b)]
    for path in [paths, paths[:1], paths[1:]][side]:
        damage(path)
    report = lr.diff(*paths)
    assert statuses(report) == {
        "v": DiffStatus.UNREAD,
        "w": DiffStatus.VALUES,
        "x": DiffStatus.EQUAL,
    }
    corrupt = of_id(report.findings, "tensor-corrupt")
    assert [one.subject for one in corrupt] == ["v"] * (2 if side == 0 else 1)
    assert all("in " + str(tmp_path) in one.message for one in corrupt)
    with pytest.raises(errors.CheckError) as raised:
        report.raise_if_failed()
    assert raised.value.exit_code == 3


def test_damage_behind_equal_checksums_is_found_when_all_is_read(tmp_path):
    a = write(tmp_path / "a.ckpt", {"v": floats(1)})
    b = write(tmp_path / "b.ckpt", {"v": floats(1)})
    damage(b)
    report = lr.diff(a, b)
    assert report.ok
    assert "not read" in str(report)
    assert error_ids(lr.diff(a, b, read="all").findings) == ["tensor-corrupt"]


def test_missing_data_are_findings_too(tmp_path):
    a = write(tmp_path / "a.ckpt", {"v": floats(1), "only": floats(4)})
    b = write(tmp_path / "b.ckpt", {"v": floats(2)})
    (tmp_path / "b.ckpt.data-00000-of-00001").unlink()
    report = lr.diff(a, b)
    assert error_ids(report.findings) == [
        "shard-missing",
        "tensor-missing",
        "tensor-differs",
    ]
    assert statuses(report)["only"] is DiffStatus.ONLY_IN_A


def test_what_numpy_cannot_hold_is_compared_by_its_checksums(tmp_path, monkeypatch):
    a = write(tmp_path / "a.ckpt", {"v": floats(1), "w": floats(1)})
    b = write(tmp_path / "b.ckpt", {"v": floats(1), "w": floats(2)})

    def refuse(self, key):
        raise errors.MissingDependencyError("dtype needs ml_dtypes", hint="pip")

    monkeypatch.setattr(Checkpoint, "__getitem__", refuse)
    report = lr.diff(a, b, read="all")
    assert statuses(report) == {"v": DiffStatus.EQUAL, "w": DiffStatus.VALUES}
    assert {row.compared_by for row in report.rows} == {ComparedBy.CHECKSUMS}
    assert "by their checksums" in str(report)
    monkeypatch.setattr(pairwise.StoredTensor, "crcs", lambda self: None)
    report = lr.diff(a, b)
    assert {row.status for row in report.rows} == {DiffStatus.UNREAD}
    assert set(error_ids(report.findings)) == {"missing-dependency"}


def test_both_that_cannot_be_opened_are_told(tmp_path):
    good = write(tmp_path / "a.ckpt", {"v": floats(1)})
    with pytest.raises(errors.LocationError):
        lr.diff(good, str(tmp_path / "no"))
    with pytest.raises(errors.CheckpointError) as raised:
        lr.diff(str(tmp_path / "no"), str(tmp_path / "none"))
    assert raised.value.exit_code == 3
    assert ids(raised.value.findings) == ["location-not-found"] * 2
    assert str(tmp_path / "none") in str(raised.value)


def test_the_same_files_are_told(tmp_path):
    prefix = write(tmp_path / "a.ckpt", {"v": floats(1)})
    report = lr.diff(prefix, prefix + ".index")
    assert report.ok
    assert "same-files" in ids(report.findings)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    report = lr.diff(prefix, str(tmp_path / "link" / "a.ckpt"))
    assert ids(report.findings) == ["same-files"]
    shutil.copy(prefix + ".index", str(tmp_path / "b.ckpt.index"))
    data = ".data-00000-of-00001"
    shutil.copy(prefix + data, str(tmp_path / "b.ckpt") + data)
    assert ids(lr.diff(prefix, str(tmp_path / "b.ckpt")).findings) == []
