"""What TensorFlow's own protocol buffers say about a saved graph."""

import collections

from tensorflow.core.framework import graph_pb2, variable_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from legacy_restore.graphdef.graph_collections import _OF_VARIABLES

VARIABLES = {"Variable": "ref", "VariableV2": "ref", "VarHandleOp": "resource"}


def meta_graphs(path):
    """The MetaGraphDefs of a file, parsed by protobuf."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".meta"):
        return [meta_graph_pb2.MetaGraphDef.FromString(data)]
    if path.endswith("saved_model.pb"):
        return list(saved_model_pb2.SavedModel.FromString(data).meta_graphs)
    graph = graph_pb2.GraphDef.FromString(data)
    return [meta_graph_pb2.MetaGraphDef(graph_def=graph)]


def shape_of(proto):
    if proto.unknown_rank:
        return None
    return [None if dim.size == -1 else dim.size for dim in proto.dim]


def dtype_of(number):
    from tensorflow.python.framework import dtypes

    return dtypes.as_dtype(number).name if number else None


def all_nodes(proto):
    yield from proto.graph_def.node
    for function in proto.graph_def.library.function:
        yield from function.node_def


def expected(proto):
    """The part of a summary's JSON that the protocol buffers decide."""
    info, graph = proto.meta_info_def, proto.graph_def
    functions = {one.signature.name: one for one in graph.library.function}
    ops = collections.Counter(node.op for node in all_nodes(proto))
    devices = collections.Counter(node.device for node in all_nodes(proto))
    return {
        "tags": list(info.tags),
        "tensorflow_version": info.tensorflow_version or None,
        "tensorflow_git_version": info.tensorflow_git_version or None,
        "producer": graph.versions.producer or graph.version,
        "min_consumer": graph.versions.min_consumer,
        "nodes": len(graph.node),
        "ops": {op: count for op, count in ops.items() if op not in functions},
        "functions": {name: len(one.node_def) for name, one in functions.items()},
        "devices": {name: count for name, count in devices.items() if name},
        "variables": variables_of(proto),
        "signatures": {
            key: signature_of(one) for key, one in proto.signature_def.items()
        },
        "placeholders": [
            node.name
            for node in graph.node
            if node.op in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
        ],
        "python_functions": [
            (node.name, node.attr["token"].s.decode())
            for node in all_nodes(proto)
            if node.op in ("PyFunc", "PyFuncStateless", "EagerPyFunc")
        ],
        "constants": constants_of(proto),
        "collections": {
            key: (one.WhichOneof("kind") or "", size_of(one))
            for key, one in proto.collection_def.items()
        },
        "saver": proto.HasField("saver_def"),
        "has_object_graph": "object_graph_def" in proto.DESCRIPTOR.fields_by_name
        and proto.HasField("object_graph_def"),
    }


def size_of(collection):
    kind = collection.WhichOneof("kind")
    return len(getattr(collection, kind).value) if kind else 0


def variables_of(proto):
    where = {}
    slices = {}
    for key, collection in proto.collection_def.items():
        names = {one.split(":")[0] for one in collection.node_list.value}
        if key in _OF_VARIABLES:
            for data in collection.bytes_list.value:
                one = variable_pb2.VariableDef.FromString(data)
                name = one.variable_name.split(":")[0]
                names.add(name)
                if one.save_slice_info_def.full_name:
                    slices[name] = one.save_slice_info_def
        for name in names:
            where.setdefault(name, set()).add(key)
    found = {}
    for node in proto.graph_def.node:
        if node.op in VARIABLES:
            part = slices.get(node.name)
            found[node.name] = {
                "kind": VARIABLES[node.op],
                "dtype": dtype_of(node.attr["dtype"].type),
                "shape": shape_of(node.attr["shape"].shape),
                "collections": sorted(where.get(node.name, ())),
                "shared_name": node.attr["shared_name"].s.decode(),
                "container": node.attr["container"].s.decode(),
                "part_of": part
                and {
                    "name": part.full_name,
                    "shape": list(part.full_shape),
                    "offset": list(part.var_offset),
                },
            }
    return found


def signature_of(signature):
    return {
        "method": signature.method_name,
        "inputs": {k: tensor_of(v) for k, v in signature.inputs.items()},
        "outputs": {k: tensor_of(v) for k, v in signature.outputs.items()},
    }


def tensor_of(info):
    encoding = info.WhichOneof("encoding")
    tensors = [info.name]
    if encoding == "coo_sparse":
        sparse = info.coo_sparse
        tensors = [
            sparse.values_tensor_name,
            sparse.indices_tensor_name,
            sparse.dense_shape_tensor_name,
        ]
    return {
        "tensors": tensors,
        "dtype": dtype_of(info.dtype),
        "shape": shape_of(info.tensor_shape) if info.HasField("tensor_shape") else None,
    }


def constants_of(proto):
    from tensorflow.python.framework import tensor_util

    found = [node for node in all_nodes(proto) if node.op == "Const"]
    found = [node.attr["value"].tensor for node in found if "value" in node.attr]
    nbytes = 0
    for one in found:
        if dtype_of(one.dtype) == "string":
            nbytes += sum(map(len, one.string_val))
        else:
            nbytes += tensor_util.MakeNdarray(one).nbytes
    return {
        "nodes": len(found),
        "nbytes": nbytes,
        "stored": sum(one.ByteSize() for one in found),
    }


def told(data):
    """The same part of a summary's JSON, in the same form."""
    same = [
        "tags",
        "tensorflow_version",
        "tensorflow_git_version",
        "producer",
        "min_consumer",
        "nodes",
        "constants",
        "has_object_graph",
    ]
    return {
        **{name: data[name] for name in same},
        "ops": {one["op"]: one["nodes"] for one in data["ops"]},
        "functions": {one["name"]: one["nodes"] for one in data["functions"]},
        "devices": {one["device"]: one["nodes"] for one in data["devices"]},
        "variables": {
            one["name"]: {
                name: one[name]
                for name in (
                    "kind",
                    "dtype",
                    "shape",
                    "collections",
                    "shared_name",
                    "container",
                    "part_of",
                )
            }
            for one in data["variables"]
            if one["function"] is None
        },
        "signatures": {
            one["key"]: {
                "method": one["method"],
                "inputs": told_tensors(one["inputs"]),
                "outputs": told_tensors(one["outputs"]),
            }
            for one in data["signatures"]
            if not one["undirected"]
        },
        "placeholders": [one["name"] for one in data["placeholders"]],
        "python_functions": [
            (one["name"], one["token"]) for one in data["python_functions"]
        ],
        "collections": {
            one["key"]: (one["kind"], one["size"]) for one in data["collections"]
        },
        "saver": data["saver"] is not None,
    }


def told_tensors(tensors):
    return {
        one["key"]: {name: one[name] for name in ("tensors", "dtype", "shape")}
        for one in tensors
    }
