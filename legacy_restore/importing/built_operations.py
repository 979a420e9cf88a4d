"""What a caller's builder builds in the place of an operation.

The builder runs in a graph of its own, which is thrown away: what counts is the
``GraphDef``. Variables cannot be made there, for nothing would restore them, and
neither can placeholders, which nobody would feed.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.importing.tensor_types import (
    Argument,
    arguments_of,
    known_shape,
    output_types,
)
from legacy_restore.tf import graph_to_function_def, tf

# What a builder may not make, and why.
_FORBIDDEN = {
    "Placeholder": "a placeholder, which nobody would feed",
    "PlaceholderWithDefault": "a placeholder, which nobody would feed",
    "Variable": "a variable, which nothing would restore",
    "VariableV2": "a variable, which nothing would restore",
    "VarHandleOp": "a variable, which nothing would restore",
    "PyFunc": "a py_func, whose function is not a part of the graph",
    "PyFuncStateless": "a py_func, whose function is not a part of the graph",
    "EagerPyFunc": "a py_func, whose function is not a part of the graph",
}
_INPUT = "input_{}"


class ReplacementError(Exception):
    """A builder does not give what its operation gave."""


@dataclasses.dataclass(frozen=True, eq=False)
class GivenInputs:
    """What is known about the inputs of a node by the nodes that give them.

    Attributes:
      types: The type of each, 0 where it is not known.
      shapes: The ``TensorShapeProto`` of each, None where it is not known.
    """

    types: Tuple[int, ...]
    shapes: Tuple[Optional[Any], ...]

    @property
    def key(self) -> Tuple[Any, ...]:
        """Something equal for inputs of which the same is known."""
        shapes = tuple(
            one and one.SerializeToString(deterministic=True) for one in self.shapes
        )
        return (self.types, shapes)


@dataclasses.dataclass(frozen=True, eq=False)
class BuiltOperation:
    """The sub-graph in the place of an operation.

    Attributes:
      op: The operation.
      inputs: The placeholders that stand for its inputs, in their order.
      graph_def: All nodes, those placeholders too, and functions.
      outputs: The tensors that are its outputs, in their order.
      types: Their types.
      function: The same as the body of a function, in which inputs are called by the
        names of arguments (``FunctionDef``).
      output_names: How an output is called in the body of a function, without the name
        of the node: ``values:0``; of an operation without ``OpDef`` none.
    """

    op: str
    inputs: Tuple[str, ...]
    graph_def: Any
    outputs: Tuple[str, ...]
    types: Tuple[int, ...]
    function: Any
    output_names: Tuple[str, ...]


def build_operation(
    node: Any, builder: Callable[..., Any], op_def: Optional[Any], given: GivenInputs
) -> BuiltOperation:
    """Runs a builder for a node.

    Args:
      node: The ``NodeDef`` to put something in the place of.
      builder: See ``replace_operations``. Where there is no ``OpDef`` it gets its
        inputs as positional arguments.
      op_def: The ``OpDef`` of the operation, or None.
      given: What is known about its inputs.

    Raises:
      ReplacementError: It raised, or gave something else than the operation.
    """
    graph = tf.Graph()
    with graph.as_default():
        arguments = _arguments(node, op_def, given)
        tensors = _placeholders(arguments, given)
        attributes = _attributes(node, op_def)
        try:
            result = _call(builder, arguments, tensors, attributes, op_def)
            outputs = [tf.convert_to_tensor(one) for one in _flat(result, op_def)]
        except ReplacementError:
            raise
        except Exception as error:
            # Whatever it is that the caller's function raises.
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ReplacementError(f"the builder failed: {reason}") from error
    _refuse_forbidden(graph, tensors)
    types = [one.dtype.base_dtype.as_datatype_enum for one in outputs]
    _compare(node, op_def, outputs, types)
    names = [f"output_{number}" for number in range(len(outputs))]
    given_names = tuple(one.op.name for one in tensors)
    inner = [one for one in graph.get_operations() if one.name not in given_names]
    graph_def = graph.as_graph_def()
    function = graph_to_function_def(graph, inner, tensors, outputs, names)
    _rename_functions(node.op, graph_def, function)
    return BuiltOperation(
        node.op,
        given_names,
        graph_def,
        tuple(one.name for one in outputs),
        tuple(types),
        function,
        _output_names(node, op_def),
    )


def _rename_functions(op: str, graph_def: Any, function: Any) -> None:
    """Gives the functions of a builder names that no function of the file has.

    TensorFlow numbers them as they are made, in this process as in the writer's.
    """
    library = graph_def.library
    names = {
        one.signature.name: f"{one.signature.name}_in_place_of_{op}"
        for one in library.function
    }
    bodies = [graph_def.node, function.node_def]
    for one in library.function:
        one.signature.name = names[one.signature.name]
        bodies.append(one.node_def)
    for one in library.gradient:
        one.function_name = names.get(one.function_name, one.function_name)
        one.gradient_func = names.get(one.gradient_func, one.gradient_func)
    for nodes in bodies:
        for node in nodes:
            node.op = names.get(node.op, node.op)
            for value in node.attr.values():
                _rename_references(value, names)


def _rename_references(value: Any, names: Mapping[str, str]) -> None:
    references = [value.func] if value.HasField("func") else []
    if value.HasField("list"):
        references += value.list.func
    for one in references:
        one.name = names.get(one.name, one.name)
        for inner in one.attr.values():
            _rename_references(inner, names)


def _arguments(node: Any, op_def: Optional[Any], given: GivenInputs) -> List[Argument]:
    if op_def is not None:
        return arguments_of(op_def.input_arg, node, op_def)
    if not all(given.types):
        raise ReplacementError(
            "the file has no OpDef of it, and the types of its inputs are not known"
        )
    return [
        Argument(_INPUT.format(number), [dtype], False, False)
        for number, dtype in enumerate(given.types)
    ]


def _placeholders(arguments: Sequence[Argument], given: GivenInputs) -> List[Any]:
    types = [dtype for one in arguments for dtype in one.types]
    shapes: List[Optional[Any]] = [None] * len(types)
    if len(given.shapes) == len(types):
        shapes = list(given.shapes)
    return [
        tf.placeholder(
            tf.as_dtype(dtype).base_dtype,
            None if shape is None else tf.TensorShape(shape),
            name=_INPUT.format(number),
        )
        for number, (dtype, shape) in enumerate(zip(types, shapes))
    ]


def _call(
    builder: Callable[..., Any],
    arguments: Sequence[Argument],
    tensors: Sequence[Any],
    attributes: Dict[str, Any],
    op_def: Optional[Any],
) -> Any:
    if op_def is None:
        return builder(*tensors, **attributes)
    left = list(tensors)
    inputs: Dict[str, Any] = {}
    for one in arguments:
        taken, left = left[: len(one.types)], left[len(one.types) :]
        inputs[one.name] = taken if one.is_list else taken[0]
    return builder(**inputs, **attributes)


def _attributes(node: Any, op_def: Optional[Any]) -> Dict[str, Any]:
    """Returns the attributes that do not follow from the inputs, by name."""
    if op_def is None:
        return {
            name: _python_value(node.attr[name])
            for name in sorted(node.attr)
            if not name.startswith("_")
        }
    inferred = {
        name
        for one in op_def.input_arg
        for name in (one.type_attr, one.number_attr, one.type_list_attr)
    }
    return {
        one.name: _python_value(node.attr.get(one.name, one.default_value))
        for one in op_def.attr
        if one.name not in inferred
    }


def _python_value(value: Any) -> Any:
    """Returns an attribute as ``Operation.get_attr`` does."""
    kind = value.WhichOneof("value")
    if kind == "list":
        for field, elements in value.list.ListFields():
            return [_converted(field.name, one) for one in elements]
        return []
    return None if kind is None else _converted(kind, getattr(value, kind))


def _converted(kind: str, value: Any) -> Any:
    if kind == "type":
        return tf.as_dtype(value)
    if kind == "shape":
        return tf.TensorShape(value)
    return value


def _flat(result: Any, op_def: Optional[Any]) -> List[Any]:
    """Returns the outputs of a builder in the order of the operation."""
    if result is None or isinstance(result, tf.Operation):
        return []
    if isinstance(result, dict):
        names = [one.name for one in op_def.output_arg] if op_def is not None else []
        if set(names) != set(result):
            raise ReplacementError(
                f"the builder returned {sorted(result)}, the operation has {names}"
            )
        result = [result[name] for name in names]
    if not isinstance(result, (list, tuple)):
        return [result]
    found: List[Any] = []
    for one in result:
        found += one if isinstance(one, (list, tuple)) else [one]
    return found


def _refuse_forbidden(graph: Any, tensors: Sequence[Any]) -> None:
    own = {one.op.name for one in tensors}
    graph_def = graph.as_graph_def()
    nodes = [one for one in graph_def.node if one.name not in own]
    for function in graph_def.library.function:
        nodes += function.node_def
    for node in nodes:
        if node.op in _FORBIDDEN:
            raise ReplacementError(f"the builder made {_FORBIDDEN[node.op]}")


def _compare(
    node: Any, op_def: Optional[Any], outputs: Sequence[Any], types: Sequence[int]
) -> None:
    wanted = output_types(node, op_def)
    if wanted is not None and list(types) != wanted:
        raise ReplacementError(
            f"the builder returned {_type_names(types)}, the operation gives "
            f"{_type_names(wanted)}"
        )
    for number, one in enumerate(outputs):
        shape = known_shape(node, number)
        if shape is not None and not one.shape.is_compatible_with(
            tf.TensorShape(shape)
        ):
            raise ReplacementError(
                f"output {number} of the builder has the shape {one.shape}, that of "
                f"the operation {tf.TensorShape(shape)}"
            )


def _type_names(types: Sequence[int]) -> str:
    return ", ".join(tf.as_dtype(one).name for one in types) or "nothing"


def _output_names(node: Any, op_def: Optional[Any]) -> Tuple[str, ...]:
    if op_def is None:
        return ()
    return tuple(
        f"{one.name}:{number}"
        for one in arguments_of(op_def.output_arg, node, op_def)
        for number in range(len(one.types))
    )
