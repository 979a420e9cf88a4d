"""Describing models."""

import pathlib

import pytest

import legacy_restore as lr
from legacy_restore import errors


def build():
    return None


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a=b", None, 3])
def test_names_that_flags_and_paths_could_not_carry_are_refused(name):
    with pytest.raises(errors.UsageError):
        lr.Model(name, build, "x")


@pytest.mark.parametrize(
    "scope", ["", "a b", "a/", "/a", "a//b", "_a", "a:0", "é", "a=b", 3, "a/b/"]
)
def test_scopes_that_tensorflow_would_refuse_are_refused(scope):
    with pytest.raises(errors.UsageError) as caught:
        lr.Model("m", build, "x", scope=scope)
    assert caught.value.hint


@pytest.mark.parametrize("scope", ["a", "A1", "a/b/c", "a.b", "a-b", "0", "a/_b", ".a"])
def test_scopes_that_tensorflow_takes_are_taken(scope):
    assert lr.Model("m", build, "x", scope=scope).scope == scope


def test_the_scope_is_the_name_unless_given():
    assert lr.Model("m", build, "x").scope == "m"


def test_a_name_that_is_no_scope_needs_one():
    with pytest.raises(errors.UsageError):
        lr.Model("my model", build, "x")
    assert lr.Model("my model", build, "x", scope="m").name == "my model"


@pytest.mark.parametrize(
    "arguments",
    [
        {"build": None},
        {"build": "build"},
        {"checkpoint": None},
        {"checkpoint": 3},
        {"checkpoint": ["x"]},
        {"rules": "^a=>b"},
        {"rules": lr.Rename("a", "b")},
        {"rules": ["a"]},
        {"rules": [("a", "b")]},
        {"allow_missing": "a"},
        {"allow_missing": ["("]},
        {"allow_unused": "a"},
        {"allow_unused": [None]},
        {"weights": "average"},
        {"weights": None},
        {"weights": ["ema"]},
        {"allow_shape": "logits"},
        {"allow_shape": {"logits": "cut"}},
        {"cast": ["logits"]},
        {"cast": {"logits": "float"}},
        {"only": "encoder/.*"},
        {"exclude": ["("]},
        {"rules": [lr.Model]},
    ],
)
def test_arguments_of_another_kind_are_refused(arguments):
    with pytest.raises(errors.UsageError):
        lr.Model(**{"name": "m", "build": build, "checkpoint": "x", **arguments})


@pytest.mark.parametrize("models", [3, [3], []])
def test_what_is_no_list_of_models_is_refused_with_what_to_type(models):
    # Who has a Keras model tries lr.restore first.
    with pytest.raises(errors.UsageError) as caught:
        lr.plan(models)
    assert "restore_object" in caught.value.hint


def test_locations_may_be_paths():
    assert lr.Model("m", build, pathlib.Path("a") / "b").checkpoint == pathlib.Path(
        "a/b"
    )


def test_a_model_shows_its_name_and_checkpoint():
    assert repr(lr.Model("m", build, "runs/m")) == "Model('m', checkpoint='runs/m')"


def test_nothing_is_built_or_read_when_a_model_is_described():
    def explode():
        raise AssertionError

    lr.Model("m", explode, "no such place")
