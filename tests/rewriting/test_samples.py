"""Checkpoints of public projects: to objects and back nothing is lost."""

import glob

import pytest

import legacy_restore as lr
from tests.samples import sample

# In shards and slices, with slots, averages, tables and cells of old names.
NAME_BASED = ["char_rnn", "iris_partitioned", "mnist_ema", "srcnn", "taxi_estimator"]


@pytest.mark.parametrize("name", NAME_BASED)
def test_to_objects_and_back_holds_the_same(name, tmp_path):
    (index, *_) = sorted(glob.glob(sample(name) + "/**/*.index", recursive=True))
    there = lr.to_object_based(index, tmp_path / "objects")
    back = lr.to_name_based(there.written, tmp_path / "names")
    with lr.open_checkpoint(index) as before, lr.open_checkpoint(back.written) as after:
        assert after.digest == before.digest


def test_a_model_of_keras_gets_the_names_of_its_variables(tmp_path):
    (index, *_) = sorted(
        glob.glob(sample("keras_object_based") + "/**/*.index", recursive=True)
    )
    report = lr.to_name_based(index, tmp_path / "names")
    with lr.open_checkpoint(report.written) as checkpoint:
        assert list(checkpoint) == [
            "dense_2/bias",
            "dense_2/kernel",
            "dense_3/bias",
            "dense_3/kernel",
        ]
    assert [one.id for one in report.findings] == ["location-resolved", "not-converted"]
