"""What a session keeps for two models under one name is refused."""

import numpy as np
import pytest
from tensorflow.python.framework import function as tf1_function

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph.device_names import may_be_one
from legacy_restore.graph.resources import resource_findings
from legacy_restore.tf import tf
from tests.graph.helpers import numbers, of_kind, only, variables, write
from tests.importing.resource_kinds import KINDS


@pytest.fixture
def planned(kind, tmp_path):
    """Makes the plan of models that have a weight, and what a function makes."""
    prefix = write(tmp_path / "m", {"w": numbers([2])})

    def make(*builders, **kwargs):
        def model(number, build):
            def with_weight():
                weight = tf.get_variable("w", [2])
                return {"w": tf.identity(weight), "made": build()}

            return lr.Model(f"m{number}", of_kind(kind, with_weight), prefix)

        models = [model(number, build) for number, build in enumerate(builders)]
        return lr.plan(models, **kwargs)

    return make


VARIABLES = {"resource_variable", "ref_variable"}


@pytest.mark.parametrize("resource", sorted(set(KINDS) - VARIABLES))
def test_two_models_with_one_resource_are_refused(resource, planned):
    plan = planned(*[lambda: KINDS[resource]("q", "common")] * 2)
    ids = {one.id for one in plan.findings if one.is_error}
    mutable = resource.startswith("table")
    assert ids == {"variable-claimed" if mutable else "resource-claimed"}
    found = [one for one in plan.findings if one.is_error]
    assert {one.model for one in found} == {"m1"}
    assert all("'m0'" in one.message and "'common'" in one.message for one in found)
    assert all(one.subject.startswith("m1/") and one.hint for one in found)
    with pytest.raises(errors.RestoreError, match="common"):
        lr.restore(plan)


@pytest.mark.parametrize("resource", sorted(set(KINDS) - VARIABLES))
@pytest.mark.parametrize("name", ["", "own"])
def test_resources_of_their_own_are_taken(resource, name, planned):
    if resource == "staging_area":
        name = "own"  # What asks for its size has to name it.
    builders = [
        lambda own=name and f"own_{number}": KINDS[resource]("q", own)
        for number in range(2)
    ]
    assert planned(*builders).ok


def in_function(function_name, resource, shared_name=""):
    def build():
        defun = tf1_function.Defun(func_name=function_name)(
            lambda: KINDS[resource]("q", shared_name)
        )
        return defun()

    return build


NAMED_BY_NODE = {"table_of_its_node", "staging_area", "sparse_map", "barrier"}


@pytest.mark.parametrize("resource", sorted(set(KINDS) - VARIABLES))
def test_functions_of_two_models_are_looked_into(resource, planned):
    """Without a name some go by that of the node, which is in both; others by none."""
    plan = planned(in_function("f", resource), in_function("g", resource))
    found = [one for one in plan.findings if one.is_error]
    if resource in NAMED_BY_NODE:
        assert {one.id for one in found} == {"resource-claimed"}
        assert "q in the function g" in {one.subject for one in found}
        assert all("in the function f" in one.message for one in found)
    else:
        assert found == []
    named = planned(*[in_function(one, resource, "common") for one in ("f", "g")])
    assert only(
        [one for one in named.findings if one.subject.startswith("q in")],
        "resource-claimed",
    )


def test_the_function_that_both_models_call_is_looked_into(planned):
    """As it is where a module holds it, and both builders call it."""
    defun = tf1_function.Defun(func_name="both")(
        lambda: KINDS["staging_area"]("q", "common")
    )
    plan = planned(lambda: defun(), lambda: defun())
    found = {one.subject for one in plan.findings if one.is_error}
    assert "q in the function both" in found


def test_functions_in_functions_and_in_datasets_are_looked_into(planned):
    def dataset(name):
        def build():
            inner = tf1_function.Defun(func_name=f"inner_{name}")(
                lambda: KINDS["queue"]("q", "common")
            )
            data = tf.data.Dataset.range(2).map(lambda _: inner())
            iterator = tf.data.make_initializable_iterator(data)
            return iterator.get_next()

        return build

    plan = planned(dataset("a"), dataset("b"))
    found = {one.subject for one in plan.findings if one.is_error}
    assert "q in the function inner_b" in found


def iterator(shared_name):
    def build():
        data = tf.data.Dataset.range(3)
        made = tf.data.make_initializable_iterator(data, shared_name=shared_name)
        return made.get_next()

    return build


def test_iterators_of_one_name_are_refused(planned):
    plan = planned(iterator("it"), iterator("it"))
    assert only(plan.findings, "resource-claimed").subject == "m1/IteratorV2"
    assert planned(iterator(None), iterator(None)).ok
    assert planned(iterator("a"), iterator("b")).ok


def test_containers_and_devices_keep_resources_apart(planned):
    def build(container=None, device=None):
        with tf.get_default_graph().container(container or ""), tf.device(device):
            return KINDS["queue"]("q", "common")

    apart = planned(lambda: build("one"), lambda: build("other"), lambda: build())
    assert apart.ok
    there = ["/device:CPU:0", "/device:CPU:1"]
    assert planned(*[lambda one=one: build(device=one) for one in there]).ok
    # Nobody knows yet where what asks for no device will be.
    either = planned(lambda: build(device=there[0]), lambda: build())
    assert only(either.findings, "resource-claimed").model == "m1"


def test_kinds_keep_resources_apart(planned):
    makes = [KINDS[one] for one in ("queue", "table", "staging_area", "barrier")]
    assert planned(*[lambda make=make: make("q", "common") for make in makes]).ok


def test_one_model_may_have_a_resource_twice(planned):
    def build():
        return [KINDS["queue"](one, "common") for one in ("p", "q")]

    assert planned(build, lambda: tf.constant(1)).ok


@pytest.mark.parametrize(
    "one, other, expected",
    [
        ("", "/device:CPU:0", True),
        ("/cpu:0", "/device:CPU:0", True),
        ("/cpu:0", "/device:CPU:1", False),
        ("/job:a", "/job:b", False),
        ("/job:a", "/cpu:0", True),
        ("/job:a/cpu:0", "/job:a/gpu:0", False),
        ("/device:*:0", "/gpu:0", True),
        ("no device", "/gpu:0", True),
    ],
)
def test_devices_that_may_be_one(one, other, expected):
    assert may_be_one(one, other) is may_be_one(other, one) is expected


# Read-only tables.


def of_file(path, key_index=-2):
    def build():
        handle = tf.raw_ops.HashTableV2(
            key_dtype=tf.string, value_dtype=tf.int64, shared_name="words"
        )
        filled = tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=handle,
            filename=tf.constant(str(path)),
            key_index=key_index,
            value_index=-1,
        )
        tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, filled)
        return looked_up(handle)

    return build


def of_constants(values, keys=("a", "b"), computed=False):
    def build():
        handle = tf.raw_ops.HashTableV2(
            key_dtype=tf.string, value_dtype=tf.int64, shared_name="words"
        )
        given = tf.constant(values, tf.int64)
        if computed:
            given += tf.cast(tf.random.uniform([len(values)]), tf.int64)
        filled = tf.raw_ops.InitializeTableV2(
            table_handle=handle, keys=tf.constant(list(keys)), values=given
        )
        tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, filled)
        return looked_up(handle)

    return build


def looked_up(handle):
    return tf.raw_ops.LookupTableFindV2(
        table_handle=handle,
        keys=tf.constant(["b", "c"]),
        default_value=tf.constant(-1, tf.int64),
    )


def vocabulary(path, words):
    path.write_text("\n".join(words) + "\n")
    return path


def test_tables_of_one_file_are_one(planned, tmp_path):
    path = vocabulary(tmp_path / "vocab.txt", ["a", "b"])
    plan = planned(of_file(path), of_file(path))
    assert plan.ok
    assert only(plan.findings, "table-in-common").subject == "m1/HashTableV2"
    with lr.restore(plan) as restored:
        for name in ("m0", "m1"):
            np.testing.assert_array_equal(restored[name]()["made"], [1, -1])


def test_tables_of_two_files_are_refused(planned, tmp_path):
    """Stock fills the table from the first, and takes the second for the same."""
    paths = [
        vocabulary(tmp_path / "one.txt", ["a", "b"]),
        vocabulary(tmp_path / "other.txt", ["b", "c"]),
    ]
    plan = planned(*[of_file(path) for path in paths])
    assert only(plan.findings, "resource-claimed").subject == "m1/HashTableV2"

    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        found = [of_file(path)() for path in paths]
        session.run(tf.tables_initializer())
        one, other = session.run(found)
    assert one.tolist() == other.tolist()


def test_tables_of_two_columns_are_refused(planned, tmp_path):
    path = vocabulary(tmp_path / "vocab.txt", ["a", "b"])
    plan = planned(of_file(path), of_file(path, key_index=0))
    assert only(plan.findings, "resource-claimed").subject == "m1/HashTableV2"


def test_tables_of_one_content_are_one(planned):
    plan = planned(of_constants([1, 2]), of_constants([1, 2]))
    assert plan.ok
    assert only(plan.findings, "table-in-common")


@pytest.mark.parametrize(
    "other",
    [
        of_constants([1, 3]),
        of_constants([1, 2], keys=("a", "c")),
        of_constants([1, 2], computed=True),
        of_constants([1, 2, 3], keys=("a", "b", "c")),
    ],
)
def test_tables_of_other_contents_are_refused(planned, other):
    plan = planned(of_constants([1, 2]), other)
    assert only(plan.findings, "resource-claimed").subject == "m1/HashTableV2"


# Variables.


def test_variables_are_found_once(kind, tmp_path):
    """While models are built already: not a second time."""
    prefix = write(tmp_path / "m", {"w": numbers([2])})

    def build():
        made = tf.get_variable("w", [2])
        made.op._set_attr("shared_name", tf.AttrValue(s=b"common"))
        return tf.identity(made)

    plan = lr.plan([lr.Model(one, of_kind(kind, build), prefix) for one in ("a", "b")])
    found = [(one.id, one.subject) for one in plan.findings if one.is_error]
    assert found == [("variable-claimed", "b/w")]
    found = resource_findings(plan.graph, plan.built)
    assert [(one.id, one.subject) for one in found] == [("resource-claimed", "b/w")]


def test_what_is_shared_on_purpose_is_permitted(kind, tmp_path):
    prefix = write(tmp_path / "m", {"emb/w": numbers([2])})
    models = [
        lr.Model(name, variables(kind, {"emb/w": [2]}), prefix) for name in ("a", "b")
    ]
    shared = [lr.Shared("emb", models=("a", "b"))]
    plan = lr.plan(models, shared=shared)
    assert plan.ok
    # It was looked at before they were linked.
    assert [one.id for one in resource_findings(plan.graph, plan.built)]
    with lr.restore(plan) as restored:
        assert restored.check().ok
