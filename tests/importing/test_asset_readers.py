"""Attacks: a file is read that is no asset, by operations that read assets too.

Each begins with a graph that needs no trust, and has one way more by which another path
gets to where the asset's was.
"""

import pytest
from google.protobuf import text_format

from legacy_restore.importing.asset_readers import find_asset_readers
from legacy_restore.importing.assets import find_assets
from legacy_restore.importing.file_readers import find_file_readers
from legacy_restore.importing.handle_uses import HandleReader
from legacy_restore.importing.nodes import all_bodies, nodes_by_name
from legacy_restore.importing.saved_graph import GraphKind, ImportOptions, SavedGraph
from legacy_restore.importing.trusting import check_trust
from legacy_restore.tf import tf
from tests.importing.messages import defs, node_named

SECRET = "/etc/shadow"
FILLER = "InitializeTableFromTextFileV2"


def text_const(name, text):
    return (
        f'name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: DT_STRING }} '
        '} attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { } '
        f'string_val: "{text}" }} }} }}'
    )


def node(text):
    return text_format.Parse(text, tf.NodeDef())


def add(meta_graph, text):
    meta_graph.graph_def.node.add().CopyFrom(node(text))


def function(meta_graph, name, arguments, nodes, results=()):
    """Adds a function; arguments and results are texts ``name`` or ``name=tensor``."""
    added = meta_graph.graph_def.library.function.add()
    added.signature.name = name
    for one in arguments:
        added.signature.input_arg.add(name=one, type=tf.string.as_datatype_enum)
    for one in nodes:
        added.node_def.add().CopyFrom(node(one))
    for one in results:
        result, _, tensor = one.partition("=")
        added.signature.output_arg.add(name=result, type=tf.string.as_datatype_enum)
        added.ret[result] = tensor
    return added


FILL = f'name: "fill" op: "{FILLER}" input: "table" input: "path"'


def call(name, called, *inputs, op="StatefulPartitionedCall", key="f"):
    given = " ".join(f'input: "{one}"' for one in inputs)
    return (
        f'name: "{name}" op: "{op}" {given} '
        f'attr {{ key: "{key}" value {{ func {{ name: "{called}" }} }} }}'
    )


def with_asset():
    """A graph with a declared asset, a table, and another path."""
    meta_graph = tf.MetaGraphDef()
    add(meta_graph, text_const("asset", "vocab.txt"))
    add(meta_graph, text_const("secret", SECRET))
    add(meta_graph, 'name: "table" op: "HashTableV2"')
    listed = meta_graph.asset_file_def.add(filename="vocab.txt")
    listed.tensor_info.name = "asset:0"
    return meta_graph


def through_function():
    """The table is filled in a function that gets the path."""
    meta_graph = with_asset()
    function(meta_graph, "filler", ["table", "path"], [FILL])
    add(meta_graph, call("init", "filler", "table", "asset"))
    return meta_graph


def through_variable(kind):
    """The path goes through a variable."""
    meta_graph = with_asset()
    if kind == "ref":
        add(
            meta_graph,
            'name: "kept" op: "VariableV2" '
            'attr { key: "dtype" value { type: DT_STRING } }',
        )
        add(meta_graph, 'name: "set" op: "Assign" input: "kept" input: "asset"')
        add(meta_graph, 'name: "read" op: "Identity" input: "kept"')
    else:
        add(
            meta_graph,
            'name: "kept" op: "VarHandleOp" '
            'attr { key: "dtype" value { type: DT_STRING } } '
            'attr { key: "shared_name" value { s: "kept" } }',
        )
        add(
            meta_graph,
            'name: "set" op: "AssignVariableOp" input: "kept" input: "asset"',
        )
        add(meta_graph, 'name: "read" op: "ReadVariableOp" input: "kept"')
    add(meta_graph, f'name: "fill" op: "{FILLER}" input: "table" input: "read"')
    return meta_graph


def asset_readers(saved):
    readers = find_file_readers(saved.meta_graph, defs(saved.meta_graph))
    return find_asset_readers(saved.meta_graph, readers, find_assets(saved), {})


def needing_trust(meta_graph):
    """The nodes for which trust is asked."""
    saved = SavedGraph("m", GraphKind.SAVED_MODEL, meta_graph, "")
    found = asset_readers(saved)
    return {
        one.subject
        for one in check_trust(
            "m", meta_graph, saved, found.nodes, ImportOptions(), ["init", "fill"]
        )
    }


def test_what_reads_an_asset_needs_none():
    assert needing_trust(through_function()) == set()
    for kind in ("ref", "resource"):
        meta_graph = through_variable(kind)
        assert needing_trust(meta_graph) == set()
        found = asset_readers(SavedGraph("m", GraphKind.SAVED_MODEL, meta_graph, ""))
        assert found.variables == {"kept"}


# Functions.


@pytest.mark.parametrize(
    "op", ["RemoteCall", "MapDataset", "SymbolicGradient", "BatchFunction"]
)
def test_a_function_that_is_called_in_a_way_that_is_not_followed(op):
    meta_graph = through_function()
    add(meta_graph, call("other", "filler", "table", "secret", op=op))
    assert needing_trust(meta_graph) == {"fill"}


def test_a_function_that_another_calls_by_its_attribute():
    meta_graph = through_function()
    function(
        meta_graph,
        "caller",
        ["table", "path"],
        [
            text_const("secret", SECRET),
            'name: "call" op: "PartitionedCall" input: "table" input: "secret:output:0"'
            ' attr { key: "f" value { placeholder: "what" } }',
        ],
    )
    add(
        meta_graph,
        'name: "other" op: "PartitionedCall" input: "table" input: "asset" '
        'attr { key: "f" value { func { name: "caller" '
        'attr { key: "what" value { func { name: "filler" } } } } } }',
    )
    assert needing_trust(meta_graph) == {"fill"}


def test_a_loop_that_gives_another_path_in_its_second_turn():
    meta_graph = with_asset()
    function(meta_graph, "more", ["table", "path"], [], ["go=path"])
    function(
        meta_graph,
        "turn",
        ["table", "path"],
        [FILL, text_const("next", SECRET)],
        ["table_out=table", "path_out=next:output:0"],
    )
    add(
        meta_graph,
        'name: "init" op: "While" input: "table" input: "asset" '
        'attr { key: "cond" value { func { name: "more" } } } '
        'attr { key: "body" value { func { name: "turn" } } }',
    )
    assert needing_trust(meta_graph) == {"fill"}
    turn = meta_graph.graph_def.library.function[1]
    turn.ret["path_out"] = "path"
    meta_graph.graph_def.library.function[0].signature.ClearField("output_arg")
    assert needing_trust(meta_graph) == set()


def test_an_implementation_of_the_same_that_reads_another_file():
    meta_graph = through_function()
    first = meta_graph.graph_def.library.function[0]
    other = function(
        meta_graph,
        "other",
        ["table", "path"],
        [text_const("path", SECRET), FILL.replace('"path"', '"path:output:0"')],
    )
    other.node_def[1].name = "fill_other"
    other.signature.ClearField("input_arg")
    other.signature.input_arg.add(name="table", type=tf.resource.as_datatype_enum)
    assert needing_trust(meta_graph) == set()
    for one in (first, other):
        one.attr["api_implements"].s = b"fill"
    # What the first is called with is not all that it may get.
    assert needing_trust(meta_graph) == {"fill", "fill_other"}


def test_an_implementation_in_a_library_that_is_imported_as_a_whole():
    meta_graph = with_asset()
    called = function(meta_graph, "called", [], [])
    other = function(meta_graph, "other", [], ['name: "python" op: "PyFunc"'])
    called.attr["api_implements"].s = b"lstm"
    other.attr["api_implements"].s = b"gru"
    add(meta_graph, call("init", "called"))
    assert needing_trust(meta_graph) == set()
    other.attr["api_implements"].s = b"lstm"
    assert needing_trust(meta_graph) == {"python"}


# Variables.


def attacks_on_variables():
    yield "assign", ['name: "x" op: "Assign" input: "kept" input: "secret"']
    yield (
        "resource assign",
        ['name: "x" op: "AssignVariableOp" input: "kept" input: "secret"'],
    )
    yield "scatter", ['name: "x" op: "ScatterUpdate" input: "kept" input: "i"']
    yield (
        "resource scatter",
        ['name: "x" op: "ResourceScatterUpdate" input: "kept" input: "i"'],
    )
    yield (
        "slice",
        ['name: "x" op: "ResourceStridedSliceAssign" input: "kept" input: "i"'],
    )
    yield "unknown", ['name: "x" op: "SomebodysOp" input: "kept"']
    yield "remote", [call("x", "whatever", "secret", "kept", op="RemoteCall")]
    yield (
        "merged",
        [
            'name: "m" op: "Merge" input: "kept" input: "kept"',
            'name: "x" op: "AssignVariableOp" input: "m" input: "secret"',
        ],
    )
    yield (
        "restored",
        [
            'name: "r" op: "RestoreV2" input: "secret"',
            'name: "x" op: "Assign" input: "kept" input: "r"',
        ],
    )


@pytest.mark.parametrize("kind", ["ref", "resource"])
@pytest.mark.parametrize(
    "name, nodes", [pytest.param(*one, id=one[0]) for one in attacks_on_variables()]
)
def test_a_variable_that_something_else_writes(kind, name, nodes):
    is_of_resources = "resource" in name or name in ("slice", "merged")
    if is_of_resources and kind == "ref":
        pytest.skip("takes no reference")
    if name in ("assign", "scatter", "restored") and kind == "resource":
        nodes = [one.replace('"Assign"', '"AssignVariableOp"') for one in nodes]
        nodes = [one.replace('"Scatter', '"ResourceScatter') for one in nodes]
    meta_graph = through_variable(kind)
    for one in nodes:
        add(meta_graph, one)
    assert "fill" in needing_trust(meta_graph)


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_a_variable_of_the_same_name(kind):
    meta_graph = through_variable(kind)
    other = meta_graph.graph_def.node.add()
    other.CopyFrom(node_named(meta_graph, "kept"))
    other.name = "other"
    assert needing_trust(meta_graph) == ({"fill"} if kind == "resource" else set())
    other.attr["shared_name"].s = b"kept"
    assert needing_trust(meta_graph) == {"fill"}


@pytest.mark.parametrize(
    "forged",
    [
        'name: "x" op: "Const" attr { key: "dtype" value { type: DT_RESOURCE } }',
        'name: "x" op: "_VarHandlesOp"',
    ],
)
def test_a_handle_that_is_made_of_a_name(forged):
    meta_graph = through_variable("resource")
    add(meta_graph, forged)
    assert needing_trust(meta_graph) == {"fill"}


def test_a_variable_that_a_function_writes_or_hands_back():
    meta_graph = through_variable("resource")
    reads = 'name: "read" op: "ReadVariableOp" input: "handle"'
    inner = function(meta_graph, "inner", ["handle", "value"], [reads])
    function(
        meta_graph,
        "outer",
        ["handle", "value"],
        [call("call", "inner", "handle", "value")],
    )
    add(meta_graph, call("init", "outer", "kept", "secret"))
    assert needing_trust(meta_graph) == set()
    inner.ret["handle"] = "handle"
    inner.signature.output_arg.add(name="handle", type=tf.resource.as_datatype_enum)
    assert needing_trust(meta_graph) == {"fill"}
    del inner.ret["handle"]
    inner.node_def[0].op = "AssignVariableOp"
    inner.node_def[0].input.append("value")
    assert needing_trust(meta_graph) == {"fill"}
    (given,) = [one for one in meta_graph.graph_def.node if one.name == "init"]
    given.input[1] = "asset"
    assert needing_trust(meta_graph) == set()


def test_a_variable_in_a_function_is_not_followed():
    meta_graph = with_asset()
    nodes = nodes_by_name(through_variable("resource").graph_def.node)
    added = function(meta_graph, "filler", ["asset", "table"], [])
    for name in ("kept", "set", "read", "fill"):
        added.node_def.add().CopyFrom(nodes[name])
    add(meta_graph, call("init", "filler", "asset", "table"))
    assert needing_trust(meta_graph) == {"fill"}


def test_looking_adds_nothing_to_the_message():
    meta_graph = through_variable("resource")
    before = meta_graph.SerializeToString(deterministic=True)
    bodies = {name: nodes_by_name(nodes) for name, nodes in all_bodies(meta_graph)}
    uses = HandleReader(bodies, {}, defs(meta_graph)).of("", "kept")
    assert (uses.values, uses.others) == ({("", "asset")}, frozenset())
    needing_trust(meta_graph)
    assert meta_graph.SerializeToString(deterministic=True) == before


# Constants.


def test_a_constant_of_which_tensorflow_takes_other_bytes():
    meta_graph = through_function()
    tensor = node_named(meta_graph, "asset").attr["value"].tensor
    tensor.tensor_content = bytes([len(SECRET)]) + SECRET.encode()
    with tf.Graph().as_default(), tf.Session() as session:
        graph_def = tf.GraphDef(node=[node_named(meta_graph, "asset")])
        (found,) = tf.import_graph_def(graph_def, return_elements=["asset:0"])
        assert session.run(found) == SECRET.encode()
    assert needing_trust(meta_graph) == {"fill"}


def test_a_cache_whose_path_tensorflow_takes_from_other_bytes():
    meta_graph = with_asset()
    add(meta_graph, text_const("none", ""))
    add(meta_graph, 'name: "cache" op: "CacheDataset" input: "in" input: "none"')
    assert needing_trust(meta_graph) == set()
    tensor = node_named(meta_graph, "none").attr["value"].tensor
    tensor.tensor_content = b"\x06/tmp/x"
    assert needing_trust(meta_graph) == {"cache"}


def test_a_path_that_the_caller_of_a_function_gives_as_attribute():
    meta_graph = with_asset()
    function(
        meta_graph,
        "printer",
        ["text"],
        [
            'name: "print" op: "PrintV2" input: "text" '
            'attr { key: "output_stream" value { placeholder: "where" } }'
        ],
    )
    add(
        meta_graph,
        'name: "init" op: "StatefulPartitionedCall" input: "asset" '
        'attr { key: "f" value { func { name: "printer" '
        'attr { key: "where" value { s: "file:///tmp/x" } } } } }',
    )
    assert needing_trust(meta_graph) == {"print"}


@pytest.mark.parametrize(
    "op, attribute",
    [
        ("ImmutableConst", "memory_region_name"),
        ("FixedUnigramCandidateSampler", "vocab_file"),
        ("CalibrationStatisticsSaver", "output_file_path"),
        ("DatasetFromGraph", "x"),
        ("DeserializeIterator", "x"),
        ("XlaCustomCallV2", "call_target_name"),
    ],
)
def test_operations_that_do_not_look_like_it(op, attribute):
    meta_graph = with_asset()
    add(
        meta_graph,
        f'name: "n" op: "{op}" input: "secret" '
        f'attr {{ key: "{attribute}" value {{ s: "{SECRET}" }} }}',
    )
    assert needing_trust(meta_graph) == {"n"}
    node_named(meta_graph, "n").attr[attribute].s = b""
    is_harmless = op == "FixedUnigramCandidateSampler"
    assert needing_trust(meta_graph) == (set() if is_harmless else {"n"})
