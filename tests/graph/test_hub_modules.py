"""Tests of TF-Hub modules whose state is that of modules inside them."""

import pathlib

import numpy as np
import pytest

import legacy_restore as lr

_FOLDER = pathlib.Path(__file__).parents[1] / "golden" / "hub_modules"


@pytest.mark.parametrize("case", ["nested", "nested_resource"])
def test_modules_inside_a_module_keep_their_states(case, tmp_path):
    """Their own Savers stand in its graph, and say other keys than it has."""
    folder = _FOLDER / f"tf1_15_{case}"
    with np.load(str(folder / "golden.npz")) as arrays:
        golden = {key: arrays[key] for key in arrays.files}
    words = golden["in:words"]
    directory = folder / "module"
    models = [lr.Model.from_saved_model(name, directory) for name in ("a", "b")]
    with lr.restore(models, verify="session") as restored:
        for name in ("a", "b"):
            for key in (one for one in golden if one.startswith("out:")):
                _, signature, output = key.split(":")
                found = restored[name].signatures[signature](words=words)[output]
                np.testing.assert_allclose(found, golden[key], atol=1e-5)
        prefix = restored["a"].save(tmp_path / "again")
        restored["b"].swap(prefix)
        found = restored["b"](words=words)["default"]
        np.testing.assert_allclose(found, golden["out:default:default"], atol=1e-5)
    with lr.open_checkpoint(prefix) as saved, lr.open_checkpoint(directory) as first:
        assert sorted(saved) == sorted(first)
        assert sorted(first) == ["first/layer/rows", "layer/rows", "second/layer/rows"]
