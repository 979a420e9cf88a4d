"""Tests of estimates from files, and of the ways that would fit."""

import dataclasses

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.estimate import Estimate, ModelEstimate
from legacy_restore.planning.estimating import Wanted, estimate_files
from legacy_restore.planning.fitting import limit_findings, ways_within
from legacy_restore.planning.memory import bytes_of

FLOATS = np.zeros([10, 4], np.float32)
HALVES = np.zeros([6], np.float16)


def written(path, tensors):
    path.mkdir(parents=True, exist_ok=True)
    return lr.write_checkpoint(path / "model.ckpt", tensors)


@pytest.fixture
def trained(tmp_path):
    """Weights, a slot, an average of one of them, a step."""
    return written(
        tmp_path / "trained",
        {
            "m/a": FLOATS,
            "m/b": HALVES,
            "m/a/Adam": FLOATS,
            "m/a/Adam_1": FLOATS,
            "m/a/ExponentialMovingAverage": FLOATS,
            "global_step": np.int64(7),
        },
    )


def row_of(location, **wanted):
    [row] = estimate_files([Wanted("m", location, **wanted)]).rows
    return row


def test_training_state_is_left_out(trained):
    row = row_of(trained)
    assert (row.weights, row.training_state) == (160 + 12, 3 * 160 + 8)
    assert row.dtypes == {"float32": 160, "float16": 12}
    assert (row.num_variables, row.largest, row.peak) == (2, 160, 172)


def test_averages_take_the_place_of_weights(trained):
    row = row_of(trained, weights="ema")
    # The raw value stays in the checkpoint, as the slots do.
    assert (row.weights, row.training_state) == (172, 3 * 160 + 8)
    assert row.num_variables == 2


def test_averages_are_found_by_rules_and_without_raw_values(tmp_path):
    tensors = {"a/avg": FLOATS, "b": HALVES}
    prefix = written(tmp_path, tensors)
    rules = (lr.Rename("/avg$", "/ExponentialMovingAverage"),)
    row = row_of(prefix, weights="ema", rules=rules)
    assert (row.weights, row.num_variables) == (172, 2)


@pytest.mark.parametrize(
    "wanted",
    [
        {"exclude": ("a",), "scope": "m"},
        {"exclude": ("m/a",)},
        {"only": ("b",)},
        {"only": ("x",), "rules": (lr.Rename("^m/b", "x"),)},
    ],
)
def test_what_is_not_restored_takes_memory_all_the_same(trained, wanted):
    # "m/" is the model's scope, or one of the checkpoint's own; rules come first.
    row = row_of(trained, **wanted)
    assert (row.weights, row.initialised, row.peak) == (12, 160, 172)


def test_a_cast_variable_takes_what_its_own_dtype_does(trained):
    row = row_of(trained, cast={"m/a": "bfloat16"})
    assert (row.weights, row.converting) == (80 + 12, 160)
    # Whether it is a ref variable, of which a feed is copied, nobody knows.
    assert (row.fed, row.peak) == (2 * 80, 80 + 12 + 2 * 80 + 160)
    assert row.dtypes == {"bfloat16": 80, "float16": 12}


OLD_CELL = {"rnn/gru_cell/gates/weights": FLOATS, "rnn/gru_cell/gates/biases": HALVES}


@pytest.mark.parametrize("scope", ["", "old/", "m/"])
@pytest.mark.parametrize("packs", [(), (PACKS["rnn-1.2"],)])
def test_patterns_are_of_names_that_packs_give_below_any_scope(tmp_path, scope, packs):
    tensors = {f"{scope}{key}": value for key, value in OLD_CELL.items()}
    prefix = written(tmp_path / "old", tensors)
    exclude = ("rnn/gru_cell/gates/kernel",)
    cast = {"rnn/gru_cell/gates/bias": "float32"}
    row = row_of(prefix, scope="m", packs=packs, exclude=exclude, cast=cast)
    assert (row.weights, row.initialised) == (24, 160)
    # As they are stored, too, where no pack was named.
    cast = {"rnn/gru_cell/gates/biases": "float32"}
    if not packs:
        assert row_of(prefix, scope="m", cast=cast).weights == 24 + 160
    else:
        with pytest.raises(errors.RestoreError, match="cast"):
            row_of(prefix, scope="m", packs=packs, cast=cast)


def test_a_pack_with_a_caution_is_not_tried(tmp_path):
    cell = "rnn/cudnn_compatible_lstm_cell"
    prefix = written(tmp_path / "old", {f"{cell}/kernel": FLOATS})
    cast = {"rnn/lstm_cell/kernel": "float16"}
    with pytest.raises(errors.RestoreError, match="cast"):
        row_of(prefix, cast=cast)
    named = (PACKS["cudnn-rnn"],)
    assert row_of(prefix, packs=named, cast=cast).weights == 80


def test_patterns_are_of_the_names_that_objects_have(tmp_path):
    source = written(tmp_path / "names", {"net/a": FLOATS, "net/b": HALVES})
    prefix = str(tmp_path / "objects.ckpt")
    lr.to_object_based(source, prefix)
    for key in ("net/a", "a"):
        assert row_of(prefix, cast={key: "float16"}).weights == 80 + 12


def test_problems_of_all_models_are_refused_at_once(trained, tmp_path):
    wanted = [
        Wanted("a", tmp_path / "none"),
        Wanted("b", trained, cast={"no/such": "float16"}),
        Wanted("c", tmp_path / "neither"),
    ]
    with pytest.raises(errors.RestoreError) as caught:
        estimate_files(wanted)
    assert [(one.id, one.model) for one in caught.value.findings] == [
        ("location-not-found", "a"),
        ("unused-waiver", "b"),
        ("location-not-found", "c"),
    ]
    assert caught.value.exit_code == 3


def test_strings_take_a_header_each_and_what_does_not_fit_into_it():
    assert bytes_of("string", 10, 10 * 22) == 240
    assert bytes_of("string", 10, 1000) == 1240
    assert bytes_of("string", 0, 0) == 0
    assert bytes_of("int4", 3) == 3
    assert bytes_of("variant", 3) == 0


def test_strings_are_counted_from_the_index(tmp_path):
    long = np.array([b"x" * 100] * 50, object)
    short = np.array([b"abc"] * 50, object)
    row = row_of(written(tmp_path, {"long": long, "short": short}))
    assert row.weights == 50 * 124 + 50 * 24


def test_what_a_v1_file_does_not_tell_is_said(golden):
    found = estimate_files([Wanted("m", golden / "tf0_12_v1")])
    unknown = [one.subject for one in found.findings if one.id == "size-unknown"]
    assert unknown and found.rows[0].dtypes["string"] > 0


# What follows from rows.


def row(name="m", **sizes):
    empty = {
        field.name: 0
        for field in dataclasses.fields(ModelEstimate)
        if field.name not in ("name", "prefix", "dtypes")
    }
    weights = sizes.get("weights", 0)
    empty["largest"] = 100
    dtypes = sizes.pop("dtypes", {"float32": weights})
    return ModelEstimate(name=name, prefix=name, dtypes=dtypes, **{**empty, **sizes})


def test_peaks_are_those_of_all_and_of_the_largest():
    found = Estimate(
        (
            row("a", weights=100, converting=10, swapping=200),
            row("b", weights=50, initialised=7, state_in_graph=100, converting=3),
            row("c", weights=1, training_state=1000, swapping=3, fed=8, shared=200),
        ),
        "plan",
    )
    assert (found.weights, found.training_state, found.held) == (158, 1000, 258)
    assert (found.peak, found.peak_swap, found.peak_each) == (276, 458, 209)
    assert found["b"].held == 157
    with pytest.raises(KeyError):
        found["d"]


def test_only_ways_that_fit_are_named():
    two = Estimate((row("a", weights=600), row("b", weights=500)), "plan")
    assert ways_within(two, 550, apart=True) == []
    [way] = ways_within(two, 600, apart=True)
    assert way.startswith("lr.restore_each(models)")
    assert ways_within(two, 600, apart=False) == []
    training = Estimate((row("a", weights=100, state_in_graph=200),), "plan")
    [way] = ways_within(training, 100, apart=True)
    assert "without the optimizer" in way and "100 B" in way
    assert ways_within(training, 99, apart=True) == []


def test_what_fits_is_not_refused_and_what_does_not_says_both_sizes():
    found = Estimate((row("a", weights=600), row("b", weights=500)), "plan")
    assert limit_findings(found, 1100, apart=True) == []
    [finding] = limit_findings(found, 1099, apart=True)
    assert finding.id == "memory-limit" and finding.is_error
    assert (finding.expected, finding.found) == ("at most 1.1 KiB", "1.1 KiB")
    [finding] = limit_findings(found, 10, apart=True)
    assert "'a' alone takes 600 B" in finding.hint


def test_long_tables_are_cut():
    found = Estimate(tuple(row(f"m{n}", weights=n) for n in range(100)), "files")
    lines = found.table_lines(5)
    assert len(lines) == 7
    assert "... and 96 more" in lines[-2] and "total" in lines[-1]
    assert "4.8 KiB" in lines[-1]
