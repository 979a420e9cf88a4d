"""What the outputs of a node are: how many, of which types and shapes.

An ``OpDef`` says that by the attributes of the node: an argument is one tensor, a
number of tensors of one type (``number_attr``), or a list of types
(``type_list_attr``); see ``tensorflow/core/framework/op_def.proto``.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

# kDataTypeRefOffset of tensorflow/core/framework/types.h: DT_FLOAT_REF is 101.
_REF_OFFSET = 100

# More than any operation takes or gives.
_MAX_TENSORS = 1 << 20

OUTPUT_SHAPES = "_output_shapes"
"""The attribute in which a graph keeps the shapes that were known when it was saved."""


class Argument(NamedTuple):
    """An argument of an operation, of one node.

    Attributes:
      name: Its name in the ``OpDef``.
      types: The type of each of its tensors, as TensorFlow numbers them.
      is_list: Whether the operation takes a list of tensors there.
      is_ref: Whether the tensors are references.
    """

    name: str
    types: Sequence[int]
    is_list: bool
    is_ref: bool


def base_type(dtype: int) -> int:
    """Returns the type of what a reference is to; of any other type, itself."""
    return dtype - _REF_OFFSET if dtype > _REF_OFFSET else dtype


def arguments_of(definitions: Sequence[Any], node: Any, op_def: Any) -> List[Argument]:
    """Returns the inputs or outputs of a node.

    Args:
      definitions: ``op_def.input_arg`` or ``op_def.output_arg``.
      node: The ``NodeDef``.
      op_def: Its ``OpDef``, for the defaults of attributes that the node lacks.
    """
    defaults = {one.name: one.default_value for one in op_def.attr}
    return [_argument(one, node, defaults) for one in definitions]


def _argument(definition: Any, node: Any, defaults: Dict[str, Any]) -> Argument:
    def value(name: str) -> Any:
        return node.attr[name] if name in node.attr else defaults[name]

    is_ref = bool(definition.is_ref)
    if definition.type_list_attr:
        types = list(value(definition.type_list_attr).list.type)
        return Argument(definition.name, types, True, is_ref)
    dtype = definition.type
    if definition.type_attr:
        dtype = value(definition.type_attr).type
    if definition.number_attr:
        count = value(definition.number_attr).i
        # What a damaged file says is not allocated; TensorFlow will refuse the node.
        count = count if count <= _MAX_TENSORS else 0
        return Argument(definition.name, [dtype] * count, True, is_ref)
    return Argument(definition.name, [dtype], False, is_ref)


def output_types(node: Any, op_def: Optional[Any]) -> Optional[List[int]]:
    """Returns the type of each output, without the mark of references.

    None where the ``OpDef`` is not known.
    """
    if op_def is None:
        return None
    found = arguments_of(op_def.output_arg, node, op_def)
    return [base_type(dtype) for one in found for dtype in one.types]


def known_shape(node: Any, index: int) -> Optional[Any]:
    """Returns the ``TensorShapeProto`` of an output as it was when saved, or None."""
    if OUTPUT_SHAPES not in node.attr:
        return None
    shapes = node.attr[OUTPUT_SHAPES].list.shape
    return shapes[index] if index < len(shapes) else None
