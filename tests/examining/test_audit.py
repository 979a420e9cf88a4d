"""What a file could do, and what it gives away; nothing is imported."""

import json
import os
import shutil

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.examining.audit import audit_file
from legacy_restore.graphdef.dangerous_ops import Reach
from legacy_restore.graphdef.files import BinaryGraph, GraphFormat
from tests.checkpoint.builders import message, small_checkpoint
from tests.conftest import ROOT
from tests.graphdef import builders as b
from tests.samples import sample


def audited(tmp_path, *nodes, name="model.meta", functions=(), **more):
    graph = b.graph(*nodes, functions=functions)
    path = b.write(tmp_path / name, b.meta_graph(graph, **more))
    return audit_file(path)


def risks(found):
    (graph,) = found.graphs
    return {one.node: one for one in graph.risks}


def leaks(found):
    (graph,) = found.graphs
    return {one.text: one for one in graph.leaks}


PYTHON = b.node("py", "PyFunc", ["x"], token=b.text_attr("pyfunc_7"))
READ = (
    b.constant("path", b.STRING, strings=["/home/anna/data/words.txt"]),
    b.node("read", "ReadFile", ["path"]),
)


def test_python_files_and_libraries_are_listed(tmp_path):
    found = audited(tmp_path, PYTHON, *READ, b.node("z", "ZeroOut", ["x"]))
    assert found.needs_trust
    assert {name: one.reach for name, one in risks(found).items()} == {
        "py": Reach.PYTHON,
        "read": Reach.READS,
        "z": Reach.LIBRARY,
    }
    assert risks(found)["py"].paths == ("pyfunc_7",)
    assert risks(found)["read"].paths == ("/home/anna/data/words.txt",)
    text = str(found)
    for part in ("pyfunc_7", "/home/anna/data/words.txt", "ZeroOut", "anna"):
        assert part in text


def test_functions_are_looked_into_whether_they_are_called_or_not(tmp_path):
    found = audited(
        tmp_path, b.constant("c"), functions=[b.function("f", *READ, PYTHON)]
    )
    assert risks(found)["read"].function == "f"
    assert risks(found)["py"].function == "f"


def test_a_network_could_do_nothing(tmp_path):
    found = audited(tmp_path, b.placeholder("x", b.FLOAT), b.node("y", "Neg", ["x"]))
    assert not found.needs_trust
    assert "nothing in it reaches" in str(found)


def test_savers_are_told_apart(tmp_path):
    prefix = b.constant("save/Const", b.STRING, strings=["model"])
    found = audited(
        tmp_path,
        prefix,
        b.variable("w"),
        b.node("save/RestoreV2", "RestoreV2", ["save/Const"]),
        b.node("save/Assign", "Assign", ["w", "save/RestoreV2"]),
    )
    assert not found.needs_trust
    (risk,) = risks(found).values()
    assert risk.is_savers


@pytest.mark.parametrize(
    "path, user",
    [
        ("/home/anna/run/model", "anna"),
        ("/Users/bert/Desktop/x.txt", "bert"),
        ("/usr/local/google/home/carl/a", "carl"),
        ("C:\\Users\\dora\\model.txt", "dora"),
        ("gs://bucket/vocab.txt", None),
        ("hdfs://host:9000/data", None),
        ("/tmp/export/assets", None),
    ],
)
def test_paths_are_found_wherever_they_stand(tmp_path, path, user):
    folder = path.rstrip("/") + "/"
    places = {
        "constant": {"nodes": [b.constant("c", b.STRING, strings=[path])]},
        "attribute": {"nodes": [b.node("n", "Neg", ["x"], note=b.text_attr(path))]},
        "list": {"nodes": [b.node("n", "Neg", ["x"], notes=b.list_attr("a", path))]},
        "device": {"nodes": [b.node("n", "Neg", ["x"], device=path)]},
        "debug": {"nodes": [b.node("n", "Neg", ["x"]) + message(6, b.text(1, path))]},
        "collection": {
            "collections": [("c", b.collection(2, b.text(3, b.text(1, path))))]
        },
        "asset": {"assets": [(path, "c:0")]},
    }
    for where, more in places.items():
        nodes = more.pop("nodes", [b.constant("c")])
        found = audited(tmp_path, *nodes, **more)
        assert list(leaks(found)) == [path], where
        assert found.users == (() if user is None else (user,))
    inside = audited(
        tmp_path,
        b.constant("c"),
        functions=[b.function("f", b.constant("c", b.STRING, strings=[folder]))],
    )
    (leak,) = leaks(inside).values()
    assert "function f" in leak.places[0]


@pytest.mark.parametrize(
    "text",
    [
        "/job:worker/task:0",
        "a/b/c",
        "/gpu:0",
        "layer/weights/read",
        "1/2",
        "/tmp",
        "//",
    ],
)
def test_what_is_no_path_is_none(tmp_path, text):
    found = audited(tmp_path, b.constant("c", b.STRING, strings=[text]))
    assert leaks(found) == {}


def test_the_numbers_of_tensors_are_stepped_over(tmp_path):
    content = b"/home/anna/secret".ljust(20, b"\0")
    found = audited(tmp_path, b.constant("c", b.FLOAT, (5,), content))
    assert leaks(found) == {}


def test_one_path_that_stands_often_is_one_leak(tmp_path):
    nodes = [
        b.constant(f"c{number}", b.STRING, strings=["/data/a/b"]) for number in range(9)
    ]
    (leak,) = leaks(audited(tmp_path, *nodes)).values()
    assert (leak.count, len(leak.places)) == (9, 5)


def test_every_graph_of_a_saved_model_is_audited(tmp_path):
    data = b.saved_model(
        b.meta_graph(b.graph(PYTHON), tags=["train"]),
        b.meta_graph(b.graph(b.constant("c")), tags=["serve"]),
    )
    b.write(tmp_path / "saved_model.pb", data)
    b.write(
        tmp_path / "debug" / "saved_model_debug_info.pb",
        b.text(1, "/home/eva/train.py"),
    )
    found = audit_file(tmp_path)
    assert [one.needs_trust for one in found.graphs] == [True, False]
    assert found.users == ("eva",)
    assert json.loads(json.dumps(found.to_json()))["needs_trust"] is True


def test_frozen_graphs_and_event_files_are_audited(tmp_path):
    frozen = b.write(tmp_path / "frozen.pb", b.graph(*READ))
    assert risks(audit_file(frozen))["read"].paths == ("/home/anna/data/words.txt",)
    events = b.record(message(3, b"v")) + b.record(message(4, b.graph(PYTHON)))
    path = b.write(tmp_path / "events.out.tfevents.1", events)
    assert list(risks(audit_file(path))) == ["py"]


def test_a_prefix_stands_for_its_graph(tmp_path):
    b.write(tmp_path / "m-1.meta", b.meta_graph(b.graph(PYTHON)))
    assert audit_file(tmp_path / "m-1").needs_trust


def test_a_checkpoint_stands_for_the_graph_beside_it():
    for location in ("classifier", "classifier@1500"):
        audit = audit_file(ROOT / "examples/digits/checkpoints" / location)
        assert audit.path.endswith("classifier/model.ckpt-1500.meta")


def test_a_checkpoint_without_a_graph_is_told(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(str(ROOT / "examples/digits/checkpoints/classifier"), str(run))
    os.remove(str(run / "model.ckpt-1500.meta"))
    with pytest.raises(errors.LocationError, match="no saved graph at") as raised:
        audit_file(run)
    assert raised.value.hint.endswith("model.ckpt-1500.meta")


@pytest.mark.parametrize("name", ["gone.meta", "gone"])
def test_nothing_there_is_an_error(tmp_path, name):
    with pytest.raises(errors.LocationError):
        audit_file(tmp_path / name)


def test_a_damaged_file_is_corrupt(tmp_path):
    path = b.write(tmp_path / "a.meta", b.meta_graph(b.graph(PYTHON))[:-9])
    with pytest.raises(errors.CorruptCheckpointError):
        audit_file(path)


def test_a_real_saved_model_gives_its_maker_away():
    found = audit_file(sample("taxi_estimator", "saved_model"))
    assert found.users == ("zhitaoli",)
    readers = [one for one in risks(found).values() if not one.is_savers]
    assert {one.op for one in readers} == {"InitializeTableFromTextFileV2"}


def test_real_savers_are_all_recognized():
    for parts in (
        ["cudnn_lstm", "best.meta"],
        ["hub", "saved_model_v2_mini"],
        ["serving", "session_bundle_half_plus_two", "00000123"],
        ["traffic_signs_v1", "model.ckpt.meta"],
    ):
        found = audit_file(sample(*parts))
        assert not found.needs_trust, parts
        assert any(one.is_savers for one in found.graphs[0].risks)


def test_any_file_of_a_checkpoint_is_about_the_graph_beside_it(tmp_path):
    prefix = small_checkpoint(str(tmp_path / "model.ckpt-3"))
    path = b.write(prefix + ".meta", b.meta_graph(b.graph(PYTHON)))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-3"\n')
    files = [str(one) for one in tmp_path.iterdir()]
    assert len(files) == 4
    for location in [*files, prefix, str(tmp_path), f"{tmp_path}@3"]:
        found = audit_file(location)
        assert (found.path, found.needs_trust) == (path, True)
    os.remove(path)
    for location in (prefix + ".index", str(tmp_path / "checkpoint")):
        with pytest.raises(errors.LocationError, match="has none beside it"):
            audit_file(location)


def test_a_text_is_read_by_what_is_given_for_it(tmp_path):
    binary = b.meta_graph(b.graph(PYTHON, *READ))
    read = []

    def read_text(path, data):
        read.append((path, data))
        return BinaryGraph(GraphFormat.META_GRAPH, binary)

    text = b"meta_info_def {\n}\n"
    expected = audit_file(b.write(tmp_path / "model.meta", binary)).to_json()
    for name in ("graph.pbtxt", "text.meta", "text"):
        path = b.write(tmp_path / name, text)
        with pytest.raises(errors.UnsupportedCheckpointError, match="text format"):
            audit_file(path)
        assert audit_file(path, read_text).to_json() == {**expected, "path": path}
    assert len(read) == 3 and read[0] == (str(tmp_path / "graph.pbtxt"), text)


def test_a_text_that_is_no_graph_is_at_fault(tmp_path):
    def read_text(path, data):
        raise FormatError("line 3: a letter too many")

    path = b.write(tmp_path / "graph.pbtxt", b"node {\n")
    with pytest.raises(errors.CorruptCheckpointError, match="a letter too many"):
        audit_file(path, read_text)
