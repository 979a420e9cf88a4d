"""Python functions of saved graphs: given by token, or refused."""

import gc

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.graph.python_functions import register_python_functions
from legacy_restore.importing.function_names import rename_functions
from legacy_restore.importing.python_functions import (
    PythonCall,
    check_python_functions,
    python_calls,
    rewrite_tokens,
)
from legacy_restore.tf import script_ops, tf
from tests.importing.saved import copied, imported, run, saved


def calling(kind="PyFunc", in_function=False):
    """A graph that calls a Python function with 3, and that function."""

    def original(x):
        return x * np.float32(2)

    def made():
        x = tf.placeholder_with_default(tf.constant(3.0), [], name="x")
        if kind == "EagerPyFunc":
            return tf.py_function(original, [x], tf.float32)
        return tf.py_func(original, [x], tf.float32, stateful=kind == "PyFunc")

    def build():
        if in_function:
            data = tf.data.Dataset.from_tensors(0).map(lambda _: made())
            iterator = tf.data.make_initializable_iterator(data)
            tf.group(iterator.initializer, name="start")
            tf.identity(iterator.get_next(), name="out")
        else:
            tf.identity(made(), name="out")

    model = saved(build)
    [call] = python_calls(model)
    return rewrite_tokens(model, {call.token: "pyfunc_0"}), original


def given(graph, model, function, token="pyfunc_0"):
    calls = python_calls(model)
    tokens = register_python_functions(graph, {token: function}, calls)
    return rewrite_tokens(copied(model), tokens)


KINDS = ["PyFunc", "PyFuncStateless", "EagerPyFunc"]


@pytest.mark.parametrize("kind", KINDS)
def test_calls_are_found(kind):
    model, _ = calling(kind)
    [call] = python_calls(model)
    assert (call.op, call.token, call.function) == (kind, "pyfunc_0", "")
    assert call.dtypes == (tf.float32.as_datatype_enum,)
    assert call.node in [node.name for node in model.graph_def.node]


def test_calls_in_functions_are_found():
    model, _ = calling(in_function=True)
    [call] = python_calls(model)
    names = [one.signature.name for one in model.graph_def.library.function]
    assert call.function in names


def test_a_graph_without_python_calls_none():
    model = saved(lambda: tf.constant(1.0))
    assert python_calls(model) == ()
    assert rewrite_tokens(copied(model), {"pyfunc_0": "x"}) == model


@pytest.mark.parametrize("kind", KINDS)
def test_stock_calls_whoever_has_the_token(kind, monkeypatch):
    """Another model of the process registered a function under it."""
    model, original = calling(kind)

    def foreign(x):
        return x * np.float32(0) - np.float32(998)

    # What a process that starts with another model has in its registry.
    with tf.Graph().as_default() as other:
        if kind == "EagerPyFunc":
            foreign = script_ops.EagerFunc(foreign, [tf.float32], is_grad_func=False)
        monkeypatch.setitem(script_ops._py_funcs._funcs, "pyfunc_0", foreign)
        stock = imported({"m": model})
        assert run(stock, ["m/out:0"]) == [[-998.0]]
        graph = tf.Graph()
        ours = given(graph, model, original)
        with graph.as_default():
            tf.import_graph_def(ours.graph_def, name="m")
        assert run(graph, ["m/out:0"]) == [[6.0]]
    del other


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_function", [False, True])
def test_two_models_of_one_token_call_their_own(kind, in_function):
    seen = []

    def three(x):
        seen.append(type(x))
        return x * np.float32(3)

    model, original = calling(kind, in_function)
    with tf.Graph().as_default() as graph:
        models = {"m": given(graph, model, original), "n": given(graph, model, three)}
        for name, one in models.items():
            tf.import_graph_def(rename_functions(one, name).graph_def, name=name)
    del original, models
    gc.collect()
    starts = ["m/start", "n/start"] if in_function else []
    found = run(graph, [*starts, "m/out:0", "n/out:0"])[0][len(starts) :]
    assert found == [6.0, 9.0]
    is_eager = kind == "EagerPyFunc"
    assert all(issubclass(one, (np.ndarray, np.generic)) != is_eager for one in seen)


def test_functions_live_as_long_as_the_graph():
    model, original = calling()
    graph = tf.Graph()
    [call] = python_calls(model)
    tokens = register_python_functions(graph, {"pyfunc_0": original}, [call])
    token = tokens["pyfunc_0"]
    del original
    gc.collect()
    assert token in script_ops._py_funcs._funcs
    del graph
    gc.collect()
    assert token not in script_ops._py_funcs._funcs


class Callable:
    """What can be called and what nothing can refer to weakly."""

    __slots__ = ()

    def __call__(self, x):
        return x * np.float32(4)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_can_be_called_may_be_given(kind):
    model, _ = calling(kind)
    with tf.Graph().as_default() as graph:
        ours = given(graph, model, Callable())
        tf.import_graph_def(ours.graph_def, name="m")
    assert run(graph, ["m/out:0"]) == [[12.0]]


def test_what_cannot_be_called_is_refused():
    model, _ = calling()
    with pytest.raises(errors.UsageError, match="pyfunc_0"):
        register_python_functions(tf.Graph(), {"pyfunc_0": 3}, python_calls(model))


@pytest.mark.parametrize("broken", ["EagerFunc", "_py_funcs"])
def test_a_tensorflow_without_the_registry_is_named(broken, monkeypatch):
    model, original = calling("EagerPyFunc")
    monkeypatch.setattr(script_ops, broken, None)
    with pytest.raises(errors.BuildError, match="TensorFlow"):
        register_python_functions(
            tf.Graph(), {"pyfunc_0": original}, python_calls(model)
        )


CALLS = (
    PythonCall("a", "", "PyFunc", "pyfunc_0"),
    PythonCall("b", "", "PyFunc", "pyfunc_0"),
    PythonCall("c", "g", "EagerPyFunc", "pyfunc_7"),
)


def test_a_call_without_a_function_is_refused():
    found = check_python_functions("m", CALLS, {"pyfunc_0": len})
    [finding] = found
    assert (finding.id, finding.subject) == ("python-function-missing", "pyfunc_7")
    assert (finding.is_error, finding.model) == (True, "m")
    assert "c in the function g" in finding.message
    assert finding.hint == 'py_functions={"pyfunc_7": function}'


def test_every_token_is_named_once():
    found = check_python_functions("m", CALLS, {})
    assert [one.subject for one in found] == ["pyfunc_0", "pyfunc_7"]
    assert "a and 1 more" in found[0].message


def test_a_token_that_the_process_knows_is_refused_too(monkeypatch):
    monkeypatch.setitem(script_ops._py_funcs._funcs, "pyfunc_0", lambda x: x)
    found = check_python_functions("m", CALLS, {"pyfunc_7": len})
    assert [one.subject for one in found] == ["pyfunc_0"]


def test_a_function_that_nothing_calls_is_refused():
    functions = {"pyfunc_0": len, "pyfunc_7": len, "pyfunc_1": len}
    [finding] = check_python_functions("m", CALLS, functions)
    assert (finding.id, finding.subject) == ("unused-waiver", "pyfunc_1")
    assert "pyfunc_0, pyfunc_7" in finding.message
    assert finding.is_error


def test_a_function_for_what_was_left_out_is_none_too_many():
    functions = {"pyfunc_0": len, "pyfunc_7": len}
    assert check_python_functions("m", CALLS[:2], functions, ["pyfunc_7"]) == []
    assert check_python_functions("m", CALLS, functions) == []
