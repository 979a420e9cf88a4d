"""Restoring from V1 checkpoints: one file, shards, what is compared and refused."""

import os

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.opening import open_prefix
from legacy_restore.tf import tf
from tests.graph.conftest import temporary_files
from tests.graph.helpers import (
    LINEAR,
    apply,
    assert_same,
    data_file,
    flip,
    ids,
    linear,
    linear_values,
    numbers,
    of_kind,
    only,
    values_in,
    values_of,
    variables,
    write,
    write_v1,
)

FORMS = {"one file": None, "shards": 2}


@pytest.fixture(params=sorted(FORMS))
def shards(request):
    """The number of shards, None for one file."""
    return FORMS[request.param]


def statuses(report):
    return {row.status.value for row in report.rows}


def test_values_are_restored_compared_and_computed_with(kind, tmp_path, shards):
    values = linear_values()
    prefix = write_v1(tmp_path / "m", values, shards)
    with lr.restore(
        [lr.Model("m", linear(kind), prefix)], verify="session"
    ) as restored:
        assert restored.plan["m"].format == "V1"
        assert_same(values_in(restored, "m"), values)
        assert statuses(restored.check()) == {"equal"}
        x = numbers([4, 3])
        found = restored["m"](x=x)["y"]
        np.testing.assert_allclose(found, apply(values, x), rtol=1e-6)


def test_prefix_is_what_a_stock_saver_takes(kind, tmp_path, shards):
    values = linear_values()
    write_v1(tmp_path / "m", values, shards)
    with lr.restore([lr.Model("m", linear(kind), tmp_path / "m")]) as restored:
        prefix = restored["m"].report.plan.location.prefix
        restored.session.run([one.initializer for one in restored["m"].variables])
        assert statuses(restored.check()) == {"changed"}
        with restored.graph.as_default():
            restored["m"].saver.restore(restored.session, prefix)
        assert_same(values_in(restored, "m"), values)
        assert statuses(restored.check()) == {"equal"}


def test_models_of_both_formats_in_one_graph(kind, tmp_path, shards):
    models = [
        lr.Model(
            "old", linear(kind), write_v1(tmp_path / "o", linear_values(1), shards)
        ),
        lr.Model("new", linear(kind), write(tmp_path / "n", linear_values(2))),
    ]
    with lr.restore(models) as restored:
        assert_same(values_in(restored, "old"), linear_values(1))
        assert_same(values_in(restored, "new"), linear_values(2))
        restored["new"].swap(tmp_path / "o")
        assert_same(values_in(restored, "new"), linear_values(1))
        restored["old"].swap(tmp_path / "n")
        assert_same(values_in(restored, "old"), linear_values(2))
        assert statuses(restored.check()) == {"equal"}
        saved = restored["old"].save(tmp_path / "saved")
    with open_checkpoint(saved) as checkpoint:
        assert checkpoint.format == "V2"


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_partitioned_variables_whatever_the_parts(kind, tmp_path, parts):
    def build(partitions):
        def build_parts():
            partitioner = tf.fixed_size_partitioner(partitions)
            tf.get_variable("w", [7, 2], partitioner=partitioner)

        return build_parts

    with tf.Graph().as_default(), tf.Session() as session:
        build(3)()
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(write_version=tf.train.SaverDef.V1)
        prefix = saver.save(session, str(tmp_path / "m"), write_meta_graph=False)
        whole = np.concatenate(session.run(tf.global_variables()))
    with lr.restore([lr.Model("m", of_kind(kind, build(parts)), prefix)]) as restored:
        found = restored.session.run(list(restored["m"].variables))
        assert np.concatenate(found).tobytes() == whole.tobytes()
        assert statuses(restored.check()) == {"equal"}


def test_dtypes_of_v1(kind, tmp_path):
    values = {
        "half": numbers([3]).astype(np.float16),
        "flag": np.array([True, False]),
        "small": np.array([-128, 127], np.int8),
        "step": np.array(2**40),
        "none": np.zeros([0, 2], np.float32),
        "words": np.array([b"", b"a\0"], object),
    }

    def build():
        for name, value in values.items():
            dtype = tf.string if value.dtype == object else tf.as_dtype(value.dtype)
            tf.get_variable(name, value.shape, dtype, tf.zeros_initializer())

    model = lr.Model("m", of_kind(kind, build), write_v1(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), values)
        assert statuses(restored.check()) == {"equal"}


def test_a_changed_variable_is_found_and_files_are_opened_once(
    kind, tmp_path, monkeypatch
):
    shapes = {f"w{number}": [2] for number in range(30)}
    values = values_of(shapes)
    prefix = write_v1(tmp_path / "m", values)
    with lr.restore([lr.Model("m", variables(kind, shapes), prefix)]) as restored:
        opened = []

        def counted(given):
            opened.append(given)
            return open_prefix(given)

        monkeypatch.setattr("legacy_restore.restoring.stored.open_prefix", counted)
        assert statuses(restored.check()) == {"equal"}
        assert opened == [prefix]
        [one] = [v for v in restored["m"].variables if v.op.name == "m/w7"]
        restored.session.run(one.initializer)
        changed = [r for r in restored.check().rows if r.status.value == "changed"]
        assert [row.variable for row in changed] == ["m/w7"]


def test_a_check_after_the_file_is_gone_proves_nothing(kind, tmp_path, shards):
    prefix = write_v1(tmp_path / "m", linear_values(), shards)
    with lr.restore([lr.Model("m", linear(kind), prefix)]) as restored:
        write_v1(tmp_path / "m", linear_values(), shards)
        report = restored.check()
        assert statuses(report) == {"unproved"}
        assert "replaced" in report.rows[0].reason


def test_a_damaged_value_names_its_tensor(kind, tmp_path):
    shapes = {"a": [300, 300], "b": [300, 300]}
    prefix = write_v1(tmp_path / "m", values_of(shapes))
    flip(prefix, os.path.getsize(prefix) - 40_000)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([lr.Model("m", variables(kind, shapes), prefix)])
    assert only(caught.value.findings, "tensor-corrupt").subject == "b"
    assert caught.value.exit_code == 3


def test_a_missing_shard_is_refused_before_a_session(kind, tmp_path, refused):
    write_v1(tmp_path / "m", linear_values(), shards=2)
    path = str(tmp_path / "m-00001-of-00002")
    os.remove(path)
    error = refused([lr.Model("m", linear(kind), tmp_path / "m")])
    assert only(error.findings, "shard-missing").subject == path
    assert error.exit_code == 3


def test_another_shape_is_refused(kind, tmp_path, refused, shards):
    prefix = write_v1(tmp_path / "m", {"w": numbers([5])}, shards)
    error = refused([lr.Model("m", variables(kind, {"w": [4]}), prefix)])
    assert ids(error.findings) == ["shape-mismatch"]


def test_a_v2_checkpoint_that_appears_under_the_name_is_refused(
    kind, tmp_path, refused
):
    # TensorFlow would read that one.
    prefix = write_v1(tmp_path / "m", linear_values(1))
    plan = lr.plan([lr.Model("m", linear(kind), prefix)])
    write(prefix, linear_values(2))
    error = refused(plan)
    finding = only(error.findings, "checkpoint-changed")
    assert finding.subject == prefix + ".index"
    assert "not there before" in finding.message


def test_v2_of_the_same_name_is_restored_and_that_is_said(kind, tmp_path):
    prefix = write_v1(tmp_path / "m", linear_values(1))
    write(prefix, linear_values(2))
    with lr.restore([lr.Model("m", linear(kind), prefix)]) as restored:
        assert_same(values_in(restored, "m"), linear_values(2))
        found = [one.id for one in restored["m"].report.findings]
        assert "format-preferred" in found


@pytest.mark.parametrize("name", ["run[1]", "a*b", "a?b"])
def test_odd_directories(kind, tmp_path, shards, name):
    folder = tmp_path / name
    plain = tmp_path / "plain"
    write_v1(plain / "m", linear_values(), shards)
    os.rename(str(plain), str(folder))
    before = temporary_files()
    with lr.restore([lr.Model("m", linear(kind), folder / "m")]) as restored:
        assert_same(values_in(restored, "m"), linear_values())
        assert statuses(restored.check()) == {"equal"}
    assert temporary_files() == before


@pytest.mark.parametrize("stray", ["m-other-of-00002", "m-00000-of-00002.index"])
def test_strays_that_the_pattern_of_the_shards_matches(kind, tmp_path, stray):
    write_v1(tmp_path / "m", linear_values(), shards=2)
    (tmp_path / stray).write_bytes(b"something else")
    with lr.restore(
        [lr.Model("m", linear(kind), tmp_path / "m-?????-of-00002")]
    ) as restored:
        assert_same(values_in(restored, "m"), linear_values())


def test_a_scope_of_an_own_graph_is_restored(kind, tmp_path, shards):
    prefix = write_v1(tmp_path / "m", linear_values(), shards)
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("scope"):
            variables(kind, LINEAR)()
        lr.restore_scope(session, "scope", prefix)
        found = session.run({v.op.name[6:]: v for v in tf.global_variables()})
        assert_same(found, linear_values())


def test_saving_over_shards_wants_to_be_asked(kind, tmp_path):
    write_v1(tmp_path / "m", linear_values(), shards=2)
    with lr.restore([lr.Model("m", linear(kind), tmp_path / "m")]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].save(tmp_path / "m")
        only(caught.value.findings, "checkpoint-exists")
        restored["m"].save(tmp_path / "m", overwrite=True)
    assert sorted(os.listdir(str(tmp_path))) == [
        os.path.basename(data_file("m")),
        "m.index",
    ]
