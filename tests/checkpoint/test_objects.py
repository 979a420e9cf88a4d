"""The objects of a checkpoint: both views of each tensor, and what does not agree."""

import os
import subprocess
import sys

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.objects import ObjectTensor, Slot, decode_objects
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from tests.checkpoint import golden
from tests.checkpoint.builders import BundleBuilder, shard_path, small_checkpoint
from tests.checkpoint.object_builders import (
    VALUE,
    adam_graph,
    adam_tensors,
    attribute,
    child,
    graph,
    saver,
    variable,
    write_object_based,
)
from tests.conftest import ROOT
from tests.samples import sample

SLOT_KEY = "model/kernel/.OPTIMIZER_SLOT/optimizer/m" + VALUE


@pytest.fixture
def prefix(tmp_path):
    return write_object_based(tmp_path / "ckpt-1", adam_graph(), adam_tensors())


@pytest.fixture
def objects(prefix):
    with open_checkpoint(prefix) as checkpoint:
        return checkpoint.objects


def test_every_tensor_has_both_names(objects):
    assert list(objects.tensors.values()) == [
        ObjectTensor(
            "model/kernel" + VALUE, 3, "model/kernel", "VARIABLE_VALUE", "dense/kernel"
        ),
        ObjectTensor(
            SLOT_KEY,
            4,
            "model/kernel/.OPTIMIZER_SLOT/optimizer/m",
            "VARIABLE_VALUE",
            "Adam/dense/kernel/m",
        ),
        ObjectTensor(
            "optimizer/iter" + VALUE, 5, "optimizer/iter", "VARIABLE_VALUE", "Adam/iter"
        ),
    ]
    assert objects.keys_named("dense/kernel") == ["model/kernel" + VALUE]
    assert objects.keys_named("absent") == []
    assert objects.paths(3) == ["model/kernel", "net/kernel"]
    assert objects.slots == (Slot(2, "m", 3, 4),)
    assert (objects.missing_keys, objects.unlisted_keys) == ((), ())
    assert "6 objects, 3 tensors, 1 slots" in repr(objects)


def test_a_name_based_checkpoint_has_none(tmp_path):
    with open_checkpoint(small_checkpoint(tmp_path / "model.ckpt")) as checkpoint:
        assert checkpoint.objects is None
    builder = BundleBuilder().add(OBJECT_GRAPH_KEY, np.float32(1))
    with open_checkpoint(builder.write(tmp_path / "odd")) as checkpoint:
        assert checkpoint.objects is None


def test_the_graph_is_read_once_and_only_when_asked_for(prefix):
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.objects is checkpoint.objects
        kept = checkpoint.objects
    assert checkpoint.objects is kept
    with open_checkpoint(prefix) as checkpoint:
        os.truncate(shard_path(prefix), 0)
        with pytest.raises(errors.CorruptCheckpointError, match="is empty"):
            _ = checkpoint.objects
    with pytest.raises(errors.ClosedError):
        _ = checkpoint.objects


def test_a_damaged_graph_is_told_by_its_checksum(prefix):
    with open(shard_path(prefix), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    with open_checkpoint(prefix) as checkpoint:
        with pytest.raises(errors.CorruptCheckpointError) as caught:
            _ = checkpoint.objects
        assert caught.value.findings[0].id == "tensor-corrupt"
        assert caught.value.findings[0].subject == OBJECT_GRAPH_KEY
        assert checkpoint["optimizer/iter" + VALUE] == 7


def test_a_graph_that_contradicts_itself_is_corrupt(tmp_path):
    prefix = write_object_based(tmp_path / "ckpt", graph([child("w", 9)]), {})
    refused = pytest.raises(errors.CorruptCheckpointError, match="names object 9")
    with open_checkpoint(prefix) as checkpoint, refused:
        _ = checkpoint.objects


def test_a_big_endian_graph_is_read(tmp_path):
    builder = BundleBuilder(is_big_endian=True)
    builder.add(OBJECT_GRAPH_KEY, np.array(graph([variable("", "w")]), object))
    with open_checkpoint(builder.write(tmp_path / "ckpt")) as checkpoint:
        assert checkpoint.objects.missing_keys == (VALUE,)


def test_what_consists_of_several_tensors_has_the_beginning_of_their_keys():
    data = graph(
        [child("t", 1), child("it", 2), child("u", 3)],
        [attribute("t/.ATTRIBUTES/table", name="table")],
        [attribute("it/.ATTRIBUTES/ITERATOR", name="ITERATOR")],
        [attribute("u/.ATTRIBUTES/", name="u")],
    )
    keys = [
        "t/.ATTRIBUTES/table-keys",
        "t/.ATTRIBUTES/table-values",
        "it/.ATTRIBUTES/ITERATOR_STATE",
        "u/.ATTRIBUTES/x",
        "t/.ATTRIBUTES/other",
        "t/x",
        OBJECT_GRAPH_KEY,
    ]
    found = decode_objects(data, keys)
    assert {key: one.path for key, one in found.tensors.items()} == {
        "it/.ATTRIBUTES/ITERATOR_STATE": "it",
        "t/.ATTRIBUTES/table-keys": "t",
        "t/.ATTRIBUTES/table-values": "t",
        "u/.ATTRIBUTES/x": "u",
    }
    assert found.unlisted_keys == ("t/.ATTRIBUTES/other", "t/x")
    assert found.missing_keys == ()


def test_the_longest_beginning_counts_and_a_key_that_is_there_is_none():
    data = graph(
        [
            attribute("a/.ATTRIBUTES/x"),
            attribute("a/.ATTRIBUTES/x-y"),
            attribute("a/.ATTRIBUTES/z"),
            attribute(""),
        ]
    )
    keys = ["a/.ATTRIBUTES/x-y-z", "a/.ATTRIBUTES/x0", "a/.ATTRIBUTES/z", "b"]
    found = decode_objects(data, [*keys, "a/.ATTRIBUTES/zz"])
    assert sorted(found.tensors) == keys[:3]
    assert found.missing_keys == ("",)
    assert found.unlisted_keys == ("a/.ATTRIBUTES/zz", "b")


def test_what_does_not_agree_is_told(tmp_path):
    tensors = adam_tensors()
    del tensors[SLOT_KEY]
    tensors["added/by/hand"] = np.float32(1)
    prefix = write_object_based(tmp_path / "ckpt", adam_graph(), tensors)
    with open_checkpoint(prefix) as checkpoint:
        missing, unlisted = checkpoint.objects.findings(prefix)
    assert (missing.id, unlisted.id) == ("object-key-missing", "object-key-unlisted")
    assert SLOT_KEY in missing.message
    assert "1 key: added/by/hand" in unlisted.message
    assert not missing.is_error


def test_keys_of_registered_savers_are_told_as_such():
    data = graph([saver("mine", "thing")])
    (finding,) = decode_objects(data, ["chosen/by/mine"]).findings("p")
    assert "savers of their own" in finding.message


def test_objects_are_read_without_numpy(prefix):
    program = (
        "import sys\n"
        "from legacy_restore.checkpoint import open_checkpoint\n"
        f"with open_checkpoint({prefix!r}) as checkpoint:\n"
        "    assert checkpoint.objects.keys_named('dense/kernel')\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=str(ROOT))


def test_no_golden_checkpoint_is_object_based():
    for path in golden.prefixes():
        with open_checkpoint(str(golden.FOLDER / path)) as checkpoint:
            assert checkpoint.objects is None


def test_a_layer_of_a_real_checkpoint_is_reached_under_two_names():
    with open_checkpoint(sample("keras_object_based")) as checkpoint:
        objects = checkpoint.objects
        assert checkpoint.objects.findings("p") == []
    key = "layer_with_weights-0/kernel" + VALUE
    assert objects.keys_named("dense_2/kernel") == [key]
    paths = objects.paths(objects.tensors[key].node)
    assert paths == ["layer_with_weights-0/kernel", "layer-1/kernel"]


@pytest.mark.parametrize(
    "name", ["ema_2", "lstm_1", "vqvae_ema_train", "base_batch_norm_1x2x2x3"]
)
def test_real_checkpoints_of_sonnet_agree_with_their_graph(name):
    with open_checkpoint(sample("sonnet2", name)) as checkpoint:
        objects = checkpoint.objects
        assert objects.findings("p") == []
        assert set(objects.tensors) == set(checkpoint) - {OBJECT_GRAPH_KEY}
    for key, tensor in objects.tensors.items():
        assert key == f"{tensor.path}/.ATTRIBUTES/{tensor.attribute}"
