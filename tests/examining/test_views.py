"""The views of a checkpoint: scopes, classes, entries in full, values, statistics."""

import json
import re

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, open_checkpoint
from legacy_restore.examining.choosing import choose_keys, choose_matching
from legacy_restore.examining.class_totals import ClassTotals
from legacy_restore.examining.contents import contents_of
from legacy_restore.examining.details import (
    MAX_VALUES,
    tensor_details,
    tensor_details_and_values,
)
from legacy_restore.examining.scope_tree import scope_tree
from legacy_restore.examining.tensor_statistics import tensor_statistics
from legacy_restore.examining.value_text import value_text
from tests.checkpoint import builders, golden
from tests.examining.test_contents import contents, example
from tests.planning.specs import entry, error_ids


def view_of(make, *parts, keys=(), grep=()):
    with open_checkpoint(str(golden.FOLDER.joinpath(*parts))) as checkpoint:
        found = choose_matching(contents_of(checkpoint), grep)
        if keys:
            found = choose_keys(checkpoint, found, keys)
        return make(checkpoint, found)


# Choosing.


def test_a_pattern_is_searched_in_keys_and_classes_stay_what_they_are():
    found = choose_matching(example(), ["/Adam$", "^glob"])
    assert [row.entry.key for row in found.rows] == ["global_step", "w/Adam"]
    assert found.rows[1].classified.optimizer == "Adam"  # Though w is not chosen.
    assert found.total.tensors == 2
    assert found.chosen_of == example().total
    assert str(found).splitlines()[1].endswith("2 of 6 tensors")
    assert found.ok


def test_a_pattern_that_is_found_nowhere_is_an_error_of_its_own():
    found = choose_matching(example(), ["^w$", "nothing"])
    assert [row.entry.key for row in found.rows] == ["w"]
    (finding,) = found.findings
    assert (finding.id, finding.subject) == ("no-match", "nothing")
    assert not found.ok


def test_without_patterns_all_are_chosen():
    assert choose_matching(example(), []) == example()


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{99999999999}", "(?P<x>"])
def test_what_is_no_pattern_is_usage(pattern):
    with pytest.raises(errors.UsageError) as raised:
        choose_matching(example(), [pattern])
    assert repr(pattern) in str(raised.value)


def test_an_unknown_key_is_named_with_near_ones():
    with pytest.raises(errors.KeyNotFoundError) as raised:
        view_of(tensor_details, "tf1_15_partitioned", keys=["rows/Adagard"])
    assert "'rows/Adagrad'" in raised.value.hint
    with pytest.raises(errors.KeyNotFoundError) as raised:
        view_of(tensor_details, "tf1_15_partitioned", keys=["rows", "row", "colum"])
    assert "'row', 'colum'" in str(raised.value)
    assert "'rows'" in raised.value.hint


# Scopes and classes.


def scopes_of(*keys, depth=3):
    tree = scope_tree(contents(*(entry(key) for key in keys)), depth)
    return {scope.name: scope for scope in tree.scopes}


def test_scopes_come_before_those_in_them_and_count_all_that_is_in_them():
    found = scopes_of("a", "b/w", "b/w/Adam", "b.c/w", "b/d/e/f/w", depth=2)
    assert list(found) == ["", "b/", "b/d/", "b/w/", "b.c/"]
    assert [scope.total.tensors for scope in found.values()] == [5, 3, 1, 1, 1]
    assert [scope.is_cut for scope in found.values()] == [False, False, True] + [
        False,
        False,
    ]
    of_b = [(one.optimizer, one.total.tensors) for one in found["b/"].class_totals]
    assert of_b == [(None, 2), ("Adam", 1)]


def test_odd_slashes_make_scopes_with_empty_names():
    assert list(scopes_of("/w", "a//w", "b/")) == ["", "/", "a/", "a//", "b/"]


def test_a_key_of_slashes_makes_no_deeper_tree():
    found = scopes_of("/" * 100000, depth=64)
    assert len(found) == 65
    assert found["/" * 64].is_cut


@pytest.mark.parametrize("depth", [0, -1, 65])
def test_a_depth_that_is_none_is_usage(depth):
    with pytest.raises(errors.UsageError):
        scope_tree(example(), depth)


@pytest.mark.parametrize("prefix", golden.prefixes())
def test_the_root_is_the_total_and_scopes_add_up(prefix):
    tree = view_of(lambda _, found: scope_tree(found, 64), prefix)
    root, *others = tree.scopes
    assert root.total == tree.contents.total
    assert list(root.class_totals) == tree.contents.class_totals
    outer = sum(scope.total.tensors for scope in others if scope.depth == 1)
    alone = sum("/" not in row.entry.key for row in tree.contents.rows)
    assert outer + alone == root.total.tensors


def test_tree_and_totals_as_text_and_json():
    tree = scope_tree(example(), 1)
    assert str(tree) == (
        "runs/model.ckpt-7\n"
        "format V2, step 7, 6 tensors\n"
        "\n"
        "  scope  tensors  parameters   size  of it\n"
        "  (all)        6          29  116 B  1 weight 24 B, 1 batch-norm statistic "
        "16 B, 1 optimizer slot (Adam) 24 B, 2 optimizer slot (Ftrl) 48 B, 1 step "
        "counter 4 B\n"
        "  bn/          1           4   16 B  1 batch-norm statistic 16 B\n"
        "  w/           3          18   72 B  1 optimizer slot (Adam) 24 B, 2 "
        "optimizer slot (Ftrl) 48 B"
    )
    data = json.loads(json.dumps(tree.to_json()))
    assert [one["nbytes"] for one in data.pop("tree")] == [116, 16, 72]
    assert data == example().to_json()
    totals = ClassTotals(example())
    assert "w/Adam" not in str(totals)
    assert str(example()).endswith(str(totals).split("\n\n")[1])
    assert set(data) - set(totals.to_json()) == {"tensors"}


# One tensor in full.


def test_each_slice_is_told_with_its_place():
    details = view_of(tensor_details, "tf1_15_partitioned", keys=["rows"])
    stored = details.stored["rows"]
    assert [(one.part.start, one.part.shape) for one in stored] == [
        ((0, 0), (3, 4)),
        ((3, 0), (2, 4)),
        ((5, 0), (2, 4)),
    ]
    for one in stored:
        with open(one.path, "rb") as file:
            file.seek(one.offset)
            data = file.read(one.nbytes)
        assert checksum.mask(checksum.crc32c(data)) == one.crc32c
        assert f"{one.crc32c:#010x}" in str(details)
    (tensor,) = details.to_json()["tensors"]
    assert [one["offset"] for one in tensor["stored"]] == [o.offset for o in stored]
    assert "values" not in tensor


@pytest.mark.parametrize("prefix", golden.prefixes())
def test_every_tensor_can_be_told_in_full(prefix):
    details = view_of(tensor_details, prefix)
    for row in details.contents.rows:
        parts = details.stored[row.entry.key]
        if details.contents.format == "V2":  # V1 tells no sizes of its parts.
            assert sum(one.nbytes for one in parts) == row.entry.nbytes
    json.dumps(details.to_json())
    assert str(details)


# Values.


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_printed_floats_read_back_as_what_they_are(dtype):
    patterns = np.random.RandomState(1).randint(0, 256, 8 * 900, np.uint8)
    array = patterns.view(dtype)[:900]
    with np.errstate(all="ignore"):
        array = array[np.isfinite(array)]
    read = np.array(value_text(array).strip("[]").split(), dtype)
    assert read.tobytes() == array.tobytes()


def test_printed_bfloat16_reads_back_as_what_it_is():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.arange(0x3F00, 0x4100, dtype="u2").view(ml_dtypes.bfloat16)
    read = np.array(value_text(array).strip("[]").split(), "f4")
    assert read.astype(ml_dtypes.bfloat16).tobytes() == array.tobytes()


def test_print_options_change_nothing():
    array = np.array([[1e-9, 1 / 3], [2e9, -0.0]])
    text = value_text(array)
    with np.printoptions(precision=1, suppress=True, threshold=1, linewidth=20):
        assert value_text(array) == text
    assert "3.333333333333333e-01" in text


def test_large_arrays_are_summarised_and_strings_clipped():
    assert len(value_text(np.arange(10**6))) < 200
    long = np.array([b"\x1b[2J" + b"a" * 5000, b"b"], object)
    text = value_text(long)
    assert "\x1b" not in text
    assert "(5,004 bytes)" in text
    assert len(text) < 500


def test_values_of_a_partitioned_tensor_are_shown_whole():
    details = view_of(tensor_details_and_values, "tf1_15_partitioned", keys=["rows"])
    (whole,) = details.values["rows"]
    expected = golden.expected_of("tf1_15_partitioned/model.ckpt")["rows"]
    array = np.frombuffer(expected.contents, "f4").reshape(expected.shape)
    assert whole.text == value_text(array)
    (tensor,) = details.to_json()["tensors"]
    assert tensor["values"] == [{"start": [0, 0], "shape": [7, 4], "text": whole.text}]
    shown = re.sub(r"\n  ", "\n", str(details))
    assert whole.text in shown


def test_more_tensors_than_one_looks_at_are_refused():
    with pytest.raises(errors.UsageError) as raised:
        view_of(tensor_details_and_values, "tf1_15_many", grep=["."])
    assert str(MAX_VALUES) in str(raised.value)


# What cannot be read.


def write_damaged(tmp_path):
    """A checkpoint of which one tensor is damaged; returns the others' keys too."""
    prefix = builders.small_checkpoint(str(tmp_path / "model.ckpt"))
    path = builders.shard_path(prefix)
    with open(path, "r+b") as file:
        file.write(b"\xff")
    return prefix


@pytest.mark.parametrize("make", [tensor_statistics, tensor_details_and_values])
def test_a_damaged_tensor_is_a_finding_and_the_others_show(tmp_path, make):
    with open_checkpoint(write_damaged(tmp_path)) as checkpoint:
        view = make(checkpoint, contents_of(checkpoint))
    assert error_ids(view.findings) == ["tensor-corrupt"]
    assert view.findings[0].subject == "a/kernel"
    assert not view.to_json()["ok"]
    field = "stats" if make is tensor_statistics else "values"
    read = [one[field] is not None for one in view.to_json()["tensors"]]
    assert read == [False, True, True]
    assert "1200" in str(view)
    assert "error: tensor does not match its checksum\n  a/kernel" in str(view)


def test_a_dtype_without_arrays_is_a_finding():
    view = view_of(tensor_statistics, "tf1_15_variant")
    assert error_ids(view.findings) == ["unsupported"]
    assert set(view.statistics) == {"plain"}


def test_of_an_incomplete_tensor_the_slices_that_are_there_count(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    builder = builders.BundleBuilder()
    builder.add_sliced("w/0/Adagrad", array, builders.parts_along(0, [4, 3], [2]))
    prefix = builder.write(str(tmp_path / "model.ckpt"))
    with open_checkpoint(prefix) as checkpoint:
        found = contents_of(checkpoint)
        stats = tensor_statistics(checkpoint, found).statistics["w/0/Adagrad"]
        details = tensor_details_and_values(checkpoint, found)
    assert (stats.elements, stats.maximum) == (6, 5)
    (part,) = details.values["w/0/Adagrad"]
    assert part.part.shape == (2, 3)
    assert "\n  [0:2,0:3]\n" in str(details)


# Statistics of golden files.


@pytest.mark.parametrize("prefix", golden.prefixes())
def test_statistics_of_golden_checkpoints(prefix):
    view = view_of(tensor_statistics, prefix)
    expected = golden.expected_of(prefix)
    json.loads(json.dumps(view.to_json(), allow_nan=False))
    assert str(view)
    kinds = {"float32": "f4", "float64": "f8", "int64": "i8", "uint8": "u1"}
    for key, found in view.statistics.items():
        wanted = expected[key]
        if wanted.dtype not in kinds:
            continue
        array = np.frombuffer(wanted.contents, kinds[wanted.dtype])
        finite = array[np.isfinite(array)]
        assert found.elements == array.size
        assert found.num_nan == np.isnan(array).sum()
        if finite.size:
            assert (found.minimum, found.maximum) == (finite.min(), finite.max())
            assert found.mean == pytest.approx(finite.astype("f8").mean(), abs=1e3)
            assert found.std == pytest.approx(finite.astype("f8").std(), rel=1e-9)
