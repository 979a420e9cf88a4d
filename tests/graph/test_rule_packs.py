"""Old models are restored under names of another time, and compute what they did."""

import json

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.tf import tf
from tests.graph import rule_pack_keras as keras
from tests.graph.helpers import IS_TF1, of_id, of_kind
from tests.graph.rule_pack_cases import CASES, SAME
from tests.graph.rule_pack_models import FOLDER, checkpoint_of, golden_of

# Layer normalisation of two values is steep.
TOLERANCES = {"layer_norm": 1e-4}


def model_of(name, folder, build, kind, **more):
    """A model, and a place for what its builder returns besides outputs."""
    made = {}

    def build_outputs():
        made.update(build())
        return made["outputs"]

    built = of_kind(kind, build_outputs)
    return lr.Model(name, built, checkpoint_of(folder), **more), made


def names_of(folder):
    described = json.loads((FOLDER / folder / "golden.json").read_text())
    return sorted(set(described) - {"tensorflow"})


def assert_computes(restored, name, folder, made):
    golden = golden_of(folder)
    fed = {key: golden[f"in:{key}"] for key in made["inputs"]}
    found = restored[name](**fed)
    assert sorted(f"out:{key}" for key in found) == sorted(
        key for key in golden if key.startswith("out:")
    )
    for key, value in found.items():
        atol = TOLERANCES.get(key, 1e-5)
        expected = golden[f"out:{key}"]
        np.testing.assert_allclose(value, expected, atol=atol, err_msg=key)


def assert_trains_on(restored, folder, made):
    golden = golden_of(folder)
    fed = {one: golden[f"in:{key}"] for key, one in made["inputs"].items()}
    losses = [restored.session.run(made["train"], fed) for _ in golden["losses"]]
    np.testing.assert_allclose(losses, golden["losses"], rtol=1e-5)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_an_old_model_is_restored_by_packs(one):
    """Named, and if one pack alone explains it unnamed, in variables of both kinds."""

    def model(name, kind, **more):
        return model_of(name, one.folder, one.build, kind, **one.more, **more)

    named, of_named = model("named", "ref", rules=list(one.packs))
    other, of_other = model("other", "resource")
    if one.by_itself is None:
        assert_proposed(one.packs, other)
        other, of_other = model("other", "resource", rules=list(one.packs))
    with lr.restore([named, other]) as restored:
        assert of_id(restored.plan["named"].findings, "rule-pack") == []
        remarks = of_id(restored.plan["other"].findings, "rule-pack")
        assert [remark.subject for remark in remarks] == (
            [one.by_itself] if one.by_itself else []
        )
        assert restored.check().ok
        for name, made in ("named", of_named), ("other", of_other):
            assert_computes(restored, name, one.folder, made)
            if "train" in made:
                assert_trains_on(restored, one.folder, made)


def assert_proposed(packs, model):
    """A plan refuses what has to be named, and says what to write and to heed."""
    plan = lr.plan([model])
    hint = of_id(plan.findings, "missing-key")[0].hint
    assert f"rules={list(packs)!r} for {model.name!r}, with which all of" in hint
    assert all(PACKS[pack].caution in hint for pack in packs)
    assert not plan.ok


def test_models_of_their_own_time_need_no_pack(kind):
    models, made = [], {}
    for folder, build in SAME:
        model, made[folder] = model_of(folder, folder, build, kind)
        models.append(model)
    with lr.restore(models) as restored:
        assert of_id(restored.plan.findings, "rule-pack") == []
        for folder, _ in SAME:
            assert_computes(restored, folder, folder, made[folder])
            if "train" in made[folder]:
                assert_trains_on(restored, folder, made[folder])


def test_layers_of_keras_compute_the_same_with_the_gates_of_their_time(kind):
    """By themselves they have others, of which names and shapes say nothing."""
    if IS_TF1:
        layers, folder, pack = tf.keras.layers, "tf2_21_keras_rnn", "keras-lstm"
        then, now = "sigmoid", "hard_sigmoid"
    else:
        layers = pytest.importorskip("tf_keras").layers
        folder, pack = "tf1_15_keras_rnn", "keras-lstm-cell"
        then, now = "hard_sigmoid", "sigmoid"
    rules = [pack]
    made = {}
    models = []
    for gate in then, now:
        build = keras.keras_rnn_by(layers, gate)
        model, made[gate] = model_of(gate, folder, build, kind, rules=rules)
        models.append(model)
    with lr.restore(models) as restored:
        assert_computes(restored, then, folder, made[then])
        with pytest.raises(AssertionError, match="Mismatched elements"):
            assert_computes(restored, now, folder, made[now])
    assert layers.LSTM(2).get_config()["recurrent_activation"] == now


@pytest.mark.parametrize("one", [one for one in CASES if one.like], ids=str)
def test_the_present_models_have_the_names_of_genuine_ones(one):
    with tf.Graph().as_default():
        one.build()
        made = sorted(variable.op.name for variable in tf.global_variables())
    assert made == names_of(one.like)


def test_each_pack_restores_a_genuine_old_model():
    assert {pack for one in CASES if len(one.packs) == 1 for pack in one.packs} == set(
        PACKS
    )


def test_each_fixture_is_restored():
    folders = {path.name for path in FOLDER.iterdir()}
    assert {one.folder for one in CASES} | {folder for folder, _ in SAME} == folders
