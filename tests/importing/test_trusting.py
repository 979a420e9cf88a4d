"""What a graph may do without trust, and what is refused."""

import pytest
from google.protobuf import text_format

from legacy_restore.importing.saved_graph import GraphKind, ImportOptions, SavedGraph
from legacy_restore.importing.trusting import check_trust
from legacy_restore.tf import tf


def meta_graph_of(build):
    with tf.Graph().as_default():
        build()
        return tf.train.export_meta_graph()


def checked(meta_graph, allowed=(), run=(), **options):
    saved = SavedGraph("m.meta", GraphKind.META_GRAPH, meta_graph, "")
    found = check_trust(
        "m", meta_graph, saved, frozenset(allowed), ImportOptions(**options), run
    )
    assert all((one.id, one.model) == ("needs-trust", "m") for one in found)
    return {one.subject: one.message for one in found}


def add(meta_graph, text):
    text_format.Parse(text, meta_graph.graph_def.node.add())


def function_that_reads(meta_graph, name):
    function = meta_graph.graph_def.library.function.add()
    function.signature.name = name
    node = function.node_def.add()
    node.name, node.op = "read", "ReadFile"


def network():
    x = tf.placeholder(tf.float32, [2], name="x")
    weights = tf.get_variable("w", [2])
    tf.identity(x * weights, name="y")


def with_saver(kind="V2"):
    network()
    version = tf.train.SaverDef.V2 if kind == "V2" else tf.train.SaverDef.V1
    tf.train.Saver(sharded=kind == "sharded", write_version=version)


# What needs none.


def test_a_network_needs_no_trust():
    assert checked(meta_graph_of(network)) == {}


@pytest.mark.parametrize("kind", ["V2", "V1", "sharded"])
def test_savers_do_not_count(kind):
    def build():
        with_saver(kind)
        tf.train.Saver()

    meta_graph = meta_graph_of(build)
    assert any(node.op.startswith("Restore") for node in meta_graph.graph_def.node)
    assert checked(meta_graph) == {}


def test_a_table_may_read_its_assets_and_no_other_file():
    def build():
        for name in ("a", "b"):
            init = tf.lookup.TextFileInitializer(
                f"/data/{name}.txt", tf.string, 0, tf.int64, 1
            )
            tf.lookup.StaticHashTable(init, -1, name=name)

    meta_graph = meta_graph_of(build)
    readers = [
        node.name
        for node in meta_graph.graph_def.node
        if node.op == "InitializeTableFromTextFileV2"
    ]
    assert len(readers) == 2
    found = checked(meta_graph, allowed=readers[:1])
    assert list(found) == readers[1:]
    assert "'/data/b.txt'" in found[readers[1]]


def test_a_function_that_nothing_calls_does_not_count():
    meta_graph = meta_graph_of(network)
    function_that_reads(meta_graph, "reader")
    assert checked(meta_graph) == {}
    add(
        meta_graph,
        'name: "call" op: "PartitionedCall" '
        'attr { key: "f" value { func { name: "reader" } } }',
    )
    assert list(checked(meta_graph)) == ["read"]
    assert checked(meta_graph, trust=True) == {}


def test_a_cache_in_memory_does_not_count():
    meta_graph = meta_graph_of(lambda: tf.constant("", name="none"))
    add(meta_graph, 'name: "d" op: "CacheDataset" input: "in" input: "none"')
    assert checked(meta_graph) == {}


# What does.


def test_python_files_and_network_need_trust():
    def build():
        tf.py_func(lambda one: one, [tf.constant(1.0)], tf.float32, name="python")
        tf.write_file("/home/anna/.bashrc", tf.constant("x"), name="write")
        tf.read_file(tf.placeholder(tf.string, [], name="p"), name="read")

    meta_graph = meta_graph_of(build)
    add(meta_graph, 'name: "rpc" op: "Rpc" input: "p" input: "p" input: "p"')
    found = checked(meta_graph)
    assert set(found) == {"python", "write", "read", "rpc"}
    assert "'pyfunc_" in found["python"]
    assert "/home/anna/.bashrc" in found["write"]
    assert checked(meta_graph, trust=True) == {}


def test_a_function_that_was_given_needs_trust_too():
    meta_graph = meta_graph_of(
        lambda: tf.py_func(abs, [tf.constant(1.0)], tf.float32, name="python")
    )
    assert list(checked(meta_graph, py_functions={"pyfunc_0": abs})) == ["python"]


@pytest.mark.parametrize("stream, counts", [("stderr", False), ("file:///x", True)])
def test_printing_to_a_file_needs_trust(stream, counts):
    meta_graph = meta_graph_of(lambda: tf.constant("a", name="a"))
    add(
        meta_graph,
        f'name: "print" op: "PrintV2" input: "a" '
        f'attr {{ key: "output_stream" value {{ s: "{stream}" }} }}',
    )
    assert bool(checked(meta_graph)) is counts


def test_a_library_needs_trust_where_there_is_one():
    meta_graph = meta_graph_of(network)
    add(meta_graph, 'name: "z" op: "ZeroOut" input: "x"')
    # Without one, the operation is refused as unknown.
    assert checked(meta_graph) == {}
    assert "ZeroOut" in checked(meta_graph, op_libraries=("zero_out.so",))["z"]


# What only looks like a Saver.


def restored_value(meta_graph):
    (node,) = [one for one in meta_graph.graph_def.node if one.op == "RestoreV2"]
    return node.name


def test_a_value_that_a_saver_reads_and_an_output_takes_needs_trust():
    meta_graph = meta_graph_of(with_saver)
    name = restored_value(meta_graph)
    add(meta_graph, f'name: "stolen" op: "Identity" input: "{name}"')
    assert checked(meta_graph, run=["y"]) == {}
    assert name in checked(meta_graph, run=["stolen"])
    meta_graph.signature_def["s"].outputs["s"].name = "stolen:0"
    assert name in checked(meta_graph)


def test_an_output_that_waits_for_a_saver_needs_trust():
    meta_graph = meta_graph_of(with_saver)
    (save,) = [one.name for one in meta_graph.graph_def.node if one.op == "SaveV2"]
    add(meta_graph, f'name: "bait" op: "Identity" input: "y" input: "^{save}"')
    assert save in checked(meta_graph, run=["bait"])


def test_an_initialiser_that_reads_like_a_saver_needs_trust():
    meta_graph = meta_graph_of(with_saver)
    name = restored_value(meta_graph)
    for node in meta_graph.graph_def.node:
        if node.name == "w/Assign":
            node.input[1] = name
    assert name in checked(meta_graph)


def test_an_initialiser_in_no_collection_counts_too():
    meta_graph = meta_graph_of(with_saver)
    name = restored_value(meta_graph)
    for node in meta_graph.graph_def.node:
        if node.name == "w/Assign":
            node.input[1] = name
    for key in list(meta_graph.collection_def):
        del meta_graph.collection_def[key]
    assert checked(meta_graph) == {}
    assert name in checked(meta_graph, run=["w/Assign"])


def test_a_function_of_the_saver_that_an_output_calls_needs_trust():
    meta_graph = meta_graph_of(with_saver)
    function_that_reads(meta_graph, "traced_save")
    add(
        meta_graph,
        'name: "call" op: "StatefulPartitionedCall" input: "save/Const" '
        'attr { key: "f" value { func { name: "traced_save" } } }',
    )
    assert checked(meta_graph) == {}
    assert list(checked(meta_graph, run=["call"])) == ["read"]


def test_a_gradient_that_is_asked_for_needs_trust():
    meta_graph = meta_graph_of(network)
    function_that_reads(meta_graph, "backwards")
    meta_graph.graph_def.library.function.add().signature.name = "harmless"
    pair = meta_graph.graph_def.library.gradient.add()
    pair.function_name, pair.gradient_func = "harmless", "backwards"
    add(
        meta_graph,
        'name: "call" op: "SymbolicGradient" input: "y" '
        'attr { key: "f" value { func { name: "harmless" } } }',
    )
    assert list(checked(meta_graph)) == ["read"]


@pytest.mark.parametrize("key", ["body", "dtype", "filename"])
def test_a_function_that_another_gets_as_attribute_needs_trust(key):
    meta_graph = meta_graph_of(network)
    function_that_reads(meta_graph, "inner")
    outer = meta_graph.graph_def.library.function.add()
    outer.signature.name = "outer"
    text_format.Parse(
        'name: "call" op: "StatefulPartitionedCall" '
        f'attr {{ key: "f" value {{ placeholder: "{key}" }} }}',
        outer.node_def.add(),
    )
    add(
        meta_graph,
        'name: "call" op: "StatefulPartitionedCall" attr { key: "f" value { func { '
        f'name: "outer" attr {{ key: "{key}" value {{ func {{ name: "inner" }} }} }} '
        "} } }",
    )
    assert list(checked(meta_graph)) == ["read"]


def test_a_path_in_packed_bytes_is_a_path():
    """TensorFlow reads strings out of ``tensor_content`` too."""

    def build():
        dataset = tf.data.Dataset.range(3).cache("/tmp/cache")
        tf.data.make_initializable_iterator(dataset)

    meta_graph = meta_graph_of(build)
    before = checked(meta_graph)
    assert before
    for node in meta_graph.graph_def.node:
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if tensor is not None and tensor.string_val:
            text = tensor.string_val[0]
            del tensor.string_val[:]
            tensor.tensor_content = bytes([len(text)]) + text
    assert list(checked(meta_graph)) == list(before)
