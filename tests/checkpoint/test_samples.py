"""Real checkpoints of public projects, read whole: every checksum is verified."""

import os
import pathlib

import numpy as np
import pytest

from legacy_restore.checkpoint import checksum, open_checkpoint, resolve_location
from tests.samples import sample


def ids_of(checkpoint):
    return [finding.id for finding in checkpoint.findings]


@pytest.mark.parametrize(
    "path, count",
    [
        ("char_rnn/tf1_1", 27),
        ("char_rnn/tf1_2", 27),
        ("mtcnn/PNet_landmark", 31),
        ("mtcnn/RNet_landmark", 35),
        ("mtcnn/ONet_landmark", 41),
        ("mnist_ema", 9),
        ("cudnn_lstm", 8),
        ("iris_partitioned", 18),
        ("keras_object_based", 10),
        ("taxi_estimator", 51),
        ("taxi_estimator/saved_model", 21),
        ("regression/saved_model", 2),
        ("srcnn/v2 gaussian sigma=1", 6),
    ],
)
def test_every_tensor_reads_and_has_its_checksum(path, count):
    with open_checkpoint(sample(path)) as checkpoint:
        assert len(checkpoint) == count
        assert not any(finding.is_error for finding in checkpoint.findings)
        for entry in checkpoint.entries():
            array = checkpoint[entry.key]
            assert array.shape == entry.shape
            if entry.crc32c is not None:
                assert checksum.mask(checksum.tensor_crc(array)) == entry.crc32c


@pytest.mark.parametrize(
    "path",
    ["sonnet2/lstm_1", "sonnet2/vqvae_ema_train", "dm21/DM21"],
)
def test_index_that_google_compressed_reads(path):
    pytest.importorskip("cramjam")
    with open_checkpoint(sample(path)) as checkpoint:
        assert len(checkpoint) > 0
        for key in checkpoint:
            checkpoint.verify_tensor(key)


@pytest.mark.parametrize("network, there", [("PNet", 18), ("RNet", 14), ("ONet", 16)])
def test_state_file_of_a_checkpoint_that_was_not_published_gives_way(network, there):
    folder = sample("mtcnn", network + "_landmark")
    location = resolve_location(folder)
    assert pathlib.Path(location.prefix).name == f"{network}-{there}"
    assert [one.id for one in location.findings] == [
        "state-file-stale",
        "location-resolved",
    ]


def test_state_file_of_another_machine_finds_what_is_beside_it():
    with open_checkpoint(sample("iris_partitioned")) as checkpoint:
        assert pathlib.Path(checkpoint.prefix).name == "model.ckpt-8000"
        assert "state-file-moved" in ids_of(checkpoint)


def test_partitioned_variables_of_one_slice_are_whole():
    with open_checkpoint(sample("iris_partitioned")) as checkpoint:
        assert all(len(entry.slices) <= 1 for entry in checkpoint.entries())


def test_two_shards_are_read():
    with open_checkpoint(sample("taxi_estimator")) as checkpoint:
        assert {entry.shard for entry in checkpoint.entries()} >= {0, 1}


def test_one_model_in_two_packagings_has_one_digest():
    folders = ("regression/checkpoint", "regression/saved_model")
    digests = []
    for folder in folders:
        with open_checkpoint(sample(folder)) as checkpoint:
            digests.append(checkpoint.digest)
    assert digests[0] == digests[1]


V1_SAMPLES = [
    ("srcnn/v1", 6),
    ("srcnn/v1/SRCNN.model-2550000", 6),
    ("srcnn/v1/SRCNN.model-2550000.meta", 6),
    ("srcnn/v1@2550000", 6),
    ("traffic_signs_v1", 10),
    ("serving/session_bundle_half_plus_two/00000123", 2),
    ("serving/session_bundle_half_plus_two/00000123/export", 2),
    ("serving/session_bundle_half_plus_two/00000123/export.meta", 2),
    ("serving/session_bundle_half_plus_two/00000123/export-00000-of-00001", 2),
    ("serving/session_bundle_half_plus_two/00000123/export-?????-of-00001", 2),
    ("serving/bad_half_plus_two/00000123", 2),
]


@pytest.mark.parametrize("path, count", V1_SAMPLES)
def test_v1_checkpoint_is_equal_to_what_tensorflow_reads(path, count):
    tf = pytest.importorskip("tensorflow.compat.v1")
    root, _, rest = path.partition("/")
    with open_checkpoint(os.path.join(sample(root), rest)) as checkpoint:
        assert checkpoint.format == "V1"
        assert len(checkpoint) == count
        assert not any(finding.is_error for finding in checkpoint.findings)
        reader = tf.train.load_checkpoint(checkpoint.prefix)
        shapes = reader.get_variable_to_shape_map()
        assert set(shapes) == set(checkpoint)
        for entry in checkpoint.entries():
            theirs = reader.get_tensor(entry.key)
            ours = checkpoint[entry.key]
            assert entry.shape == tuple(shapes[entry.key])
            assert ours.dtype == theirs.dtype
            assert ours.shape == np.shape(theirs)
            assert ours.tobytes() == theirs.tobytes()
            checkpoint.verify_tensor(entry.key)
