"""Collections of a meta graph, and the variables in them.

Out of ``tensorflow/core/protobuf`` (meta_graph.proto, variable.proto)::

    CollectionDef      1 node_list  2 bytes_list  3 int64_list  4 float_list
                       5 any_list; each of them: 1 value (repeated)
    Any                1 type_url  2 value
    VariableDef        1 variable_name  2 initializer_name  3 snapshot_name
                       4 save_slice_info_def  5 is_resource  7 trainable
    SaveSliceInfoDef   1 full_name  2 full_shape  3 var_offset  4 var_shape
"""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

from legacy_restore.graphdef.messages import Message
from legacy_restore.graphdef.model import Collection, SavedSlice, VariableRecord

_KINDS = {
    1: "node_list",
    2: "bytes_list",
    3: "int64_list",
    4: "float_list",
    5: "any_list",
}

# For which TensorFlow registers VariableDef (tensorflow/python/ops/variables.py,
# tensorflow/python/training/training_util.py). Other collections may hold bytes of
# other messages; the variables that are in them stand there by name.
_OF_VARIABLES = frozenset(
    [
        "variables",
        "trainable_variables",
        "local_variables",
        "model_variables",
        "moving_average_variables",
        "metric_variables",
        "global_step",
    ]
)

TakeAny = Callable[[str, Message], None]


def read_collection(key: str, message: Message, take_any: TakeAny) -> Collection:
    """Decodes a ``CollectionDef``.

    Args:
      key: Its name.
      message: The ``CollectionDef``.
      take_any: Is called with type and value of each element of an ``any_list``.

    Raises:
      FormatError: It is none.
    """
    message.count()
    kind = ""
    size = 0
    nodes: List[str] = []
    variables: List[VariableRecord] = []
    for part in message.fields():
        if part.number not in _KINDS:
            continue
        kind = _KINDS[part.number]
        for element in part.message().fields():
            if element.number != 1:
                continue
            if kind == "node_list":
                nodes.append(element.message().shared_text())
            elif kind == "bytes_list" and key in _OF_VARIABLES:
                variables.append(_read_variable(element.message()))
            elif kind == "any_list":
                _read_any(element.message(), take_any)
            size += _num_elements(kind, element.value)
    return Collection(key, kind, size, tuple(nodes), tuple(variables))


def _num_elements(kind: str, value: object) -> int:
    """How many elements one field adds; numbers come packed."""
    if not isinstance(value, Message):
        return 1
    if kind == "float_list":
        return value.size // 4
    if kind == "int64_list":
        return sum(byte < 0x80 for byte in value.data())
    return 1


def _read_any(message: Message, take_any: TakeAny) -> None:
    type_url = ""
    value: Optional[Message] = None
    for part in message.fields():
        if part.number == 1:
            type_url = part.text()
        elif part.number == 2:
            value = part.message()
    if value is not None:
        take_any(type_url.rpartition("/")[2], value)


def _read_variable(message: Message) -> VariableRecord:
    message.count()
    variable = initializer = snapshot = ""
    is_resource = False
    trainable: Optional[bool] = None
    saved_slice: Optional[SavedSlice] = None
    for part in message.fields():
        if part.number == 1:
            variable = part.text()
        elif part.number == 2:
            initializer = part.text()
        elif part.number == 3:
            snapshot = part.text()
        elif part.number == 4:
            saved_slice = _read_slice(part.message())
        elif part.number == 5:
            is_resource = bool(part.integer())
        elif part.number == 7:
            trainable = bool(part.integer())
    return VariableRecord(
        variable, initializer, snapshot, is_resource, trainable, saved_slice
    )


def _read_slice(message: Message) -> SavedSlice:
    full_name = ""
    shapes: Tuple[List[int], List[int], List[int]] = ([], [], [])
    for part in message.fields():
        if part.number == 1:
            full_name = part.text()
        elif 2 <= part.number <= 4:
            shapes[part.number - 2].extend(part.integers())
    full_shape, offset, shape = map(tuple, shapes)
    return SavedSlice(full_name, full_shape, offset, shape)
