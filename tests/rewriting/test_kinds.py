"""Tests of the conversion between checkpoints by name and by object."""

import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.bundle_writer import BundleWriter
from legacy_restore.checkpoint.object_graph import (
    Attribute,
    Child,
    ObjectNode,
    RegisteredSaver,
    SlotReference,
    parse_object_graph,
)
from legacy_restore.checkpoint.object_graph_writer import encode_object_graph
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.tensor_bytes import stored_array
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from tests.checkpoint import object_builders as ob

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def by_name():
    """A model with a moving average, an Adam optimizer and a step."""
    kernel = np.arange(6, dtype=np.float32).reshape([2, 3])
    return {
        "encoder/dense/kernel": kernel,
        "encoder/dense/kernel/Adam": kernel + 10,
        "encoder/dense/kernel/Adam_1": kernel + 20,
        "encoder/dense/kernel/ExponentialMovingAverage": kernel + 30,
        "encoder/v1.5/table": np.array([b"a", b"\0b"], object),
        "beta1_power": np.float32(0.5),
        "beta2_power": np.float32(0.25),
        "global_step": np.int64(7),
    }


KEYS = {
    "encoder/dense/kernel": "encoder/dense/kernel",
    "encoder/dense/kernel/Adam": "encoder/dense/kernel/.OPTIMIZER_SLOT/optimizer/m",
    "encoder/dense/kernel/Adam_1": "encoder/dense/kernel/.OPTIMIZER_SLOT/optimizer/v",
    "encoder/dense/kernel/ExponentialMovingAverage": (
        "encoder/dense/kernel.SExponentialMovingAverage"
    ),
    "encoder/v1.5/table": "encoder/v1..5/table",
    "beta1_power": "optimizer/beta1_power",
    "beta2_power": "optimizer/beta2_power",
    "global_step": "global_step",
}


def write(path, tensors, **given):
    return lr.write_checkpoint(str(path), tensors, **given)


def content(prefix):
    with lr.open_checkpoint(prefix) as checkpoint:
        return dict(checkpoint)


def files(prefix):
    ends = (".index", ".data-00000-of-00001")
    return [pathlib.Path(prefix + end).read_bytes() for end in ends]


def ids(error):
    return [one.id for one in error.findings if one.is_error]


def test_each_key_becomes_one_path(tmp_path):
    source = write(tmp_path / "names", by_name())
    report = lr.to_object_based(source, tmp_path / "objects")
    assert report.keys == {key: path + VALUE for key, path in KEYS.items()}
    found = content(report.written)
    assert found["save_counter" + VALUE] == 1
    for key, value in by_name().items():
        np.testing.assert_array_equal(found[KEYS[key] + VALUE], value)
    with lr.open_checkpoint(report.written) as checkpoint:
        objects = checkpoint.objects
        assert objects.missing_keys == objects.unlisted_keys == ()
        for key, path in KEYS.items():
            assert objects.keys_named(key) == [path + VALUE]
            assert objects.tensors[path + VALUE].path == path


def test_from_names_to_objects_and_back_is_the_same_bytes(tmp_path):
    source = write(tmp_path / "names", by_name())
    there = lr.to_object_based(source, tmp_path / "objects")
    back = lr.to_name_based(there.written, tmp_path / "back")
    assert files(back.written) == files(source)
    assert [one.id for one in back.findings] == ["not-converted"]
    assert repr(back).startswith("<ConversionReport: ") and "\n" not in repr(back)
    again = lr.to_object_based(back.written, tmp_path / "again")
    assert files(again.written) == files(there.written)


def test_slices_are_joined(tmp_path):
    slices = {"w": [((0, 0), (1, 3)), ((1, 0), (1, 3))]}
    value = np.arange(6, dtype=np.uint16).reshape([2, 3])
    source = write(tmp_path / "names", {"w": value}, slices=slices)
    report = lr.to_object_based(source, tmp_path / "objects")
    with lr.open_checkpoint(report.written) as checkpoint:
        assert checkpoint.entry("w" + VALUE).slices == ()
        np.testing.assert_array_equal(checkpoint["w" + VALUE], value)


def test_types_that_numpy_lacks_are_copied(tmp_path):
    dtypes = {"q": "quint8"}
    source = write(tmp_path / "n", {"q": np.zeros([2], "u1")}, dtypes=dtypes)
    report = lr.to_object_based(source, tmp_path / "objects")
    with lr.open_checkpoint(report.written) as checkpoint:
        assert checkpoint.entry("q" + VALUE).dtype == "quint8"


@pytest.mark.parametrize(
    "more",
    [
        {"beta1_power_1": np.float32(0.5)},  # Of a second optimizer.
        {"b": np.zeros([2], "f4"), "b/Adam": np.zeros([2], "f4")},  # Not complete.
    ],
)
def test_slots_of_no_one_optimizer_are_variables(tmp_path, more):
    source = write(tmp_path / "names", {**by_name(), **more})
    report = lr.to_object_based(source, tmp_path / "objects")
    assert report.keys["encoder/dense/kernel/Adam"] == (
        "encoder/dense/kernel.SAdam" + VALUE
    )
    assert report.keys["beta1_power"] == "beta1_power" + VALUE
    assert [one.id for one in report.findings] == ["slot-by-path"]
    back = lr.to_name_based(report.written, tmp_path / "back")
    assert files(back.written) == files(source)


def test_an_optimizer_has_a_name_that_no_key_has(tmp_path):
    w = np.ones([2], "f4")
    tensors = {"optimizer/w": w, "optimizer/w/Momentum": w, "v": w, "v/Adagrad": w}
    source = write(tmp_path / "names", tensors)
    keys = lr.to_object_based(source, tmp_path / "objects").keys
    assert keys["optimizer/w/Momentum"].split("/")[-4:-2] == [
        "optimizer_Momentum",
        "momentum",
    ]
    assert "/optimizer_Adagrad/accumulator/" in keys["v/Adagrad"]
    del tensors["v"], tensors["v/Adagrad"]
    source = write(tmp_path / "one", tensors)
    keys = lr.to_object_based(source, tmp_path / "o").keys
    assert "/optimizer_1/momentum/" in keys["optimizer/w/Momentum"]


def test_a_slot_of_a_slot_is_a_variable(tmp_path):
    w = np.ones([2], "f4")
    tensors = {"w": w, "w/Momentum": w, "w/Momentum/Momentum": w}
    source = write(tmp_path / "names", tensors)
    keys = lr.to_object_based(source, tmp_path / "objects").keys
    assert keys["w/Momentum/Momentum"] == "w.SMomentum.SMomentum" + VALUE
    assert "OPTIMIZER_SLOT" in keys["w/Momentum"]


def test_the_counter_of_the_file_is_kept(tmp_path):
    tensors = {"w": np.ones([2], "f4"), "save_counter": np.int64(12)}
    source = write(tmp_path / "names", tensors)
    there = lr.to_object_based(source, tmp_path / "objects")
    assert content(there.written)["save_counter" + VALUE] == 12
    back = lr.to_name_based(there.written, tmp_path / "back")
    assert files(back.written) == files(source)


def test_what_is_not_representable_is_refused_by_name_and_waived(tmp_path):
    tensors = {"w": np.ones([2], "f4"), "save_counter": np.ones([2], "f4")}
    source = write(tmp_path / "names", tensors)
    with pytest.raises(errors.WriteError) as caught:
        lr.to_object_based(source, tmp_path / "objects")
    assert ids(caught.value) == ["not-representable"]
    assert caught.value.findings[0].waiver == ("allow_unused", "save_counter")
    assert not list(tmp_path.glob("objects*"))
    report = lr.to_object_based(
        source, tmp_path / "objects", allow_unused=["save_counter"]
    )
    assert report.keys == {"w": "w" + VALUE}
    assert [one.id for one in report.findings] == ["not-converted"]
    assert content(report.written)["save_counter" + VALUE] == 1
    with pytest.raises(errors.WriteError) as caught:
        lr.to_object_based(source, tmp_path / "o", allow_unused=["save_counter", "w"])
    assert ids(caught.value) == ["unused-waiver"]


@pytest.mark.parametrize(
    "key",
    [
        "w\udcff",  # No UTF-8.
        "a/.ATTRIBUTES/b",  # TensorFlow takes it for the end of a path.
        "a/b.ATTRIBUTES",
    ],
)
def test_names_that_no_object_can_have_are_refused(tmp_path, key):
    source = write(tmp_path / "names", {key: np.ones([2], "f4")})
    with pytest.raises(errors.WriteError) as caught:
        lr.to_object_based(source, tmp_path / "objects")
    assert ids(caught.value) == ["not-representable"]


def test_part_of_a_tensor_is_refused_both_ways(tmp_path):
    def with_part(prefix, key, tensors):
        with BundleWriter(prefix) as writer:
            for name, value in tensors.items():
                dtype = "string" if value.dtype == object else "float32"
                writer.add(name, stored_array(value, dtypes.BY_NAME[dtype]))
            part = stored_array(np.ones([1, 3], "f4"), dtypes.BY_NAME["float32"])
            writer.add_slice(key, (2, 3), TensorSlice((0, 0), (1, 3)), part)
            writer.finish()
        return str(prefix)

    source = with_part(tmp_path / "names", "w", {})
    with pytest.raises(errors.WriteError) as caught:
        lr.to_object_based(source, tmp_path / "x")
    assert ids(caught.value) == ["not-representable"]
    data = ob.graph([ob.child("w", 1)], [ob.variable("w", "w")])
    graph = {OBJECT_GRAPH_KEY: np.array(data, object)}
    source = with_part(tmp_path / "objects", "w" + VALUE, graph)
    with pytest.raises(errors.WriteError) as caught:
        lr.to_name_based(source, tmp_path / "x")
    assert ids(caught.value) == ["not-representable"]


def test_names_that_several_variables_have_give_way_to_paths(tmp_path):
    data = ob.graph(
        [ob.child("a", 1), ob.child("b", 2), ob.child("c", 3)],
        [ob.variable("a", "sub/kernel")],
        [ob.variable("b", "sub/kernel")],
        [ob.variable("c", "c/kernel")],
    )
    tensors = {one + VALUE: np.full([2], n) for n, one in enumerate("abc")}
    source = ob.write_object_based(tmp_path / "objects", data, tensors)
    report = lr.to_name_based(source, tmp_path / "names")
    assert content(report.written).keys() == {"a", "b", "c/kernel"}
    assert [one.id for one in report.findings] == ["named-by-path"]


def test_slots_are_named_as_a_graph_names_them(tmp_path):
    def graph(*names):
        return ob.graph(
            [ob.child("w", 1), ob.child("opt", 2)],
            [ob.variable("w", "w")],
            [ob.slot(1, "rms", 3), ob.slot(1, "momentum", 4)],
            [ob.variable("w/.OPTIMIZER_SLOT/opt/rms", names[0])],
            [ob.variable("w/.OPTIMIZER_SLOT/opt/momentum", names[1])],
        )

    tensors = {
        "w" + VALUE: np.zeros([2]),
        "w/.OPTIMIZER_SLOT/opt/rms" + VALUE: np.ones([2]),
        "w/.OPTIMIZER_SLOT/opt/momentum" + VALUE: np.full([2], 2.0),
    }
    # As an eager program of TensorFlow calls them.
    data = graph("w/RMSProp_4", "w/RMSProp_6")
    source = ob.write_object_based(tmp_path / "objects", data, tensors)
    found = content(lr.to_name_based(source, tmp_path / "names").written)
    assert {key: value[0] for key, value in found.items()} == {
        "w": 0,
        "w/RMSProp": 1,
        "w/RMSProp_1": 2,
    }
    # Those of Keras are others, and keep their names.
    data = graph("RMSprop/w/rms", "RMSprop/w/momentum")
    source = ob.write_object_based(tmp_path / "keras", data, tensors)
    found = content(lr.to_name_based(source, tmp_path / "of_keras").written)
    assert found.keys() == {"w", "RMSprop/w/rms", "RMSprop/w/momentum"}


def test_tables_keep_both_halves_and_configurations_are_left(tmp_path):
    data = ob.graph(
        [ob.child("t", 1), ob.child("layer", 2), ob.child("other", 3)],
        [ob.attribute("t/.ATTRIBUTES/table", "words", "table")],
        [
            ob.attribute(
                "layer/.ATTRIBUTES/OBJECT_CONFIG_JSON", "", "OBJECT_CONFIG_JSON"
            )
        ],
        [ob.attribute("other/.ATTRIBUTES/py_state", "", "py_state")],
    )
    tensors = {
        "t/.ATTRIBUTES/table-keys": np.arange(3),
        "t/.ATTRIBUTES/table-values": np.arange(3) + 5,
        "layer/.ATTRIBUTES/OBJECT_CONFIG_JSON": np.array(b"{}", object),
        "other/.ATTRIBUTES/py_state": np.array(b"?", object),
        "stray": np.arange(2),
    }
    source = ob.write_object_based(tmp_path / "objects", data, tensors)
    with pytest.raises(errors.WriteError) as caught:
        lr.to_name_based(source, tmp_path / "names")
    assert [one.subject for one in caught.value.findings] == [
        "other/.ATTRIBUTES/py_state",
        "stray",
    ]
    report = lr.to_name_based(
        source, tmp_path / "names", allow_unused=["stray", "other/.*"]
    )
    assert content(report.written).keys() == {"words-keys", "words-values"}
    assert "not-converted" in [one.id for one in report.findings]


def test_the_wrong_kind_is_refused(tmp_path):
    source = write(tmp_path / "names", by_name())
    with pytest.raises(errors.UnsupportedCheckpointError, match="name-based already"):
        lr.to_name_based(source, tmp_path / "x")
    there = lr.to_object_based(source, tmp_path / "objects")
    with pytest.raises(errors.UnsupportedCheckpointError, match="object-based already"):
        lr.to_object_based(there.written, tmp_path / "x")


def test_targets_are_never_the_source_nor_half_written(tmp_path):
    source = write(tmp_path / "names", by_name())
    with pytest.raises(errors.UsageError, match="never written to"):
        lr.to_object_based(source, source, overwrite=True)
    other = write(tmp_path / "other", {"a": np.ones([1])})
    with pytest.raises(errors.WriteError) as caught:
        lr.to_object_based(source, other)
    assert "checkpoint-exists" in ids(caught.value)
    assert lr.to_object_based(source, other, overwrite=True).written == other
    path = pathlib.Path(source + ".data-00000-of-00001")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # Of the last tensor: everything before is written by then.
    path.write_bytes(data)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(errors.CorruptCheckpointError):
        lr.to_object_based(source, tmp_path / "x")
    assert sorted(tmp_path.iterdir()) == before


_NAMES = st.text(
    st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8
) | st.sampled_from(
    ["w", "w/Adam", "w/Adam_1", "beta1_power", "beta2_power", "a/b", "a", "a//b", "a."]
)


@settings(max_examples=60, deadline=None)
@given(names=st.sets(_NAMES, min_size=1, max_size=8))
def test_any_names_come_back(tmp_path_factory, names):
    names -= {"save_counter"}
    if not names:
        return
    tensors = {name: np.full([], n, "f4") for n, name in enumerate(sorted(names))}
    directory = tmp_path_factory.mktemp("any")
    source = write(directory / "names", tensors)
    there = lr.to_object_based(source, directory / "objects")
    assert len(set(there.keys.values())) == len(names)
    with lr.open_checkpoint(there.written) as checkpoint:
        for new_key in there.keys.values():
            tensor = checkpoint.objects.tensors[new_key]
            assert tensor.path + VALUE == new_key
    back = lr.to_name_based(there.written, directory / "back")
    assert files(back.written) == files(source)


_TEXT = st.text(max_size=5)
_NODES = st.integers(1, 5).flatmap(
    lambda count: st.lists(
        st.builds(
            ObjectNode,
            st.tuples(st.builds(Child, _TEXT, st.integers(0, count - 1))),
            st.tuples(st.builds(Attribute, _TEXT, _TEXT, _TEXT, st.booleans())),
            st.tuples(
                st.builds(
                    SlotReference,
                    st.integers(0, count - 1),
                    _TEXT,
                    st.integers(0, count - 1),
                )
            ),
            st.none() | st.builds(RegisteredSaver, _TEXT, _TEXT),
            st.none() | st.booleans(),
        ),
        min_size=count,
        max_size=count,
    )
)


@settings(max_examples=100, deadline=None)
@given(nodes=_NODES)
def test_an_object_graph_is_read_as_it_was_written(nodes):
    assert parse_object_graph(encode_object_graph(nodes)) == tuple(nodes)
