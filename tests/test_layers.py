"""Tests of the layers: what may import what, and what an import loads."""

import ast
import importlib
import importlib.util
import json
import os
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import legacy_restore
from tests.checkpoint.object_builders import (
    adam_graph,
    adam_tensors,
    write_object_based,
)
from tests.graphdef import builders

PACKAGE = pathlib.Path(legacy_restore.__file__).resolve().parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# From the lowest to the highest; a layer imports itself and what is before it.
LAYERS = [
    "errors",
    "report",
    "checkpoint",
    "graphdef",
    "mapping",
    "planning",
    "examining",
    "rewriting",
    "tf",
    "restoring",
    "importing",
    "eager",
    "graph",
    "cli",
]
# Beside each other: neither imports the other.
SIBLINGS = {"eager": {"graph", "importing"}, "graph": {"eager"}}
# The package itself names what is public of all layers.
TOP = [None, "__main__"]
PURE = LAYERS[: LAYERS.index("tf")]


def name_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def run(program):
    """Runs a program in a process of its own; returns what it prints as JSON."""
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(_search_path())},
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout.decode().splitlines()[-1])


def _search_path():
    given = os.environ.get("PYTHONPATH")
    return [str(PACKAGE.parent), *([given] if given else [])]


# What an import loads.


def loaded_by(modules):
    program = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    return set(run(program))


def test_pure_layers_load_neither_tensorflow_nor_absl():
    pure = [name_of(path) for path in MODULES if layer_of(name_of(path)) in PURE]
    assert {layer_of(name) for name in pure} == set(PURE)
    loaded = loaded_by(["legacy_restore", *pure])
    assert loaded & {"tensorflow", "absl", "keras", "tf_keras"} == set()


def test_pure_layers_load_no_optional_package():
    pure = [name_of(path) for path in MODULES if layer_of(name_of(path)) in PURE]
    assert loaded_by(pure) & {"ml_dtypes", "cramjam", "rich", "tqdm"} == set()


def test_importing_the_package_loads_not_even_numpy():
    assert loaded_by(["legacy_restore"]) & {"numpy", "tensorflow", "absl"} == set()


def test_listing_a_checkpoint_loads_no_numpy():
    path = PACKAGE.parent / "tests" / "golden" / "tf1_15_two_models" / "encoder"
    program = (
        "import json, sys\n"
        "from legacy_restore.checkpoint import open_checkpoint\n"
        "from legacy_restore.examining.contents import contents_of\n"
        f"with open_checkpoint({str(path)!r}) as checkpoint:\n"
        "    assert str(contents_of(checkpoint))\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    loaded = set(run(program))
    assert "google_crc32c" in loaded
    assert not loaded & {"numpy", "tensorflow", "absl"}


def test_listing_an_object_based_checkpoint_loads_no_numpy(tmp_path):
    prefix = write_object_based(tmp_path / "ckpt-1", adam_graph(), adam_tensors())
    program = (
        "import json, sys\n"
        "from legacy_restore.checkpoint import open_checkpoint\n"
        "from legacy_restore.examining.contents import contents_of\n"
        f"with open_checkpoint({prefix!r}) as checkpoint:\n"
        "    assert 'dense/kernel' in str(contents_of(checkpoint))\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    assert not set(run(program)) & {"numpy", "tensorflow", "absl"}


def test_inspecting_a_graph_loads_no_numpy(tmp_path):
    path = builders.write(tmp_path / "model.meta", builders.everything())
    program = (
        "import json, sys\n"
        "from legacy_restore.examining.inspection import inspect_location\n"
        f"found = inspect_location({path!r})\n"
        "assert str(found) and found.to_json()\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    loaded = set(run(program))
    assert not loaded & {"numpy", "tensorflow", "absl", "google.protobuf"}


def test_a_diagnosis_loads_no_numpy_and_works_where_others_cannot_be_imported(tmp_path):
    builders.write(tmp_path / "frozen.pb", builders.graph(builders.constant("c")))
    write_object_based(tmp_path / "ckpt-1", adam_graph(), adam_tensors())
    golden = PACKAGE.parent / "tests" / "golden"
    program = (
        "import json, sys\n"
        "for name in ('tensorflow', 'absl', 'keras', 'numpy'):\n"
        "    sys.modules[name] = None\n"
        "import legacy_restore as lr\n"
        f"assert lr.diagnose({str(tmp_path)!r}).ok\n"
        f"found = lr.diagnose({str(golden)!r})\n"
        "assert str(found) and found.to_json() and len(found.checkpoints) > 15\n"
        "print(json.dumps(found.ok))\n"
    )
    assert run(program)


def test_reading_a_checkpoint_loads_no_tensorflow():
    path = PACKAGE.parent / "tests" / "golden" / "tf1_15_two_models" / "encoder"
    program = (
        "import json, sys, legacy_restore as lr\n"
        f"with lr.open_checkpoint({str(path)!r}) as checkpoint:\n"
        "    assert len(checkpoint['dense/kernel']) == 6\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    assert not {name for name in run(program) if name.split(".")[0] == "tensorflow"}


# What may import what.


def runtime_imports(path):
    """Names of modules that a module imports, but for the type checker."""
    found = set()
    waiting = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        waiting += list(ast.iter_child_nodes(node))
    return found


def test_every_module_has_a_place_among_the_layers():
    assert {layer_of(name_of(path)) for path in MODULES} - set(TOP) == set(LAYERS)


@pytest.mark.parametrize(
    "path", [one for one in MODULES if layer_of(name_of(one)) not in TOP], ids=name_of
)
def test_layer_imports_only_what_is_below_it(path):
    layer = layer_of(name_of(path))
    above = {*LAYERS[LAYERS.index(layer) + 1 :], *SIBLINGS.get(layer, ())}
    ours = {n for n in runtime_imports(path) if n.split(".")[0] == "legacy_restore"}
    assert not {name for name in ours if layer_of(name) in above}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_packages_are_imported_only_where_they_may_be(path):
    layer = layer_of(name_of(path))
    packages = {name.split(".")[0] for name in runtime_imports(path)}
    if layer not in ("tf", "eager", "graph", "cli"):
        assert "tensorflow" not in packages
    if layer not in ("cli", "__main__"):
        assert "absl" not in packages


def test_imports_of_both_kinds_are_seen(tmp_path):
    # The tests above must not pass because they see nothing.
    path = tmp_path / "module.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "import a.b\n"
        "if TYPE_CHECKING:\n"
        "    import unseen\n"
        "def function():\n"
        "    from c import d\n"
    )
    assert runtime_imports(path) == {"typing.TYPE_CHECKING", "a.b", "c.d"}
    assert "legacy_restore.errors" in runtime_imports(
        PACKAGE / "checkpoint" / "checkpoint.py"
    )


# Names and sizes.


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_not_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_parses_and_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_module_hides_behind_the_name_of_a_public_object():
    modules = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    assert {"checkpoint", "graph"} <= modules
    for name in modules & set(legacy_restore.__all__):
        # A module may itself be what is public, as the errors are.
        module = importlib.import_module("legacy_restore." + name)
        assert getattr(legacy_restore, name) is module
        assert not hasattr(module, name)


def test_all_is_sorted_and_complete():
    public = legacy_restore.__all__
    assert list(public) == sorted(public)
    assert len(set(public)) == len(public)
    assert set(public) <= set(dir(legacy_restore))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="absent"):
        _ = legacy_restore.absent


def test_public_names_stay_public_objects_after_importing_every_module():
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs TensorFlow to import the graph layer")
    program = """
import importlib, json, pkgutil, types
import legacy_restore
for module in pkgutil.walk_packages(legacy_restore.__path__, "legacy_restore."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
bad = []
for name in legacy_restore.__all__:
    value = getattr(legacy_restore, name)
    if value is legacy_restore.errors:
        continue
    if isinstance(value, types.ModuleType):
        bad.append(name)
    elif getattr(importlib.import_module(value.__module__), name) is not value:
        bad.append(name)
print(json.dumps([bad, len(legacy_restore.__all__)]))
"""
    bad, count = run(program)
    assert bad == []
    assert count == len(legacy_restore.__all__)
