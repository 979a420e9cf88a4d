"""Files that Keras saved, read as checkpoints; Keras itself beside it."""

import sys
import zipfile

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.examining.inspection import inspect_location
from legacy_restore.mapping.classify import TensorClass, classify
from tests.rewriting.stock_programs import run_program
from tests.test_layers import run

h5py = pytest.importorskip("h5py")

_SAVE = """
{imports}
layers = keras.layers
model = keras.Sequential([
    layers.Dense(4, **given["first"]), layers.BatchNormalization(scale=False),
    layers.Dropout(0.2), layers.Dense(2, name="out", use_bias=False),
])
model.compile("adam", "mse")
model.fit(np.ones([8, 3]), np.ones([8, 2]), verbose=0)
for name in given["whole"]:
    model.save(given["directory"] + "/" + name)
for name in given["weights"]:
    model.save_weights(given["directory"] + "/" + name)
result = [
    [getattr(one, "path", one.name).split(":")[0], value.tolist()]
    for one, value in zip(model.weights, model.get_weights())
]
"""


def saved(directory, imports, whole, weights, first):
    given = {
        "directory": str(directory),
        "whole": whole,
        "weights": weights,
        "first": first,
    }
    pairs = run_program(_SAVE.replace("{imports}", imports), given)
    return {name: np.array(value, "f4") for name, value in pairs}


def weights_of(location):
    """The weights in a file, by key; and the classes of what else is there."""
    with lr.open_checkpoint(location) as checkpoint:
        classes = classify(checkpoint.entries())
        state = {
            key: one.tensor_class
            for key, one in classes.items()
            if one.tensor_class.is_training_state
        }
        for key, value in checkpoint.items():
            entry = checkpoint.entry(key)
            assert (entry.shape, entry.dtype) == (value.shape, value.dtype.name)
        found = {key: checkpoint[key] for key in checkpoint if key not in state}
        return checkpoint.format, found, state, checkpoint.findings


def equal(found, wanted):
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_array_equal(found[key], value)


def without_model(wanted):
    return {name.partition("/")[2]: value for name, value in wanted.items()}


@pytest.mark.skipif(sys.version_info < (3, 8), reason="no Keras 3")
def test_keras_3(tmp_path):
    pytest.importorskip("keras")
    wanted = saved(tmp_path, "import keras", ["m.h5", "m.keras"], ["w.weights.h5"], {})
    format, found, state, findings = weights_of(tmp_path / "m.h5")
    assert format == "HDF5"
    equal(found, wanted)
    assert len(state) == 10  # Moments of four weights, a counter and a rate.
    assert TensorClass.STEP in state.values()
    assert findings == []
    format, found, state, findings = weights_of(tmp_path / "m.keras")
    assert format == "Keras"
    equal(found, without_model(wanted))
    assert (len(state), findings) == (10, [])
    format, found, state, findings = weights_of(tmp_path / "w.weights.h5")
    names = ["dense/vars/0", "dense/vars/1", "out/vars/0"]
    assert set(names) < set(found)
    np.testing.assert_array_equal(found["out/vars/0"], wanted["sequential/out/kernel"])
    assert [one.id for one in findings] == ["keras-numbered"]


@pytest.mark.skipif(sys.version_info < (3, 8), reason="no tf_keras")
def test_tf_keras(tmp_path):
    pytest.importorskip("tf_keras")
    whole, weights = ["m.h5", "m.keras"], ["w.h5", "w.weights.h5"]
    wanted = saved(tmp_path, "import tf_keras as keras", whole, weights, {})
    for name in ("m.h5", "w.h5", "m.keras"):
        _, found, state, findings = weights_of(tmp_path / name)
        equal(found, wanted)
        assert bool(state) == name.startswith("m")
        assert findings == []
    _, found, state, findings = weights_of(tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(found["dense_1/vars/0"], wanted["out/kernel"])
    assert [one.id for one in findings] == ["keras-numbered"]


@pytest.mark.skipif(sys.version_info >= (3, 8), reason="no TensorFlow 1.15")
def test_tensorflow_1(tmp_path):
    pytest.importorskip("tensorflow")
    wanted = saved(
        tmp_path,
        "from tensorflow import keras",
        ["m.h5", "m.keras"],
        ["w.h5"],
        {"input_shape": [3]},
    )
    for name in ("m.h5", "m.keras", "w.h5"):
        format, found, state, findings = weights_of(tmp_path / name)
        assert format == "HDF5"
        equal(found, wanted)
        assert bool(state) == name.startswith("m")
        assert findings == []


def legacy(path, weights, layer=b"dense"):
    """A file as Keras 2 writes it, with one layer."""
    with h5py.File(str(path), "w") as file:
        file.attrs["layer_names"] = [layer]
        group = file.create_group(layer.decode())
        group.attrs["weight_names"] = [name.encode() for name in weights]
        for name, value in weights.items():
            group.create_dataset(name, data=value)
    return str(path)


def archived(path, weights, config=b"{}", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(str(path), "w", compression) as archive:
        archive.writestr("config.json", config)
        archive.write(weights, "model.weights.h5")
    return str(path)


def test_a_file_is_known_by_its_content(tmp_path):
    w = np.arange(3, dtype="f4")
    path = legacy(tmp_path / "model.ckpt-5", {"dense/kernel:0": w})
    with lr.open_checkpoint(path) as checkpoint:
        assert checkpoint.format == "HDF5"
        np.testing.assert_array_equal(checkpoint["dense/kernel"], w)
    report = lr.verify_checkpoint(path)
    assert [row.status.value for row in report.rows] == ["cannot tell"]
    for location in (tmp_path, path):
        found = lr.diagnose(location)
        assert found.ok
        assert [one.hint for one in found.findings] == [
            f"legacy-restore inspect {path}"
        ]
    inspected = inspect_location(path)
    assert "dense/kernel" in str(inspected)
    other = tmp_path / "x.keras"
    archived(other, path)
    assert lr.verify_checkpoint(str(other)).ok
    with lr.open_checkpoint(other) as checkpoint:
        copied = lr.write_checkpoint(tmp_path / "v2", checkpoint)
    with lr.open_checkpoint(copied) as checkpoint:
        np.testing.assert_array_equal(checkpoint["dense/kernel"], w)
    there = lr.to_object_based(path, tmp_path / "objects")
    assert list(there.keys) == ["dense/kernel"]


def test_names_in_pieces_and_names_that_two_layers_have(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(str(path), "w") as file:
        file.attrs["layer_names0"] = [b"a"]
        file.attrs["layer_names1"] = [b"b"]
        for layer in "ab":
            group = file.create_group(layer)
            group.attrs["weight_names0"] = [b"kernel:0"]
            group.create_dataset("kernel:0", data=np.zeros([2]))
        file.create_dataset("stray", data=np.zeros([2]))
    with lr.open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["a/kernel:0", "b/kernel:0"]
        assert [one.id for one in checkpoint.findings] == ["keras-unknown"]


def test_a_file_that_reaches_beyond_itself_is_refused(tmp_path):
    secret = legacy(tmp_path / "secret.h5", {"k": np.ones([2], "f4")})
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(8))

    def external(file):
        file["dense"]["e"] = h5py.ExternalLink(secret, "/dense/k")

    def stored_outside(file):
        kind = [(str(raw), 0, 8)]
        file["dense"].create_dataset("o", (2,), "f4", external=kind)

    def virtual(file):
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource(secret, "dense/k", (2,))
        file["dense"].create_virtual_dataset("v", layout)

    for number, make in enumerate([external, stored_outside, virtual]):
        path = legacy(tmp_path / f"{number}.h5", {"k": np.zeros([2], "f4")})
        with h5py.File(path, "a") as file:
            make(file)
        with pytest.raises(errors.UnsupportedCheckpointError, match="reaches into"):
            lr.open_checkpoint(path)


def test_groups_that_hold_each_other_end(tmp_path):
    path = legacy(tmp_path / "w.h5", {"k": np.zeros([2], "f4")})
    with h5py.File(path, "a") as file:
        file["dense"]["again"] = file["dense"]
    with lr.open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["k"]


def test_damage_gives_our_errors(tmp_path):
    path = legacy(tmp_path / "w.h5", {"k": np.arange(512, dtype="f4")})
    with open(path, "rb") as file:
        data = file.read()
    for size in (8, 100, len(data) // 2, len(data) - 1):
        cut = tmp_path / "cut.h5"
        cut.write_bytes(data[:size])
        with pytest.raises(errors.CheckpointError):
            lr.open_checkpoint(cut)
        assert lr.verify_checkpoint(cut).format == "HDF5"
        assert not lr.verify_checkpoint(cut).ok
    other = archived(tmp_path / "m.keras", path)
    with open(other, "rb") as file:
        data = bytearray(file.read())
    at = data.index(np.arange(100, 110, dtype="f4").tobytes())
    data[at] ^= 1
    (tmp_path / "m.keras").write_bytes(bytes(data))
    damaged = lr.open_checkpoint(other)
    with damaged, pytest.raises(errors.CorruptCheckpointError, match="checksum"):
        damaged["k"]
    assert not lr.verify_checkpoint(other).ok
    for config in (b"no json", b"[]"):
        archived(tmp_path / "c.keras", path, config)
        try:
            lr.open_checkpoint(tmp_path / "c.keras").close()
            assert config == b"[]"
        except errors.CorruptCheckpointError:
            assert config == b"no json"
    archived(tmp_path / "z.keras", path, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(errors.CheckpointError, match="compressed"):
        lr.open_checkpoint(tmp_path / "z.keras")


def test_foreign_files_are_refused(tmp_path):
    with h5py.File(str(tmp_path / "x.h5"), "w") as file:
        file.create_dataset("x", data=np.zeros([2]))
    with pytest.raises(errors.UnsupportedCheckpointError, match="without a layout"):
        lr.open_checkpoint(tmp_path / "x.h5")
    with zipfile.ZipFile(str(tmp_path / "x.keras"), "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(errors.UnsupportedCheckpointError, match="not all there"):
        lr.open_checkpoint(tmp_path / "x.keras")
    with h5py.File(str(tmp_path / "lies.h5"), "w") as file:
        file.attrs["layer_names"] = [b"a"]
        file.create_group("a").attrs["weight_names"] = [b"k"]
    with pytest.raises(errors.CheckpointError, match="not there"):
        lr.open_checkpoint(tmp_path / "lies.h5")


def test_what_has_no_counterpart_is_listed_and_not_read(tmp_path):
    path = legacy(tmp_path / "w.h5", {"k": np.zeros([2], "f4")})
    kind = np.dtype([("a", "f4"), ("b", "i4")])
    with h5py.File(path, "a") as file:
        file["dense"].attrs["weight_names"] = [b"k", b"s", b"text"]
        file["dense"].create_dataset("s", data=np.zeros([2], kind))
        file["dense"].create_dataset("text", data=np.array([b"a", b"bc"]))
    with lr.open_checkpoint(path) as checkpoint:
        assert checkpoint.entry("s").dtype.startswith("unknown(")
        with pytest.raises(errors.UnsupportedCheckpointError):
            checkpoint["s"]
        assert checkpoint["text"].tolist() == [b"a", b"bc"]


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = legacy(tmp_path / "w.h5", {"k": np.zeros([2], "f4")})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(errors.MissingDependencyError) as caught:
        lr.open_checkpoint(path)
    assert caught.value.hint == "pip install 'legacy_restore[h5py]'"
    assert caught.value.findings[0].id == "missing-dependency"


def test_nobody_else_imports_h5py(tmp_path):
    prefix = lr.write_checkpoint(tmp_path / "x", {"w": np.zeros([2])})
    program = (
        "import json, sys, legacy_restore as lr\n"
        f"with lr.open_checkpoint({prefix!r}) as checkpoint:\n"
        "    assert checkpoint['w'].shape == (2,)\n"
        f"assert lr.diagnose({str(tmp_path)!r}).ok\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    assert "h5py" not in run(program)


def test_a_graph_is_refused_with_what_to_do(tmp_path):
    tf = pytest.importorskip("tensorflow").compat.v1

    def build():
        return tf.get_variable("dense/kernel", [3])

    w = np.arange(3, dtype="f4")
    path = legacy(tmp_path / "w.h5", {"dense/kernel:0": w})
    plan = lr.plan([lr.Model("a", build=build, checkpoint=path)])
    assert not plan.ok
    (finding,) = [one for one in plan.findings if one.is_error]
    assert finding.id == "unsupported"
    assert "write_checkpoint" in finding.hint
    with lr.open_checkpoint(path) as checkpoint:
        prefix = lr.write_checkpoint(tmp_path / "v2", checkpoint)
    with lr.restore([lr.Model("a", build=build, checkpoint=prefix)]) as restored:
        assert restored.check().ok
