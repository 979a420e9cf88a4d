"""``legacy-restore audit``."""

import json

from legacy_restore.examining.audit import audit_file
from tests.cli.commands import assert_light, run
from tests.graphdef import builders as b


def write(tmp_path):
    graph = b.graph(
        b.constant("path", b.STRING, strings=["/home/anna/\x1b[31mwords"]),
        b.node("read", "ReadFile", ["path"]),
        b.node("py", "PyFunc", ["read"], token=b.text_attr("pyfunc_7")),
    )
    return b.write(tmp_path / "model.meta", b.meta_graph(graph))


def test_text_and_json_are_made_of_one_report(tmp_path):
    path = write(tmp_path)
    audit = audit_file(path)
    done = run("audit", path)
    # It is a report: a restore is what needs trust.
    assert (done.returncode, done.stdout) == (0, f"{audit}\n")
    assert "\x1b" not in done.stdout
    done = run("audit", path, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, audit.to_json())


def test_what_is_no_graph_is_an_input_at_fault(tmp_path):
    (tmp_path / "model.meta").write_bytes(b"")
    for name in ("model.meta", "gone.meta"):
        done = run("audit", name, "--json", cwd=tmp_path)
        assert done.returncode == 3
        assert json.loads(done.stdout)["ok"] is False


def test_it_loads_no_tensorflow(tmp_path):
    assert_light("audit", write(tmp_path))


def test_a_text_is_audited_and_inspected_with_tensorflow(tmp_path):
    text = 'node {\n  name: "py"\n  op: "PyFunc"\n}\n'
    (tmp_path / "graph.pbtxt").write_text(text)
    done = run("audit", "graph.pbtxt", cwd=tmp_path)
    assert (done.returncode, "PyFunc" in done.stdout) == (0, True), done.stderr
    done = run("inspect", "graph.pbtxt", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["graph"]["graphs"][0]["nodes"] == 1
