"""A restore as one call of a function, which no graph optimiser touches.

TensorFlow 2 optimises what it runs before it runs it the first time. Of a restore,
which runs once, that takes nine tenths of the time where variables are small (1.4 of
1.6 s for 3,000), and there is nothing to gain. No option of a ``session.run`` forbids
it, and the session's own options are its caller's. But functions are optimised by
themselves: those that are marked as tf.data's are passed over by the optimiser of the
graph (``MetaOptimizer::OptimizeConsumeItem`` in ``tensorflow/core/grappler/optimizers/
meta_optimizer.cc``), and the call has options of its own for what it runs
(``config_proto`` of ``PartitionedCall`` in ``tensorflow/core/ops/functional_ops.cc``).

The function holds what ``restore_graph`` makes: reads, the barrier, assignments. It
finds a variable as the graph's own operation does, by the name under which a session
keeps its values. Those are kept for each device, so this is for sessions that have one
device: elsewhere TensorFlow places a variable by what it is used with, which a function
does not see.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, List, Mapping, Sequence, Tuple

from legacy_restore.graph.assigning import TAKES_ANY_BUFFER
from legacy_restore.graph.restore_graph import entered
from legacy_restore.graph.restore_group import RestoreGroup
from legacy_restore.tf import tf

_HANDLE = "VarHandleOp"
_REFERENCE = "VariableV2"
_STRING = tf.string.as_datatype_enum
# What places a variable in the graph means nothing in a function on one device.
_PLACING = ("_class", "allowed_devices")


@dataclasses.dataclass(frozen=True, eq=False)
class RestoreCall:
    """An operation that restores all models.

    Attributes:
      operation: The operation.
      filenames: The tensor that takes the prefix of each model, by model name.
    """

    operation: Any
    filenames: Mapping[str, Any]


def is_on_one_device(session: Any) -> bool:
    """Returns whether all that a session runs is run on the CPU of this process."""
    if session.sess_str:
        return False
    types = [one.device_type for one in session.list_devices()]
    # XLA names the same processor once more.
    return types.count("CPU") == 1 and set(types) <= {"CPU", "XLA_CPU"}


def can_be_called(groups: Mapping[str, Sequence[RestoreGroup]]) -> bool:
    """Returns whether a function can restore what some operations restore."""
    variables = [one for own in groups.values() for group in own for one in group.parts]
    return bool(variables) and all(
        one is not None and one.op.type in (_HANDLE, _REFERENCE) for one in variables
    )


def add_restore_call(
    graph: Any, groups: Mapping[str, Sequence[RestoreGroup]]
) -> RestoreCall:
    """Adds an operation to a graph that does what some operations do, in one call.

    Args:
      graph: The graph.
      groups: What restores each model, by model name; ``can_be_called`` is true of it.
    """
    models = {name: own for name, own in groups.items() if own}
    with entered(graph, ""):
        name = graph.unique_name("legacy_restore/restore", mark_as_used=False)
        definition = _definition(name, models)
        tf.import_graph_def(definition, name="")
    filenames = {
        model: graph.get_tensor_by_name(f"{name}/prefix_{place}:0")
        for place, model in enumerate(models)
    }
    return RestoreCall(graph.get_operation_by_name(name), filenames)


def _definition(name: str, models: Mapping[str, Sequence[RestoreGroup]]) -> Any:
    """The call with its inputs, and the function that it calls."""
    definition = tf.GraphDef()
    definition.versions.producer = tf.GRAPH_DEF_VERSION
    function = definition.library.function.add()
    _Function(function).fill(list(models.values()))
    function.signature.name = _name_of(function)
    call = tf.NodeDef(name=name, op="StatefulPartitionedCall")
    call.attr["f"].func.name = function.signature.name
    call.attr["Tin"].list.type.extend([_STRING] * len(models))
    call.attr["Tout"].list.SetInParent()
    options = tf.ConfigProto()
    options.graph_options.rewrite_options.disable_meta_optimizer = True
    call.attr["config_proto"].s = options.SerializeToString()
    for place in range(len(models)):
        prefix = definition.node.add(name=f"{name}/prefix_{place}", op="Placeholder")
        prefix.attr["dtype"].type = _STRING
        prefix.attr["shape"].shape.SetInParent()
        call.input.append(prefix.name)
    definition.node.append(call)
    return definition


def _name_of(function: Any) -> str:
    """A name that no other function has, such as that of a graph which was imported."""
    contents = function.SerializeToString(deterministic=True)
    return f"legacy_restore_{hashlib.sha256(contents).hexdigest()[:16]}"


class _Function:
    """The definition of a function while it is made."""

    def __init__(self, definition: Any) -> None:
        """Takes an empty ``FunctionDef``."""
        self._definition = definition
        definition.signature.is_stateful = True
        for attribute in ("_noinline", "_nospecialize", "_tf_data_function"):
            definition.attr[attribute].b = True

    def fill(self, models: Sequence[Sequence[RestoreGroup]]) -> None:
        """Adds the reads of all models, the barrier, and the assignments."""
        reads: List[Tuple[str, RestoreGroup]] = []
        for place, groups in enumerate(models):
            argument = self._definition.signature.input_arg.add()
            argument.name, argument.type = f"prefix_{place}", _STRING
            for group in groups:
                read = f"read_{len(reads)}"
                self._read(read, argument.name, group)
                reads.append((read, group))
        self._node("all_read", "NoOp", [f"^{read}" for read, _ in reads])
        number = 0
        for read, group in reads:
            for place, part in enumerate(group.parts):
                self._assign(number, part, f"{read}:tensors:{place}")
                number += 1

    def _node(self, name: str, kind: str, inputs: Sequence[str] = ()) -> Any:
        node = self._definition.node_def.add(name=name, op=kind)
        node.input.extend(inputs)
        return node

    def _read(self, name: str, prefix: str, group: RestoreGroup) -> None:
        keys = self._texts(f"{name}_keys", group.keys)
        slices = self._texts(f"{name}_slices", group.slices)
        node = self._node(name, "RestoreV2", [prefix, keys, slices])
        node.attr["dtypes"].list.type.extend(
            part.dtype.base_dtype.as_datatype_enum for part in group.parts
        )

    def _texts(self, name: str, values: Sequence[str]) -> str:
        node = self._node(name, "Const")
        node.attr["dtype"].type = _STRING
        node.attr["value"].tensor.CopyFrom(
            tf.make_tensor_proto(list(values), dtype=tf.string)
        )
        return f"{name}:output:0"

    def _assign(self, number: int, part: Any, value: str) -> None:
        variable = self._definition.node_def.add()
        variable.CopyFrom(part.op.node_def)
        variable.name = f"variable_{number}"
        variable.device = ""
        del variable.input[:]
        for attribute in _PLACING:
            variable.attr.pop(attribute, None)
        dtype = part.dtype.base_dtype.as_datatype_enum
        name = f"assign_{number}"
        if part.op.type == _HANDLE:
            inputs = [f"{variable.name}:resource:0", value, "^all_read"]
            node = self._node(name, "AssignVariableOp", inputs)
            node.attr["dtype"].type = dtype
        else:
            # Without a name of its own its values are kept under the operation's.
            storage = variable.attr["shared_name"]
            storage.s = storage.s or part.op.name.encode()
            inputs = [f"{variable.name}:ref:0", value, "^all_read"]
            node = self._node(name, "Assign", inputs)
            node.attr["T"].type = dtype
            node.attr["validate_shape"].b = part.shape.is_fully_defined()
        node.attr[TAKES_ANY_BUFFER].b = True
        self._definition.control_ret[name] = name
        self._definition.signature.control_output.append(name)
