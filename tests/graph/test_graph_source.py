"""What may be asked of a saved graph, and what cannot be meant."""

import pathlib

import pytest

import legacy_restore as lr
from legacy_restore import errors

_OUTPUTS = {"y": "y"}


@pytest.mark.parametrize(
    ("arguments", "text", "hint"),
    [
        ({"outputs": ["y"]}, "outputs has to be a dictionary", "outputs={"),
        ({"outputs": {1: "y"}}, "outputs has to be a dictionary", "outputs={"),
        ({"outputs": {"": "y"}}, "outputs has to be a dictionary", "outputs={"),
        ({"outputs": {"y": 1}}, "outputs names tensors of the file", "outputs={"),
        ({"inputs": {"x": ""}}, "inputs names tensors of the file", "inputs={"),
        ({"op_replacements": {"A": 1}}, "op_replacements['A'] is no function", None),
        ({"py_functions": ["f"]}, "py_functions has to be a dictionary", None),
        ({"py_functions": {"t": "f"}}, "py_functions['t'] is no function", None),
        ({"assets": "vocab.txt"}, "assets has to be a dictionary", "assets={"),
        ({"assets": {"vocab.txt": 1}}, "1 in assets is no path", None),
        ({"op_libraries": "ops.so"}, "op_libraries has to be a list", "op_libraries=["),
        ({"op_libraries": [1]}, "1 in op_libraries is no path", None),
        ({"signature": 1}, "signature has to be a name", None),
        ({"prune": "no"}, "prune has to be True or False", None),
        ({"trust": 1}, "trust has to be True or False", None),
        ({"variables": "ref"}, "variables cannot be 'ref'", 'variables="keep"'),
    ],
)
@pytest.mark.parametrize("make", [lr.Model.from_meta_graph, lr.Model.from_saved_model])
def test_what_cannot_be_meant_is_refused(make, arguments, text, hint):
    with pytest.raises(errors.UsageError) as caught:
        make("m", "somewhere", **arguments)
    assert caught.value.message.startswith("model 'm': ")
    assert text in caught.value.message
    assert (hint is None) or hint in caught.value.hint


@pytest.mark.parametrize("tags", ["serve", b"serve", 1, [1], {"serve": 1}.values()])
def test_tags_are_a_list_of_names(tags):
    with pytest.raises(errors.UsageError) as caught:
        lr.Model.from_saved_model("m", "somewhere", tags=tags)
    assert "tags has to be a list of names" in str(caught.value)


@pytest.mark.parametrize("make", [lr.Model.from_meta_graph, lr.Model.from_graph_def])
def test_tags_of_what_has_none_are_not_ignored(make):
    with pytest.raises(errors.UsageError) as caught:
        make("m", "somewhere", outputs=_OUTPUTS, tags=["serve"])
    assert "from_saved_model" in caught.value.hint


def test_a_frozen_graph_takes_no_checkpoint():
    with pytest.raises(errors.UsageError) as caught:
        lr.Model.from_graph_def("m", "frozen.pb", outputs=_OUTPUTS, checkpoint="c")
    assert "from_meta_graph" in caught.value.hint


@pytest.mark.parametrize("path", [None, 1, b"frozen.pb"])
def test_what_is_no_path_is_refused(path):
    asked = [
        lambda: lr.Model.from_graph_def("m", path, outputs=_OUTPUTS),
        lambda: lr.Model.from_saved_model("m", path),
        lambda: lr.Model.from_meta_graph("m", path, outputs=_OUTPUTS),
    ]
    for one in asked:
        with pytest.raises(errors.UsageError) as caught:
            one()
        assert caught.value.message.startswith("model 'm': ")
    with pytest.raises(errors.UsageError):
        lr.Model.from_meta_graph("m", "c", meta_graph=path or 1, outputs=_OUTPUTS)


def test_paths_of_all_kinds_and_tags_in_any_order():
    path = pathlib.Path("somewhere")
    one = lr.Model.from_saved_model(
        "m", path, tags={"b", "a"}, op_libraries=(path,), assets={"a": path}
    )
    other = lr.Model.from_saved_model(
        "m",
        "somewhere",
        tags=["a", "b"],
        op_libraries=["somewhere"],
        assets={"a": "somewhere"},
    )
    assert one.build == other.build
    assert one.build.options.tags == ("a", "b")


def test_a_caller_may_change_what_was_given():
    outputs = {"y": "y"}
    model = lr.Model.from_graph_def("m", "frozen.pb", outputs=outputs)
    outputs["z"] = "z"
    assert model.build.options.outputs == {"y": "y"}


@pytest.mark.parametrize(
    "name", ["from_meta_graph", "from_saved_model", "from_graph_def"]
)
def test_an_unknown_argument_names_the_function_that_was_called(name):
    make = getattr(lr.Model, name)
    with pytest.raises(TypeError) as caught:
        make("m", "path", alow_missing=["x"])
    assert str(caught.value) == (
        f"Model.{name}() got an unexpected keyword argument 'alow_missing'; "
        "did you mean 'allow_missing'?"
    )
    with pytest.raises(TypeError, match=f"{name}.. got an unexpected .* 'build'$"):
        make("m", "path", build=len)
