"""No rule pack takes the checkpoint of one public project for another's model."""

import os

import pytest

from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.saved_variables import find_variables
from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.model_matching import match_model
from legacy_restore.restoring.opened import open_for_plan
from legacy_restore.tf import tf
from tests.graph import real_models
from tests.importing.graphs import meta_graph_of
from tests.importing.sample_graphs import META_GRAPHS, SAVED_MODELS
from tests.planning.pack_cases import (
    is_restored_by,
    model_of,
    packs_in,
    spec_of,
    variables_of,
    without_hints,
)
from tests.planning.specs import error_ids
from tests.samples import sample

CHECKPOINTS = [
    "char_rnn/tf1_1/model-70280",
    "char_rnn/tf1_2/model-85340",
    "cudnn_lstm/best",
    "dm21/DM21/variables/variables",
    "dm21/DM21m/variables/variables",
    "hub/saved_model_v2_mini/variables/variables",
    "iris_partitioned/model.ckpt-6001",
    "iris_partitioned/model.ckpt-8000",
    "keras_object_based/cp.ckpt",
    "mnist_ema/mnist_model-64004",
    "mtcnn/ONet_landmark/ONet-16",
    "mtcnn/PNet_landmark/PNet-18",
    "mtcnn/RNet_landmark/RNet-14",
    "regression/checkpoint/model",
    "serving/bad_half_plus_two/00000123/export",
    "serving/saved_model_counter/00000123/variables/variables",
    "serving/saved_model_half_plus_two_cpu/00000123/variables/variables",
    "serving/saved_model_half_plus_two_mkl/00000123/variables/variables",
    "serving/saved_model_half_plus_two_tf2_cpu/00000123/variables/variables",
    "serving/session_bundle_half_plus_two/00000123/export-?????-of-00001",
    "sonnet2/base_batch_norm_1x2x2x3/checkpoint-1",
    "sonnet2/conv2d_lstm_3x3_2x2/checkpoint-1",
    "sonnet2/ema_2/checkpoint-1",
    "sonnet2/lstm_1/checkpoint-1",
    "sonnet2/lstm_8_projected_1/checkpoint-1",
    "sonnet2/vqvae_ema_train/checkpoint-1",
    "srcnn/v1/SRCNN.model-2550000",
    "srcnn/v2 gaussian sigma=1/SRCNN.model-5332",
    "taxi_estimator/model.ckpt-10000",
    "taxi_estimator/saved_model/variables/variables",
    "traffic_signs_v1/model.ckpt",
]
BUILT = {
    "char_rnn/built": real_models.build_char_rnn,
    "mnist_ema/built": real_models.build_mnist,
    "mtcnn/built onet": real_models.build_onet,
    "mtcnn/built pnet": real_models.build_pnet,
    "mtcnn/built rnet": real_models.build_rnet,
    "srcnn/built": real_models.build_srcnn,
}

# Pairs of one folder that a pack explains: one model, saved by two TensorFlows.
OTHER_RELEASES = {
    ("char_rnn/tf1_1/model-70280", "char_rnn/tf1_2/model-85340.meta"): ["rnn-1.2"],
    ("char_rnn/tf1_1/model-70280", "char_rnn/tf1_2/model-85340.meta, trained"): [
        "rnn-1.2"
    ],
}


@pytest.fixture(scope="module")
def sources():
    """What each checkpoint of the samples holds."""
    sample("INDEX.md")
    return {
        name: open_for_plan(os.path.join(sample(), name)).source for name in CHECKPOINTS
    }


@pytest.fixture(scope="module")
def graphs(sources):
    """The variables of the samples' graphs: saved, built by hand, and of objects."""
    found = {name: variables_in(*name.split("/")) for name in META_GRAPHS}
    for name in SAVED_MODELS:
        found[name] = variables_in(*name.split("/"), "saved_model.pb")
    for name, variables in list(found.items()):
        trained = [one for one in variables if one.is_trainable]
        if trained and trained != variables:
            found[f"{name}, trained"] = trained
    found.update((name, variables_built(build)) for name, build in BUILT.items())
    for name, source in sources.items():
        if source.objects is not None:
            found[f"{name}, objects"] = variables_of_objects(source)
    return {name: variables for name, variables in found.items() if variables}


@pytest.fixture(scope="module")
def matches(sources, graphs):
    """How each graph goes with each checkpoint if nobody names a pack."""
    with pytest.MonkeyPatch.context() as patch:
        without_hints(patch)
        return {
            (checkpoint, name): match_model(model_of(variables), source)
            for name, variables in graphs.items()
            for checkpoint, source in sources.items()
        }


def variables_in(*parts):
    """The variables of a saved graph; parts of one are one."""
    meta_graph = meta_graph_of(*parts)
    found = {}
    for one in find_variables(meta_graph, OpDefs(meta_graph)):
        name = one.slice.full_name if one.slice else one.name
        shape = one.slice.full_shape if one.slice else one.shape
        if not one.is_local:
            found[name] = spec_of(name, one.dtype, shape, is_trainable=one.is_trainable)
    return list(found.values())


def variables_built(build):
    """The variables of a model that is written in today's TensorFlow."""
    with tf.Graph().as_default():
        build()
        return [
            spec_of(one.op.name, one.dtype.base_dtype.name, one.shape.as_list())
            for one in tf.global_variables()
        ]


def variables_of_objects(source):
    """Variables under the names that they had when their object was saved."""
    tensors = source.objects.tensors.values()
    names = {one.key: one.full_name or one.path for one in tensors}
    return variables_of(source, names)


def are_of_one_folder(one, other):
    return one.split("/")[0] == other.split("/")[0]


def test_no_pack_is_applied_to_the_checkpoint_of_another_project(matches):
    taken = {pair: packs_in(match) for pair, match in matches.items()}
    assert len(taken) > 1000
    # Within a project one is, between two releases of TensorFlow.
    assert {pair: packs for pair, packs in taken.items() if packs} == OTHER_RELEASES


def test_what_is_explained_without_a_pack_is_of_one_project(matches):
    explained = [
        pair for pair, match in matches.items() if not error_ids(match.findings)
    ]
    assert len(explained) > 30
    assert [pair for pair in explained if not are_of_one_folder(*pair)] == []


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_pack_that_is_named_restores_no_model_of_another_project(
    pack, sources, graphs
):
    restored = [
        (checkpoint, name)
        for name, variables in graphs.items()
        for checkpoint, source in sources.items()
        if not are_of_one_folder(name, checkpoint)
        and is_restored_by(pack, variables, source)
    ]
    assert restored == []


def test_names_that_a_pack_makes_lead_to_no_checkpoint_of_another_project(sources):
    num_of_renamed = 0
    for name, source in sources.items():
        keys = [
            TypedName(one.key, one.dtype, one.shape) for one in source.entries.values()
        ]
        for pack in PACKS.values():
            names = pack.rename(keys, ())
            num_of_renamed += bool(names)
            variables = variables_of(source, names) if names else ()
            for checkpoint, other in sources.items():
                if not are_of_one_folder(name, checkpoint):
                    assert not is_restored_by(pack, variables, other)
    assert num_of_renamed > 20
