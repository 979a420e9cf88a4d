"""Files of saved graphs: told apart, decoded, and refused when they are damaged."""

import os
import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legacy_restore import errors
from legacy_restore.examining.graph_file import read_graph_file
from legacy_restore.graphdef import messages
from legacy_restore.graphdef.files import GraphFormat, read_saved_graph
from legacy_restore.graphdef.meta_info import read_writer
from legacy_restore.graphdef.model import Constant, Node
from tests.checkpoint.builders import memory_below, message, number, varint
from tests.graphdef import builders as b

FLIPS = (0x01, 0x80, 0xFF)


def simple_graph():
    return b.graph(b.placeholder("x", b.FLOAT, -1, 2), b.constant("c", content=b"abcd"))


def read(tmp_path, name, data):
    return read_saved_graph(b.write(tmp_path / name, data))


# Which file is what.


@pytest.mark.parametrize("name", ["model.meta", "saved_model.pb", "frozen.pb"])
@pytest.mark.parametrize(
    "data, what",
    [
        (b"version https://git-lfs.github.com/spec/v1\nsize 12\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><title>404</title>", "an HTML page"),
        (bytes(1000), "nothing but zeros"),
    ],
)
def test_what_lies_in_the_place_of_a_graph_is_called_what_it_is(
    tmp_path, name, data, what
):
    with pytest.raises(errors.CorruptCheckpointError, match=what) as caught:
        read(tmp_path, name, data)
    assert [one.id for one in caught.value.findings] == ["not-a-checkpoint"]


@pytest.mark.parametrize(
    "name, data, wanted",
    [
        ("model.meta", b.meta_graph(simple_graph()), GraphFormat.META_GRAPH),
        (
            "saved_model.pb",
            b.saved_model(b.meta_graph(simple_graph())),
            GraphFormat.SAVED_MODEL,
        ),
        ("frozen.pb", simple_graph(), GraphFormat.GRAPH),
        ("noname", simple_graph(), GraphFormat.GRAPH),
        ("renamed.pb", b.meta_graph(simple_graph()), GraphFormat.META_GRAPH),
        (
            "renamed.pb",
            b.saved_model(b.meta_graph(simple_graph())),
            GraphFormat.SAVED_MODEL,
        ),
    ],
)
def test_a_file_is_told_by_its_name_or_its_content(tmp_path, name, data, wanted):
    found = read(tmp_path, name, data)
    assert found.format is wanted
    (graph,) = found.meta_graphs
    assert [node.name for node in graph.graph.nodes] == ["x", "c"]


def test_a_saved_model_may_have_several_graphs_and_no_tag(tmp_path):
    model = b.saved_model(
        b.meta_graph(simple_graph()),
        b.meta_graph(simple_graph(), tags=["serve", "gpu"]),
        schema=0,
    )
    found = read(tmp_path, "saved_model.pb", model)
    assert [one.tags for one in found.meta_graphs] == [(), ("serve", "gpu")]
    assert found.schema_version == 0


@pytest.mark.parametrize(
    "data",
    [
        b"node {\n  name: 'x'\n}\n",
        b"# a graph\nmeta_info_def {\n}\n",
        b"saved_model_schema_version: 1\n",
    ],
)
@pytest.mark.parametrize("name", ["a.pb", "a.meta", "saved_model.pb", "a.pbtxt"])
def test_text_is_not_read_and_that_is_said(tmp_path, name, data):
    with pytest.raises(errors.UnsupportedCheckpointError, match="text format"):
        read(tmp_path, name, data)


@pytest.mark.parametrize("name", ["a.meta", "saved_model.pb", "a.pb"])
def test_an_empty_file_is_corrupt(tmp_path, name):
    with pytest.raises(errors.CorruptCheckpointError, match="empty"):
        read(tmp_path, name, b"")


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(errors.LocationError):
        read_saved_graph(str(tmp_path / "absent.meta"))
    with pytest.raises(errors.UnsupportedCheckpointError):
        read_saved_graph(str(tmp_path))


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"\0" * 99 + b"a", b"a" * 100])
def test_anything_else_is_no_graph(tmp_path, data):
    with pytest.raises(errors.UnsupportedCheckpointError, match="saved graph"):
        read(tmp_path, "other.pb", data)
    with pytest.raises(errors.CorruptCheckpointError):
        read(tmp_path, "other.meta", data)


@pytest.mark.parametrize(
    "data, reason",
    [
        (b.meta_graph(b.graph(b.text(2, "Const"))), "without name"),
        (b.meta_graph(b.graph(b.text(1, "a"))), "without op"),
        (message(1, b""), "without graph"),
        (message(2, simple_graph()) * 2, "two graphs"),
        (b.meta_graph(b.graph(b.variable("v", sizes=[-2]))), "size -2"),
        (b.meta_graph(b.graph(b.constant("c", sizes=[-1]))), "unknown shape"),
        (b.meta_graph(b.graph(b.constant("c", sizes=[1 << 62, 4]))), r"2\*\*63"),
        (b.meta_graph(b.graph(b.variable("v", sizes=[1] * 300))), "rank"),
        (b.meta_graph(b.graph(functions=[message(1, b"")])), "function without"),
        (number(2, 1), "number"),
    ],
)
def test_what_contradicts_the_format_is_corrupt(tmp_path, data, reason):
    with pytest.raises(errors.CorruptCheckpointError, match=reason):
        read(tmp_path, "model.meta", data)


# What is decoded.


def nodes_of(tmp_path, *nodes):
    found = read(tmp_path, "graph.pb", b.graph(*nodes))
    return found.meta_graphs[0].graph.nodes


def test_a_node_has_what_later_work_needs(tmp_path):
    handle = b.node(
        "v",
        "VarHandleOp",
        ["^init", "x:1"],
        "/gpu:1",
        dtype=b.type_attr(b.INT64),
        shape=b.shape_attr(2, -1),
        shared_name=b.text_attr("shared"),
        container=b.text_attr("box"),
        _class=b.list_attr("loc:@w", "other"),
        body=b.function_attr("f"),
        branches=message(1, message(9, b.text(1, "g")) + message(9, b.text(1, "e"))),
    )
    assert nodes_of(tmp_path, handle) == (
        Node(
            name="v",
            op="VarHandleOp",
            inputs=("^init", "x:1"),
            device="/gpu:1",
            dtype="int64",
            shape=(2, None),
            shared_name="shared",
            container="box",
            colocated=("w",),
            functions=("e", "f", "g"),
        ),
    )


def test_shapes_of_unknown_rank_and_reference_types(tmp_path):
    node = b.node(
        "x", "Placeholder", dtype=b.type_attr(101), shape=message(7, number(3, 1))
    )
    (found,) = nodes_of(tmp_path, node)
    assert (found.dtype, found.shape) == ("float32_ref", None)


def test_constants_are_measured_and_not_kept(tmp_path):
    number_, words, splat = nodes_of(
        tmp_path,
        b.constant("a", sizes=[2], content=b"12345678"),
        b.constant("b", b.STRING, [2], strings=["one", ""]),
        b.constant("c", b.INT64, [1000, 1000], content=b"12345678"),
    )
    assert (number_.constant.nbytes, number_.constant.strings) == (8, None)
    assert words.constant.strings == (b"one", b"")
    assert words.constant.nbytes == 3
    assert splat.constant.nbytes == 8_000_000
    assert splat.constant.stored < 40
    assert isinstance(splat.constant, Constant)


def test_nobody_knows_strings_that_are_packed_as_bytes(tmp_path):
    packed, both = nodes_of(
        tmp_path,
        b.constant("a", b.STRING, [1], content=b"\x03one"),
        b.constant("b", b.STRING, [1], content=b"\x03one", strings=["model"]),
    )
    assert packed.constant.strings is None
    assert both.constant.strings is None


def test_functions_of_0_12_have_nodes_with_several_results(tmp_path):
    old = (
        b.text(1, "sum") + b.text(1, "other") + b.text(2, "Add") + b.text(3, "x")
    ) + b.text(4, "before")
    function = message(1, b.text(1, "f")) + message(2, old)
    graph = b.graph(b.node("a", "NoOp"), functions=[function])
    found = read(tmp_path, "graph.pb", graph).meta_graphs[0].graph.functions
    assert found[0].nodes == (Node("sum", "Add", ("x", "^before")),)


def test_the_version_of_old_graphs_is_a_plain_number(tmp_path):
    graph = message(1, b.node("a", "NoOp")) + number(3, 7)
    assert read(tmp_path, "g.pb", graph).meta_graphs[0].graph.producer == 7


def test_sparse_and_composite_tensors_name_their_parts(tmp_path):
    sparse = message(4, b.text(1, "v:0") + b.text(2, "i:0") + b.text(3, "s:0"))
    composite = message(5, message(1, b"") + message(2, b.text(1, "p:0")) * 2)
    signature = b.signature({"a": sparse, "b": composite}, {})
    meta = b.meta_graph(simple_graph(), signatures=[("s", signature)])
    found = read(tmp_path, "a.meta", meta).meta_graphs[0].signatures["s"]
    assert [(one.encoding, one.tensors) for one in found.inputs] == [
        ("sparse", ("v:0", "i:0", "s:0")),
        ("composite", ("p:0", "p:0")),
    ]


# The writer's version alone.


def test_the_writer_is_read_from_the_begin_of_the_file(tmp_path):
    meta = b.meta_graph(simple_graph(), version="1.8.0")
    path = b.write(tmp_path / "a.meta", meta[: len(meta) // 2])
    assert read_writer(path) == "1.8.0"


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"text", b.meta_graph(simple_graph(), version="\x1b[2J")]
)
def test_no_writer_is_made_up(tmp_path, data):
    assert read_writer(b.write(tmp_path / "a.meta", data)) is None
    assert read_writer(str(tmp_path / "absent.meta")) is None
    assert read_writer(str(tmp_path)) is None


# Damage.

FILES = {
    "model.meta": b.everything(),
    "saved_model.pb": b.saved_model(
        b.meta_graph(simple_graph()), b.meta_graph(simple_graph(), tags=["train"])
    ),
    "frozen.pb": simple_graph(),
}


def outcome(path):
    """The text of a summary, or the error."""
    try:
        found = read_graph_file(path)
        found.to_json()
        return str(found)
    except errors.CheckpointError as error:
        assert error.findings
        return error


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_a_summary_or_an_error(tmp_path, name):
    path, data = str(tmp_path / name), FILES[name]
    refused = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for position in range(len(data)):
        for flip in FLIPS:
            changed = bytearray(data)
            changed[position] ^= flip
            b.write(path, bytes(changed))
            refused += not isinstance(outcome(path), str)
    # In KiB: of Linux, where this runs. Tracing each allocation takes minutes.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + (64 << 10)
    # Names and numbers have no checksum; lengths and tags are half of such a file.
    assert refused > len(data) / 3


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_a_summary_or_an_error(tmp_path, name):
    path, data = str(tmp_path / name), FILES[name]
    whole = set()
    with memory_below(32 << 20):
        for length in range(len(data)):
            b.write(path, data[:length])
            if isinstance(outcome(path), str):
                whole.add(length)
    # Only where a field of the outermost message ends.
    assert len(whole) <= 20


@given(
    st.binary(max_size=200), st.sampled_from(["a.meta", "saved_model.pb", "a.pb", "a"])
)
@settings(deadline=None)
def test_any_bytes_are_a_summary_or_an_error(tmp_path_factory, data, name):
    path = str(tmp_path_factory.getbasetemp() / name)
    b.write(path, data)
    assert outcome(path)


# Splices of sound pieces at wrong places go deeper than noise.
PIECES = st.sampled_from(
    [
        b.node("a", "B", ["c"], "/gpu:0"),
        simple_graph(),
        b.everything(),
        b.variable_def("v", ("w", (2,), (0,), (1,))),
        b.signature({"x": b.tensor_info("x:0", 1, 2)}, {}),
        b.text(1, "text"),
        number(1, 1 << 63),
        number(2, 7),
        b"\xff",
    ]
)
MESSAGES = st.recursive(
    PIECES,
    lambda inner: st.lists(st.tuples(st.integers(1, 10), inner), max_size=4).map(
        lambda parts: b"".join(message(field, data) for field, data in parts)
    ),
    max_leaves=6,
)


@given(MESSAGES, st.sampled_from(["b.meta", "saved_model.pb", "b.pb"]))
@settings(deadline=None, max_examples=300)
def test_pieces_at_wrong_places_are_a_summary_or_an_error(tmp_path_factory, data, name):
    path = str(tmp_path_factory.getbasetemp() / name)
    b.write(path, data)
    assert outcome(path)


# Hostile files.


def test_messages_in_messages_need_no_stack(tmp_path):
    for field in (1, 2, 4, 5, 7, 8, 10):
        data = b"\x08\x01"
        for _ in range(20_000):
            data = message(field, data)
            if len(data) > 60_000:
                break
        for wrap in (
            data,
            b.meta_graph(b.graph(b.node("a", "B", attr=data))),
            b.meta_graph(data),
        ):
            assert outcome(b.write(tmp_path / "deep.meta", wrap))


def test_a_length_beyond_the_file_allocates_nothing(tmp_path):
    for field in range(1, 9):
        data = varint(field << 3 | 2) + varint(1 << 40)
        with memory_below(4 << 20):
            path = b.write(tmp_path / "long.meta", data)
            assert isinstance(outcome(path), errors.CorruptCheckpointError)


def test_large_constants_are_stepped_over(tmp_path):
    path = str(tmp_path / "frozen.pb")
    size = 3 << 30
    inner = number(1, b.FLOAT) + message(2, b.shape(size // 4))
    inner_size = len(inner) + len(varint(4 << 3 | 2) + varint(size)) + size

    def head(field, length):
        return varint(field << 3 | 2) + varint(length)

    value_head = head(8, inner_size)
    entry_head = b.text(1, "value") + head(2, len(value_head) + inner_size)
    entry_size = len(entry_head) + len(value_head) + inner_size
    start = b.text(1, "w") + b.text(2, "Const")
    node_size = len(start) + len(head(5, entry_size)) + entry_size
    with open(path, "wb") as file:
        file.write(
            head(1, node_size)
            + start
            + head(5, entry_size)
            + entry_head
            + value_head
            + inner
            + head(4, size)
        )
        end = file.tell() + size
        file.truncate(end)
        file.seek(end)
        file.write(message(1, b.node("y", "Identity", ["w"])))
    with memory_below(8 << 20):
        (graph,) = read_graph_file(path).graphs
    assert (graph.num_nodes, graph.constants.nbytes) == (2, size)


@pytest.mark.parametrize(
    "data",
    [
        message(2, b"") * 50_000,  # MetaGraphs
        message(2, message(2, b"")) * 50_000,
        message(2, message(2, b"") + message(5, b.text(1, "a")) * 40_000),
        message(2, message(2, b"") + message(6, b"") * 50_000),
        message(
            2, message(2, b"") + b"".join(b.entry(4, str(i), b"") for i in range(9999))
        ),
    ],
)
def test_many_small_elements_are_counted(tmp_path, data, monkeypatch):
    monkeypatch.setattr(messages, "MAX_OBJECTS", 1000)
    with memory_below(32 << 20):
        path = b.write(tmp_path / "saved_model.pb", data)
        assert isinstance(outcome(path), (errors.CorruptCheckpointError, str))


def test_names_of_assets_form_no_path(tmp_path):
    names = ["../secret", "/etc/passwd", "sub/inside.txt", "x\0y", ""]
    model = b.saved_model(
        b.meta_graph(simple_graph(), assets=[(name, "a:0") for name in names])
    )
    b.write(tmp_path / "m" / "saved_model.pb", model)
    b.write(tmp_path / "m" / "assets" / "sub" / "inside.txt", b"a")
    b.write(tmp_path / "secret", b"a")
    (assets,) = read_graph_file(str(tmp_path / "m" / "saved_model.pb")).assets
    assert {one.filename: one.exists for one in assets} == {
        "../secret": False,
        "/etc/passwd": False,
        "sub/inside.txt": True,
        "x\0y": False,
        "": False,
    }


def test_a_named_pipe_is_not_waited_for(tmp_path):
    path = str(tmp_path / "model.meta")
    os.mkfifo(path)
    with pytest.raises(errors.UnsupportedCheckpointError):
        read_saved_graph(path)
    assert read_writer(path) is None
