"""The saved graphs among the samples, and what to ask of each."""

import os

from legacy_restore.importing.saved_graph import Interface
from legacy_restore.tf import SavedModel, tf
from tests.importing.graphs import signature

# From the file to outputs that are no signature's, for files without signatures.
META_GRAPHS = {
    "char_rnn/tf1_1/model-70280.meta": ["validation/softmax/Softmax"],
    "char_rnn/tf1_2/model-85340.meta": ["validation/softmax/Softmax"],
    "cudnn_lstm/best.meta": [],
    "iris_partitioned/model.ckpt-6001.meta": [],
    "mnist_ema/mnist_model-64004.meta": ["add_1"],
    "mtcnn/ONet_landmark/ONet-16.meta": ["cls_fc/Softmax", "bbox_fc/BiasAdd"],
    "mtcnn/PNet_landmark/PNet-18.meta": [],
    "mtcnn/RNet_landmark/RNet-14.meta": ["cls_fc/Softmax", "landmark_fc/BiasAdd"],
    "regression/checkpoint/model.meta": [],
    "serving/bad_half_plus_two/00000123/export.meta": [],
    "serving/session_bundle_half_plus_two/00000123/export.meta": [],
    "srcnn/v1/SRCNN.model-2550000.meta": ["add_2"],
    "srcnn/v2 gaussian sigma=1/SRCNN.model-5332.meta": ["BiasAdd_2"],
    "taxi_estimator/model.ckpt-10000.meta": [],
    "traffic_signs_v1/model.ckpt.meta": [],
}
SAVED_MODELS = [
    "dm21/DM21",
    "dm21/DM21m",
    "hub/hub_module_v1_mini",
    "hub/saved_model_v2_mini",
    "regression/saved_model",
    "serving/matrix_half_plus_two/1",
    "serving/saved_model_counter/00000123",
    "serving/saved_model_half_plus_two_2_versions/00000123",
    "serving/saved_model_half_plus_two_cpu/00000123",
    "serving/saved_model_half_plus_two_mkl/00000123",
    "serving/saved_model_half_plus_two_tf2_cpu/00000123",
    "taxi_estimator/saved_model",
]
FROZEN = ["frozen_lstm/frozen.pb", "regression/graphdef/frozen.pb"]

_SIGNATURES_TO_SKIP = ("__saved_model_init_op",)


def read_meta_graph(path):
    """Returns the one MetaGraphDef of a .meta file, SavedModel or frozen graph."""
    made = tf.MetaGraphDef()
    if os.path.isdir(path):
        with open(os.path.join(path, "saved_model.pb"), "rb") as file:
            data = file.read()
        (found,) = SavedModel.FromString(data).meta_graphs
        return found
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".meta"):
        made.ParseFromString(data)
    else:
        made.graph_def.ParseFromString(data)
    return made


def interface_of(meta_graph, outputs=()):
    """Returns the signatures of a MetaGraphDef, or an interface of given outputs."""
    if outputs:
        return Interface(signature("", outputs))
    found = {}
    for name, one in meta_graph.signature_def.items():
        if name not in _SIGNATURES_TO_SKIP:
            inputs = [info.name for info in one.inputs.values() if info.name]
            given = [info.name for info in one.outputs.values() if info.name]
            found[name] = signature(name, given, inputs)
    main = found.get("serving_default") or next(iter(found.values()))
    return Interface(main, found)
