"""Functions get names of their own, and everything that calls them finds them."""

import itertools

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.python.eager import def_function
from tensorflow.python.framework import function as tf1_function

from legacy_restore.importing.function_names import function_name, rename_functions
from legacy_restore.importing.isolating import isolate
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.tf import tf
from tests.importing.saved import copied, imported, run, saved

SCOPES = ["a/b", "a_b", "a.b", "a-b", "a__b", "a_", "a", "ab", "a_2f_b", "1", "_2e_"]
SCOPE = st.text("ab_/.-25fe", min_size=1, max_size=6)
NAME = st.text("ab_2f<", min_size=1, max_size=6)


def test_no_two_scopes_give_one_name():
    names = ["f", "_f", "b__f", "__inference_f_1", "a__f"]
    pairs = list(itertools.product(SCOPES, names))
    assert len({function_name(*pair) for pair in pairs}) == len(pairs)


@given(SCOPE, NAME, SCOPE, NAME)
def test_different_functions_have_different_names(scope, name, other_scope, other):
    same = (scope, name) == (other_scope, other)
    assert (function_name(scope, name) == function_name(other_scope, other)) is same


def calling(factor, name="f"):
    """A graph that calls a function of one name by its type."""

    def build():
        function = tf1_function.Defun(tf.float32, func_name=name)(lambda x: x * factor)
        tf.identity(function(tf.constant(1.0)), name="out")

    return saved(build)


def renamed(models):
    return {
        scope: rename_functions(copied(model), scope) for scope, model in models.items()
    }


def test_two_models_with_a_function_of_one_name():
    """Stock refuses the second, in words that name neither model."""
    models = {"m": calling(2.0), "n": calling(3.0)}
    with pytest.raises((ValueError, tf.errors.OpError), match="f"):
        imported(models)
    both = imported(renamed(models))
    assert run(both, ["m/out:0", "n/out:0"]) == [[2.0, 3.0]]


@pytest.mark.parametrize("scopes", [("a/b", "a_b"), ("1", "a.b-c"), (".x", "x")])
def test_names_can_be_called_whatever_the_scopes(scopes):
    models = dict(zip(scopes, [calling(2.0), calling(3.0)]))
    names = [f"{scope}/out:0" for scope in scopes]
    assert run(imported(renamed(models)), names) == [[2.0, 3.0]]


def nested(factor):
    """A function that calls another, by an attribute, in two branches."""

    def build():
        @def_function.function
        def inner(x):
            return x * factor

        @def_function.function
        def outer(x):
            return tf.cond(x > 0, lambda: inner(x), lambda: inner(-x) + 0.5)

        x = tf.placeholder_with_default(tf.constant(-1.0), [], name="x")
        tf.identity(outer(x), name="out")

    return saved(build)


def names_of(meta_graph):
    return sorted(one.signature.name for one in meta_graph.graph_def.library.function)


def with_names_of(meta_graph, other):
    """A graph whose functions have the names that another one's have."""
    text = text_format.MessageToString(meta_graph)
    for number, name in enumerate(names_of(meta_graph)):
        text = text.replace(name, f"<<{number}>>")
    for number, name in enumerate(names_of(other)):
        text = text.replace(f"<<{number}>>", name)
    return text_format.Merge(text, tf.MetaGraphDef())


def test_functions_that_call_functions():
    first = nested(2.0)
    models = {"m": first, "n": with_names_of(nested(3.0), first)}
    names = names_of(first)
    assert names == names_of(models["n"])
    both = imported(renamed(models))
    assert run(both, ["m/out:0", "n/out:0"]) == [[2.5, 3.5]]
    library = both.as_graph_def().library.function
    assert len(library) == 2 * len(names)


def test_a_file_twice_gives_each_its_own_functions():
    model = nested(2.0)
    both = imported(renamed({"m": model, "n": model}))
    assert run(both, ["m/out:0", "n/out:0"]) == [[2.5, 2.5]]
    names = {one.signature.name for one in both.as_graph_def().library.function}
    assert {name.partition("__")[0] for name in names} == {"fn_m", "fn_n"}


def with_gradient(factor):
    """A function whose gradient is a function too, and a node that asks for it."""

    def build():
        @tf1_function.Defun(tf.float32, tf.float32, func_name="f_gradient")
        def gradient(x, dy):
            return dy * x * factor

        @tf1_function.Defun(tf.float32, func_name="f", grad_func=gradient)
        def function(x):
            return x * x

        x = tf.constant(5.0)
        [dx] = tf.gradients(function(x), [x])
        tf.identity(dx, name="out")

    return saved(build)


def test_gradient_functions_go_with_their_functions():
    models = {"m": with_gradient(2.0), "n": with_gradient(3.0)}
    assert all(model.graph_def.library.gradient for model in models.values())
    both = imported(renamed(models))
    assert run(both, ["m/out:0", "n/out:0"]) == [[10.0, 15.0]]


def test_attributes_within_attributes_and_texts():
    model = tf.MetaGraphDef()
    library = model.graph_def.library
    for name in ("f", "g"):
        library.function.add().signature.name = name
    function = library.function[0]
    function.attr["forward_function_name"].s = b"g"
    function.attr["other"].list.s.extend([b"f", b"x"])
    function.attr["api_implements"].s = b"lstm_5d2e"
    node = model.graph_def.node.add(name="n", op="SymbolicGradient")
    node.attr["f"].func.name = "f"
    node.attr["f"].func.attr["inner"].func.name = "g"
    node.attr["f"].func.attr["inners"].list.func.add().name = "g"
    node.attr["_backward"].s = b"g"
    node.attr["_gradient_op_type"].s = b"f"
    const = model.graph_def.node.add(name="g", op="CheckNumerics", input=["f"])
    const.attr["message"].s = b"g"
    library.gradient.add(function_name="f", gradient_func="g")
    library.gradient.add(function_name="Relu", gradient_func="g")

    found = rename_functions(model, "m").graph_def
    function = found.library.function[0]
    assert [one.signature.name for one in found.library.function] == [
        "fn_m__f",
        "fn_m__g",
    ]
    assert function.attr["forward_function_name"].s == b"fn_m__g"
    assert list(function.attr["other"].list.s) == [b"fn_m__f", b"x"]
    assert function.attr["api_implements"].s == b"fn_m__lstm_5d2e"
    node, const = found.node
    assert node.attr["f"].func.name == "fn_m__f"
    assert node.attr["f"].func.attr["inner"].func.name == "fn_m__g"
    assert node.attr["f"].func.attr["inners"].list.func[0].name == "fn_m__g"
    assert node.attr["_backward"].s == b"fn_m__g"
    # The Python function of that name is meant, not the one in the library.
    assert node.attr["_gradient_op_type"].s == b"f"
    # Neither names of nodes nor texts that an operation declares are functions.
    assert (const.name, list(const.input)) == ("g", ["f"])
    assert const.attr["message"].s == b"g"
    pairs = [(one.function_name, one.gradient_func) for one in found.library.gradient]
    assert pairs == [("fn_m__f", "fn_m__g"), ("Relu", "fn_m__g")]


def test_a_graph_without_functions_stays_as_it_is():
    model = saved(lambda: tf.constant(1.0))
    assert rename_functions(copied(model), "m") == model


def test_datasets_call_their_functions():
    def build(factor):
        def make():
            data = tf.data.Dataset.range(1, 3).map(lambda x: x * factor)
            iterator = tf.data.make_initializable_iterator(data, shared_name="it")
            tf.identity(iterator.get_next(), name="out")
            tf.group(iterator.initializer, name="begin")

        return saved(make)

    first = build(2)
    models = {"m": first, "n": with_names_of(build(3), first)}
    ours = {
        scope: rename_functions(isolate(copied(model), scope, OpDefs(model)), scope)
        for scope, model in models.items()
    }
    names = ["m/out:0", "n/out:0"]
    found = run(imported(ours), ["m/begin", "n/begin", *names, *names])
    assert found == [[None, None, 2, 3, 4, 6]]
