"""What a checkpoint holds, as data, text and JSON."""

import dataclasses
import json
import os
import sys

import numpy as np
import pytest

from legacy_restore.checkpoint import Location, TensorSlice, open_checkpoint
from legacy_restore.examining.contents import (
    JSON_VERSION,
    ClassTotal,
    Contents,
    ContentsRow,
    Total,
    contents_of,
)
from legacy_restore.mapping.classify import TensorClass, classify
from legacy_restore.report.findings import KINDS, Finding
from tests.checkpoint import golden
from tests.checkpoint.builders import shard_path
from tests.checkpoint.object_builders import (
    VALUE,
    adam_graph,
    adam_tensors,
    write_object_based,
)
from tests.planning.specs import entry
from tests.samples import sample


def contents(*entries, prefix="runs/model.ckpt-7", step=7, findings=()):
    classes = classify(entries)
    return Contents(
        location=Location("runs", prefix),
        format="V2",
        step=step,
        rows=tuple(ContentsRow(one, classes[one.key]) for one in entries),
        findings=tuple(findings),
    )


def example():
    return contents(
        entry("bn/moving_mean", [4]),
        entry("global_step", []),
        entry("w", [3, 2]),
        entry("w/Adam", [3, 2]),
        entry("w/Ftrl", [3, 2]),
        entry("w/Ftrl_1", [3, 2]),
    )


def of_golden(*parts):
    with open_checkpoint(str(golden.FOLDER.joinpath(*parts))) as checkpoint:
        return contents_of(checkpoint)


def test_totals_are_by_class_and_optimizer_what_a_model_needs_first():
    assert example().class_totals == [
        ClassTotal(TensorClass.WEIGHT, None, Total(1, 6, 24)),
        ClassTotal(TensorClass.BATCH_NORM, None, Total(1, 4, 16)),
        ClassTotal(TensorClass.SLOT, "Adam", Total(1, 6, 24)),
        ClassTotal(TensorClass.SLOT, "Ftrl", Total(2, 12, 48)),
        ClassTotal(TensorClass.STEP, None, Total(1, 1, 4)),
    ]
    assert example().total == Total(6, 29, 116)


def test_totals_of_classes_add_up_to_the_whole():
    for path in golden.prefixes():
        found = of_golden(path)
        parts = [dataclasses.astuple(one.total) for one in found.class_totals]
        assert tuple(map(sum, zip(*parts))) == dataclasses.astuple(found.total), path


def test_text_and_json_tell_the_same():
    found = example()
    data = json.loads(json.dumps(found.to_json()))
    text = str(found)
    for row, line in zip(data["tensors"], text.splitlines()[4:]):
        owner = f" ({row['optimizer']})" if row["optimizer"] else ""
        assert line.split()[0] == row["key"]
        assert line.endswith(row["class"] + owner)
    table = text[text.index("  class  ") :].splitlines()[1:]
    for row, line in zip([*data["classes"], data["total"]], table):
        assert line.split()[-4:-2] == [str(row["tensors"]), str(row["parameters"])]
    assert data["version"] == JSON_VERSION


def test_the_text_of_contents():
    assert str(example()) == (
        "runs/model.ckpt-7\n"
        "format V2, step 7, 6 tensors\n"
        "\n"
        "  key             type          size  class\n"
        "  bn/moving_mean  float32[4]    16 B  batch-norm statistic\n"
        "  global_step     float32[]      4 B  step counter\n"
        "  w               float32[3,2]  24 B  weight\n"
        "  w/Adam          float32[3,2]  24 B  optimizer slot (Adam)\n"
        "  w/Ftrl          float32[3,2]  24 B  optimizer slot (Ftrl)\n"
        "  w/Ftrl_1        float32[3,2]  24 B  optimizer slot (Ftrl)\n"
        "\n"
        "  class                  tensors  parameters   size\n"
        "  weight                       1           6   24 B\n"
        "  batch-norm statistic         1           4   16 B\n"
        "  optimizer slot (Adam)        1           6   24 B\n"
        "  optimizer slot (Ftrl)        2          12   48 B\n"
        "  step counter                 1           1    4 B\n"
        "  total                        6          29  116 B"
    )


def test_findings_stand_at_the_end_and_decide_ok():
    finding = Finding(KINDS["shard-missing"], "runs/x.data", "it is not there")
    found = contents(entry("w"), findings=[finding])
    assert not found.ok
    assert not found.to_json()["ok"]
    assert "\n\nerror: data file missing\n  runs/x.data" in str(found)
    remark = Finding(KINDS["location-resolved"], "runs", "using it")
    assert contents(entry("w"), findings=[remark]).ok


def test_an_empty_checkpoint_has_totals_of_zero():
    found = contents(step=None)
    assert found.total == Total(0, 0, 0)
    assert found.class_totals == []
    assert str(found) == (
        "runs/model.ckpt-7\nformat V2, no step in its name, 0 tensors"
    )


def test_a_partitioned_tensor_is_one_row_of_its_whole_size():
    slices = tuple(TensorSlice((start, 0), (2, 3)) for start in (0, 2))
    whole = dataclasses.replace(
        entry("w", [4, 3]), slices=slices, shard=None, crc32c=None
    )
    found = contents(whole)
    assert found.total == Total(1, 12, 48)
    assert "float32[4,3] in 2 slices  48 B" in str(found)
    row = found.to_json()["tensors"][0]
    assert (row["num_slices"], row["shard"], row["crc32c"]) == (2, None, None)


def test_of_an_incomplete_tensor_what_is_stored_counts():
    part = dataclasses.replace(
        entry("w/0/Adagrad", [4, 3]),
        nbytes=24,
        slices=(TensorSlice((0, 0), (2, 3)),),
        shard=None,
        crc32c=None,
    )
    found = contents(part)
    assert found.total == Total(1, 6, 24)
    assert "float32[4,3] in 1 slice, incomplete  24 B" in str(found)
    row = found.to_json()["tensors"][0]
    assert (row["shape"], row["parameters"], row["is_complete"]) == ([4, 3], 6, False)
    assert contents(entry("w")).to_json()["tensors"][0]["is_complete"]


def test_partitioned_tensors_of_a_golden_checkpoint():
    found = of_golden("tf1_15_partitioned")
    rows = {row.entry.key: row for row in found.rows}
    assert len(rows) == len(found.rows) == 6
    assert rows["rows"].entry.nbytes == 7 * 4 * 4
    assert "rows/Adagrad     float32[7,4] in 3 slices" in str(found)


def test_strings_take_what_is_stored_of_them():
    found = of_golden("tf1_15_dtypes")
    (row,) = [one for one in found.to_json()["tensors"] if one["dtype"] == "string"]
    assert (row["parameters"], row["nbytes"]) == (7, 312)


def test_what_stands_in_a_file_or_a_path_moves_no_cursor():
    hostile = "w\x1b[2J\r\nweight\u202e\udcff"
    found = contents(entry(hostile), prefix=f"runs/{hostile}")
    lines = str(found).split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == len(str(contents(entry("w"))).split("\n"))
    assert found.to_json()["tensors"][0]["key"] == hostile


@pytest.mark.parametrize(
    "number, step", [(100, 100), (200, 200)], ids=["first", "second"]
)
def test_the_step_is_the_one_of_the_prefix(number, step):
    found = of_golden("tf1_15_two_models", "encoder", f"model.ckpt-{number}.index")
    assert found.step == step
    assert f"step {step}," in str(found)


def test_a_prefix_without_a_step_has_none():
    assert of_golden("tf1_15_sharded").step is None


def many(count):
    """A checkpoint of ``count`` variables, each with two slots."""
    names = [f"scope/block_{n // 10}/layer_{n}/kernel" for n in range(count)]
    suffixes = ["", "/Adam", "/Adam_1", "/not_a_slot/m"]
    return contents(*(entry(name + end) for name in names for end in suffixes))


def test_work_grows_with_the_number_of_tensors_and_not_with_its_square():
    def calls(count):
        events = []
        sys.setprofile(lambda frame, event, arg: events.append(event))
        try:
            found = many(count)
            str(found)
            found.to_json()
        finally:
            sys.setprofile(None)
        return len(events)

    assert calls(400) < 11 * calls(40)


def test_thousands_of_tensors_are_all_listed():
    found = many(1500)
    lines = str(found).splitlines()
    assert len(found.rows) == 6000
    assert sum(line.startswith("  scope/") for line in lines) == 6000
    assert found.class_totals[1].total.tensors == 3000


def test_contents_of_real_checkpoints():
    with open_checkpoint(sample("taxi_estimator", "model.ckpt-10000.index")) as opened:
        found = contents_of(opened)
    assert found.step == 10000
    assert [(one.optimizer, one.total.tensors) for one in found.class_totals] == [
        (None, 20),
        ("Adagrad", 10),
        ("Ftrl", 20),
        (None, 1),
    ]
    with open_checkpoint(sample("mnist_ema")) as opened:
        found = contents_of(opened)
    totals = {one.tensor_class: one.total.tensors for one in found.class_totals}
    assert totals == {TensorClass.WEIGHT: 4, TensorClass.EMA: 4, TensorClass.STEP: 1}


def test_a_partitioned_real_checkpoint_has_one_row_for_each_variable():
    with open_checkpoint(sample("iris_partitioned", "model.ckpt-8000.index")) as opened:
        found = contents_of(opened)
    assert len(found.rows) == 18
    slots = [one for one in found.class_totals if one.optimizer]
    assert [(one.optimizer, one.total.tensors) for one in slots] == [("Adagrad", 8)]


@pytest.fixture
def object_based(tmp_path):
    return write_object_based(tmp_path / "ckpt-1", adam_graph(), adam_tensors())


def test_object_based_checkpoints_show_both_names(object_based):
    with open_checkpoint(object_based) as checkpoint:
        found = contents_of(checkpoint)
    rows = {row["key"]: row for row in found.to_json()["tensors"]}
    kernel = rows["model/kernel" + VALUE]
    assert kernel["object_path"] == "model/kernel"
    assert kernel["other_paths"] == ["net/kernel"]
    assert kernel["full_name"] == "dense/kernel"
    slot = rows["model/kernel/.OPTIMIZER_SLOT/optimizer/m" + VALUE]
    assert (slot["class"], slot["optimizer"]) == ("optimizer slot", "Adam")
    assert rows["_CHECKPOINTABLE_OBJECT_GRAPH"]["object_path"] is None
    lines = str(found).splitlines()
    assert lines[3].split("  ")[1:2] == ["key"]
    assert "variable" in lines[3] and "also reached as" in lines[3]
    (line,) = [one for one in lines if one.startswith("  model/kernel/.ATT")]
    assert "  dense/kernel  " in line and "  net/kernel  " in line
    assert found.findings == () and found.ok


def test_name_based_checkpoints_have_no_columns_for_objects():
    found = of_golden("tf1_15_partitioned")
    assert "variable" not in str(found)
    row = found.to_json()["tensors"][0]
    assert (row["object_path"], row["other_paths"], row["full_name"]) == (
        None,
        [],
        None,
    )


def test_a_damaged_object_graph_is_a_finding_and_the_rest_is_shown(object_based):
    path = shard_path(object_based)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    with open_checkpoint(object_based) as checkpoint:
        found = contents_of(checkpoint)
    assert [one.id for one in found.findings] == ["tensor-corrupt"]
    assert not found.ok
    assert len(found.rows) == 4
    assert found.rows[1].object_tensor is None


def test_what_graph_and_keys_say_of_each_other_is_shown(tmp_path):
    tensors = {**adam_tensors(), "added": np.float32(1)}
    prefix = write_object_based(tmp_path / "ckpt", adam_graph(), tensors)
    with open_checkpoint(prefix) as checkpoint:
        found = contents_of(checkpoint)
    assert [one.id for one in found.findings] == ["object-key-unlisted"]
    assert found.ok


def test_contents_of_a_real_object_based_checkpoint():
    with open_checkpoint(sample("keras_object_based")) as checkpoint:
        found = contents_of(checkpoint)
    names = [row.object_tensor.full_name for row in found.rows if row.object_tensor]
    assert sorted(name for name in names if name) == [
        "dense_2/bias",
        "dense_2/kernel",
        "dense_3/bias",
        "dense_3/kernel",
    ]
    assert "layer-1/kernel" in str(found)
