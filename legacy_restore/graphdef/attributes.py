"""Types, shapes and constants in the attributes of nodes.

Out of ``tensorflow/core/framework``::

    AttrValue         1 list  2 s  3 i  4 f  5 b  6 type  7 shape  8 tensor
                      9 placeholder  10 func
    ListValue         2 s  3 i  4 f  5 b  6 type  7 shape  8 tensor  9 func
    NameAttrList      1 name  2 attr (by name)
    TensorShapeProto  2 dim (repeated: 1 size)  3 unknown_rank
    TensorProto       1 dtype  2 tensor_shape  4 tensor_content  8 string_val, and one
                      field for each other kind of element
"""

from __future__ import annotations

import functools
import operator
from typing import List, Optional, Tuple

from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.messages import Message
from legacy_restore.graphdef.model import Constant, Shape

# AttrValue
_LIST, _S, _TYPE, _SHAPE, _TENSOR, _PLACEHOLDER, _FUNC = 1, 2, 6, 7, 8, 9, 10
# ListValue
_LIST_S, _LIST_FUNC = 2, 9

# kDataTypeRefOffset of tensorflow/core/framework/types.h: DT_FLOAT_REF is 101.
_REF_OFFSET = 100

# TensorShape::MaxDimensions() in TensorFlow.
# TensorFlow's protocol buffers go no deeper than 100 messages.
_MAX_DEPTH = 33
_MAX_RANK = 254

# TensorFlow counts elements in an int64.
_MAX_ELEMENTS = (1 << 63) - 1

# String tensors with more than these bytes are no lists of names or paths.
_MAX_STRINGS = 1 << 20


def dtype_name(number: int) -> Optional[str]:
    """Returns TensorFlow's name of a type, None for ``DT_INVALID``."""
    if number <= 0:
        return None
    if number > _REF_OFFSET:
        return dtypes.from_number(number - _REF_OFFSET).name + "_ref"
    return dtypes.from_number(number).name


def read_shape(message: Message) -> Shape:
    """Decodes a ``TensorShapeProto``.

    Raises:
      FormatError: It is none.
    """
    sizes: List[Optional[int]] = []
    is_unknown = False
    for part in message.fields():
        if part.number == 2:
            if len(sizes) == _MAX_RANK:
                raise FormatError(f"a shape of rank above {_MAX_RANK}")
            sizes.append(_read_dimension(part.message()))
        elif part.number == 3:
            is_unknown = bool(part.integer())
    return None if is_unknown else tuple(sizes)


def _read_dimension(message: Message) -> Optional[int]:
    size = 0
    for part in message.fields():
        if part.number == 1:
            size = part.integer()
    if size < -1:
        raise FormatError(f"a dimension of size {size}")
    return None if size == -1 else size


def type_attribute(value: Message) -> Optional[str]:
    """Returns an attribute that is a type."""
    number = 0
    for part in value.fields():
        if part.number == _TYPE:
            number = part.integer()
    return dtype_name(number)


def shape_attribute(value: Message) -> Shape:
    """Returns an attribute that is a shape."""
    shape: Shape = None
    for part in value.fields():
        if part.number == _SHAPE:
            shape = read_shape(part.message())
    return shape


def text_attribute(value: Message) -> str:
    """Returns an attribute that is a text."""
    text = ""
    for part in value.fields():
        if part.number == _S:
            text = part.message().shared_text()
    return text


def paths_attribute(value: Message) -> Tuple[str, ...]:
    """Returns the paths that an attribute holds.

    In a function, an attribute may be what the caller gives for one of the function's
    own: then its path is ``$name``, which is none that anybody knows to be harmless.
    """
    for part in value.fields():
        if part.number == _PLACEHOLDER:
            return (f"${part.message().shared_text()}",)
    return texts_attribute(value) or (text_attribute(value),)


def texts_attribute(value: Message) -> Tuple[str, ...]:
    """Returns an attribute that is a list of texts."""
    return tuple(
        element.message().shared_text()
        for part in value.fields()
        if part.number == _LIST
        for element in part.message().fields()
        if element.number == _LIST_S
    )


def constant_attribute(value: Message) -> Optional[Constant]:
    """Returns what an attribute that is a tensor holds."""
    constant = None
    for part in value.fields():
        if part.number == _TENSOR:
            constant = _read_constant(part.message())
    return constant


def function_names(value: Message, depth: int = 0) -> List[str]:
    """Returns the functions that an attribute of any kind names.

    Args:
      value: The attribute.
      depth: The number of attributes of functions that it is in.
    """
    names = []
    for part in value.fields():
        if part.number == _FUNC:
            names += _called(part.message(), depth)
        elif part.number == _LIST:
            for element in part.message().fields():
                if element.number != _LIST_FUNC:
                    break  # A list holds elements of one kind.
                names += _called(element.message(), depth)
    return names


def _called(message: Message, depth: int) -> List[str]:
    """The name of a function, and those that it gets for attributes of its nodes."""
    if depth == _MAX_DEPTH:
        raise FormatError(f"attributes of functions, more than {_MAX_DEPTH} deep")
    names = [""]
    for part in message.fields():
        if part.number == 1:
            names[0] = part.message().shared_text()
        elif part.number == 2:
            names += function_names(part.message().entry()[1], depth + 1)
    return names


def _read_constant(message: Message) -> Constant:
    dtype = 0
    shape: Shape = ()
    num_string_bytes = 0
    strings: Optional[List[bytes]] = []
    for part in message.fields():
        if part.number == 1:
            dtype = part.integer()
        elif part.number == 2:
            shape = read_shape(part.message())
        elif part.number == 4 and part.message().size:
            # TensorFlow takes this then, and no string beside it (Tensor::FromProto).
            strings = None
        elif part.number == 8:
            num_string_bytes += part.message().size
            if num_string_bytes > _MAX_STRINGS or message.size > _MAX_STRINGS:
                strings = None
            if strings is not None:
                message.count()
                strings.append(part.message().data())
    sizes = tuple(size for size in shape or () if size is not None)
    if shape is None or len(sizes) < len(shape):
        raise FormatError("a constant of unknown shape")
    known = dtypes.from_number(dtype)
    if known.name == "string":
        texts = None if strings is None else tuple(strings)
        return Constant("string", sizes, num_string_bytes, message.size, texts)
    num_elements = functools.reduce(operator.mul, sizes, 1)
    if num_elements > _MAX_ELEMENTS:
        raise FormatError("a constant of more than 2**63 elements")
    nbytes = message.size if known.itemsize is None else num_elements * known.itemsize
    return Constant(known.name, sizes, nbytes, message.size)
