"""Signatures, and the files that a graph reads.

Out of ``tensorflow/core/protobuf/meta_graph.proto``::

    SignatureDef     1 inputs  2 outputs (maps to TensorInfo)  3 method_name
    TensorInfo       1 name  2 dtype  3 tensor_shape  4 coo_sparse  5 composite_tensor
    CooSparse        1 values  2 indices  3 dense_shape (names of tensors)
    CompositeTensor  2 components (TensorInfo, which may be composite in turn)
    AssetFileDef     1 tensor_info  2 filename

Session bundles, the SavedModels of TensorFlow 0.x, keep theirs in collections
(``tensorflow/contrib/session_bundle/manifest.proto``)::

    Signatures               1 default_signature  2 named_signatures (map)
    Signature                1 regression  2 classification  3 generic
    RegressionSignature      1 input  2 output
    ClassificationSignature  1 input  2 classes  3 scores
    GenericSignature         1 map (to TensorBinding)
    TensorBinding            1 tensor_name
    AssetFile                1 tensor_binding  2 filename
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Tuple

from legacy_restore.graphdef.attributes import dtype_name, read_shape
from legacy_restore.graphdef.messages import Message
from legacy_restore.graphdef.model import Asset, Shape, Signature, TensorInfo

DEFAULT_SIGNATURE = "default_signature"
"""The key that a session bundle's default signature gets here; it has no name."""

_BUNDLE_METHODS: Mapping[int, Tuple[str, Mapping[int, str]]] = {
    1: ("regression", {1: "input", 2: "output"}),
    2: ("classification", {1: "input", 2: "classes", 3: "scores"}),
}
_GENERIC = 3


def read_signature(key: str, message: Message) -> Signature:
    """Decodes a ``SignatureDef``.

    Raises:
      FormatError: It is none.
    """
    message.count()
    method = ""
    inputs: List[TensorInfo] = []
    outputs: List[TensorInfo] = []
    for part in message.fields():
        if part.number in (1, 2):
            tensor, info = part.message().entry()
            (inputs if part.number == 1 else outputs).append(
                _read_tensor_info(tensor, info)
            )
        elif part.number == 3:
            method = part.text()
    return Signature(key, method, _by_key(inputs), _by_key(outputs))


def _by_key(tensors: List[TensorInfo]) -> Tuple[TensorInfo, ...]:
    # Of an entry that comes twice the last one counts, as in every map.
    found = {one.key: one for one in tensors}
    return tuple(found[key] for key in sorted(found))


def _read_tensor_info(key: str, message: Message) -> TensorInfo:
    message.count()
    tensors: Tuple[str, ...] = ()
    dtype: Optional[str] = None
    shape: Shape = None
    encoding = "dense"
    for part in message.fields():
        if part.number == 1:
            tensors, encoding = (part.text(),), "dense"
        elif part.number == 2:
            dtype = dtype_name(part.integer())
        elif part.number == 3:
            shape = read_shape(part.message())
        elif part.number == 4:
            tensors, encoding = _read_names(part.message()), "sparse"
        elif part.number == 5:
            tensors, encoding = _read_components(part.message()), "composite"
    return TensorInfo(key, tensors, dtype, shape, encoding)


def _read_names(message: Message) -> Tuple[str, ...]:
    names = {part.number: part.text() for part in message.fields() if part.number < 4}
    return tuple(names[number] for number in sorted(names))


def _read_components(message: Message) -> Tuple[str, ...]:
    """Names of the dense components; what is composite in turn is not followed."""
    return tuple(
        field.text()
        for part in message.fields()
        if part.number == 2
        for field in part.message().fields()
        if field.number == 1
    )


def read_asset(message: Message) -> Asset:
    """Decodes an ``AssetFileDef`` or a session bundle's ``AssetFile``.

    Raises:
      FormatError: It is neither.
    """
    message.count()
    filename = tensor = ""
    for part in message.fields():
        if part.number == 1:
            # TensorInfo and TensorBinding both begin with the tensor's name.
            tensor = _read_binding(part.message())
        elif part.number == 2:
            filename = part.text()
    return Asset(filename, tensor)


def _read_binding(message: Message) -> str:
    name = ""
    for part in message.fields():
        if part.number == 1:
            name = part.text()
    return name


def read_bundle_signatures(message: Message) -> List[Signature]:
    """Decodes the ``Signatures`` of a session bundle.

    Raises:
      FormatError: It is none.
    """
    found: List[Signature] = []
    for part in message.fields():
        if part.number == 1:
            found.append(_read_bundle_signature(DEFAULT_SIGNATURE, part.message()))
        elif part.number == 2:
            key, signature = part.message().entry()
            found.append(_read_bundle_signature(key, signature))
    return found


def _read_bundle_signature(key: str, message: Message) -> Signature:
    message.count()
    signature = Signature(key, "", (), ())
    for part in message.fields():
        if part.number in _BUNDLE_METHODS:
            method, names = _BUNDLE_METHODS[part.number]
            tensors = {
                names[field.number]: _read_binding(field.message())
                for field in part.message().fields()
                if field.number in names
            }
            given = _bound({"input": tensors.pop("input", "")})
            signature = Signature(key, method, given, _bound(tensors))
        elif part.number == _GENERIC:
            signature = _generic(key, part.message())
    return signature


def _generic(key: str, message: Message) -> Signature:
    tensors = {}
    for part in message.fields():
        if part.number == 1:
            message.count()
            tensor, binding = part.message().entry()
            tensors[tensor] = _read_binding(binding)
    # Nothing but its name says which way a generic signature goes.
    bound = _bound(tensors)
    if key == "inputs":
        return Signature(key, "generic", bound, ())
    if key == "outputs":
        return Signature(key, "generic", (), bound)
    return Signature(key, "generic", (), (), bound)


def _bound(tensors: Dict[str, str]) -> Tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(key, (tensors[key],), None, None) for key in sorted(tensors)
    )
