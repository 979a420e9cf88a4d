"""Placeholders become inputs, each under a name of its own."""

import numpy as np

import legacy_restore as lr
from legacy_restore.tf import tf
from tests.graph.helpers import ids, linear_model, of_kind, only, write


def two_of_one_name(kind, outer_first=False, is_outer_used=True):
    """A builder of ``m/x``, which has a default, and of ``x`` outside the scope."""

    def outside():
        with tf.name_scope(None):
            return tf.placeholder(tf.float32, [], name="x")

    def build():
        outer = outside() if outer_first else None
        inner = tf.placeholder_with_default(np.float32(5), [], name="x")
        outer = outside() if outer is None else outer
        inputs = inner + outer if is_outer_used else inner
        return inputs * tf.get_variable("w", [])

    return of_kind(kind, build)


def scalar_model(tmp_path, build):
    return lr.Model("m", build, write(tmp_path / "m", {"w": np.float32(3)}))


def test_two_placeholders_of_one_name_without_the_scope(kind, tmp_path, refused):
    for outer_first in (False, True):
        model = scalar_model(tmp_path, two_of_one_name(kind, outer_first))
        error = refused([model])
        assert ids(error.findings) == ["input-claimed-twice"]
        finding = only(error.findings, "input-claimed-twice")
        assert (finding.model, finding.subject) == ("m", "m/x")
        assert "the placeholder x outside" in finding.message
        assert error.exit_code == 1


def test_also_where_the_outputs_do_not_need_one_of_them(kind, tmp_path, refused):
    model = scalar_model(tmp_path, two_of_one_name(kind, is_outer_used=False))
    assert ids(refused([model]).findings) == ["input-claimed-twice"]


def test_it_hides_no_other_problem(kind, tmp_path):
    broken = scalar_model(tmp_path, two_of_one_name(kind))
    broken.checkpoint = write(tmp_path / "other", {"v": np.float32(3)})
    plan = lr.plan([broken, linear_model(kind, "sound", tmp_path)])
    assert ids(plan["m"].findings) == [
        "input-claimed-twice",
        "missing-key",
        "unused-weights",
    ]
    assert plan["sound"].ok


def test_names_that_tensorflow_makes_unique_stay_apart(kind, tmp_path):
    def build():
        first = tf.placeholder(tf.float32, [], name="x")
        second = tf.placeholder(tf.float32, [], name="x")
        return (first - second) * tf.get_variable("w", [])

    with lr.restore([scalar_model(tmp_path, of_kind(kind, build))]) as restored:
        assert restored["m"](x=5.0, x_1=3.0) == 6


def test_models_may_have_placeholders_of_one_name(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in "ab"]
    with lr.restore(models) as restored:
        assert list(restored["a"].inputs) == list(restored["b"].inputs) == ["x"]
