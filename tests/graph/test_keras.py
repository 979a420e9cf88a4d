"""Keras layers in builders: Keras 3 and tf_keras, which number their layers.

Keras 3 counts the layers of a class over the whole process. So each test has a class
of its own, which makes the numbers known.
"""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.graph import keras_names
from legacy_restore.tf import tf
from tests.graph.helpers import (
    IS_TF1,
    assert_same,
    ids,
    numbers,
    of_id,
    values_in,
    write,
)

pytestmark = pytest.mark.skipif(IS_TF1, reason="Keras 3 and tf_keras need TensorFlow 2")

X = numbers([4, 3], 99)


@pytest.fixture(params=["keras", "tf_keras"])
def layer_class(request):
    """A new class of layers like Dense, which no other test has counted."""
    keras = pytest.importorskip(request.param)

    class Probe(keras.layers.Dense):
        pass

    name = request.node.name.partition("[")[0].replace("test_", "")
    Probe.__name__ = "".join(word.capitalize() for word in name.split("_"))
    Probe.label = name
    return Probe


def builder(layer_class, layers=1):
    def build():
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        for _ in range(layers):
            x = layer_class(3)(x)
        return x

    return build


def layer_values(layer_class, *numbers_of_layers):
    """Values for layers with these numbers behind their names."""
    return {
        f"{layer_class.label}{number}/{part}": numbers(shape, seed)
        for seed, number in enumerate(numbers_of_layers)
        for part, shape in (("kernel", [3, 3]), ("bias", [3]))
    }


def test_the_first_model_has_its_names(layer_class, tmp_path):
    values = layer_values(layer_class, "")
    model = lr.Model("m", builder(layer_class), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), values)
        kernel, bias = (values[f"{layer_class.label}/{p}"] for p in ("kernel", "bias"))
        np.testing.assert_allclose(
            restored["m"](x=X), X @ kernel + bias, rtol=1e-5, atol=1e-6
        )
        assert restored.check().ok


def test_the_second_model_has_its_names_too(layer_class, tmp_path):
    values = [layer_values(layer_class, "", ""), layer_values(layer_class, "")]
    models = [
        lr.Model(name, builder(layer_class), write(tmp_path / name, values[number]))
        for number, name in enumerate("ab")
    ]
    with lr.restore(models) as restored:
        for number, name in enumerate("ab"):
            assert_same(values_in(restored, name), values[number])


def test_models_of_one_builder_have_the_same_names(layer_class, tmp_path):
    prefix = write(tmp_path / "m", {"unrelated": numbers([1])})
    plan = lr.plan([lr.Model(name, builder(layer_class, 3), prefix) for name in "abc"])
    names = [[row.variable.local_name for row in plan[name].rows] for name in "abc"]
    assert len(set(names[0])) == 6
    assert names[0] == names[1] == names[2]


def test_layers_of_the_caller_are_numbered_as_without_us(layer_class, tmp_path):
    values = layer_values(layer_class, "")
    model = lr.Model("m", builder(layer_class), write(tmp_path / "m", values))
    with tf.Graph().as_default():
        assert layer_class(3).name == layer_class.label
        assert lr.plan([model]).ok
        assert layer_class(3).name == f"{layer_class.label}_1"


def test_where_the_counters_cannot_be_found_the_second_model_is_refused(
    layer_class, tmp_path, refused, monkeypatch
):
    monkeypatch.setattr(keras_names, "_KERAS_3", "no such module")
    monkeypatch.setattr(keras_names, "_KERAS_2", ())
    prefix = write(tmp_path / "m", layer_values(layer_class, ""))
    error = refused([lr.Model(name, builder(layer_class), prefix) for name in "ab"])
    assert {one.model for one in error.findings if one.is_error} == {"b"}
    missing = {one.subject for one in of_id(error.findings, "missing-key")}
    label = layer_class.label
    assert missing == {f"b/{label}_1/kernel", f"b/{label}_1/bias"}


def test_numbers_that_lie_over_each_other_are_never_taken(
    layer_class, tmp_path, monkeypatch
):
    # The model has layers 1 and 2 where the checkpoint has 0 and 1, of one shape.
    monkeypatch.setattr(keras_names, "_KERAS_3", "no such module")
    monkeypatch.setattr(keras_names, "_KERAS_2", ())
    values = layer_values(layer_class, "", "_1")
    prefix = write(tmp_path / "m", values)
    first = lr.Model("first", builder(layer_class, 1), prefix, allow_unused=[".*_1/.*"])
    second = lr.Model("second", builder(layer_class, 2), prefix)
    plan = lr.plan([first, second])
    assert plan["first"].ok
    assert ids(plan["second"].findings).count("missing-key") == 2
    assert ids(plan["second"].findings).count("unused-weights") == 2
