"""What may give a variable its value, found by who gets hold of it.

A variable that holds the name of a file is as good as that name only if nothing else
ever writes to it. So all who take its handle or reference are looked at, in functions
that are called with it too; who is not known to do nothing but read or assign it may
do anything.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, FrozenSet, Mapping, Set, Tuple

from legacy_restore.importing.calls import PASSING, calls_of, handed_on_from
from legacy_restore.importing.effects import VARIABLES, arguments_of
from legacy_restore.importing.isolating import NAMED_BY_NOTHING
from legacy_restore.importing.nodes import is_control
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.tf import tf

Place = Tuple[str, str]
"""A function, empty for the graph itself, and a node or tensor in it."""

_ASSIGNMENTS = ("Assign", "AssignVariableOp")
_READS = frozenset(
    ["ReadVariableOp", "VarIsInitializedOp", "IsVariableInitialized", "VariableShape"]
)
_REFERENCES = frozenset(["Variable", "VariableV2"])
# What makes handles of variables by other names than their own.
_MAKES_HANDLES = frozenset(["_VarHandlesOp"])


@dataclasses.dataclass(frozen=True)
class HandleUses:
    """What is done with a variable.

    Attributes:
      values: The tensors that are assigned to it.
      others: The nodes that may do anything with it.
    """

    values: FrozenSet[Place]
    others: FrozenSet[Place]


class HandleReader:
    """Tells what is done with the variables of one saved graph."""

    def __init__(
        self,
        bodies: Mapping[str, Mapping[str, Any]],
        functions: Mapping[str, Any],
        op_defs: OpDefs,
    ) -> None:
        """Takes a graph apart.

        Args:
          bodies: The nodes of the graph, under ``""``, and of each function, by name.
          functions: The ``FunctionDef`` of each function.
          op_defs: What is known about its operations.
        """
        self._bodies = bodies
        self._functions = functions
        self._op_defs = op_defs
        self._named: Mapping[str, int] = self._count_names()
        self._has_forged = any(
            is_handle(node) for body in bodies.values() for node in body.values()
        )

    def of(self, function: str, name: str) -> HandleUses:
        """Returns what is done with a variable.

        Args:
          function: The function in which it stands; empty for the graph itself.
          name: Its node.
        """
        node = self._bodies[function][name]
        found = _Collector(self._bodies, self._functions, self._op_defs, node)
        is_alone = self._named[_resource_name(node)] == 1 and not self._has_forged
        if function or not is_alone:
            # In each function that is put in the place of a call it has another name;
            # and who has its name has it.
            found.others.add((function, name))
        found.collect((function, name))
        return HandleUses(frozenset(found.values), frozenset(found.others))

    def _count_names(self) -> Mapping[str, int]:
        found: Dict[str, int] = {}
        for body in self._bodies.values():
            for node in body.values():
                if node.op in VARIABLES:
                    name = _resource_name(node)
                    found[name] = found.get(name, 0) + 1
        return found


class _Collector:
    """Follows one variable."""

    def __init__(
        self,
        bodies: Mapping[str, Mapping[str, Any]],
        functions: Mapping[str, Any],
        op_defs: OpDefs,
        node: Any,
    ) -> None:
        self.values: Set[Place] = set()
        self.others: Set[Place] = set()
        self._bodies = bodies
        self._functions = functions
        self._op_defs = op_defs
        self._is_reference = node.op in _REFERENCES
        self._seen: Set[Place] = set()

    def collect(self, place: Place) -> None:
        """Adds what one body does with the variable, or with an argument that is it."""
        if place in self._seen:
            return
        self._seen.add(place)
        function, name = place
        body = self._bodies[function]
        if function:
            results = self._functions[function].ret.values()
            if any(handed_on_from(one, body) == name for one in results):
                self.others.add(place)  # Whoever calls it gets it back.
        for node in body.values():
            taken = [
                one
                for one in node.input
                if not is_control(one) and handed_on_from(one, body) == name
            ]
            if taken and node.op not in PASSING:
                self._use(function, node, frozenset(taken))

    def _use(self, function: str, node: Any, taken: FrozenSet[str]) -> None:
        """Adds what a node does with the variable, which it takes by some inputs."""
        calls = calls_of(node, self._functions)
        for call in calls:
            arguments = self._functions[call.function].signature.input_arg
            for argument, tensor in zip(arguments, call.inputs):
                if tensor in taken:
                    self.collect((call.function, argument.name))
        if calls or node.op in _READS:
            return
        known = self._op_defs.get(node.op)
        if known is None:
            self.others.add((function, node.name))
            return
        arguments = arguments_of(node, known)
        if not taken <= {tensor for tensor, _ in arguments}:
            self.others.add((function, node.name))
        for number, (tensor, argument) in enumerate(arguments):
            if tensor not in taken or self._takes_value(argument):
                continue
            if node.op in _ASSIGNMENTS and number == 0 and len(arguments) > 1:
                self.values.add((function, arguments[1][0]))
            else:
                self.others.add((function, node.name))

    def _takes_value(self, argument: Any) -> bool:
        """Whether an argument gets the value of a ref variable, not the variable."""
        is_value = not argument.is_ref and not argument.type_list_attr
        return self._is_reference and is_value


def _resource_name(node: Any) -> str:
    """What a variable is called in a session; see ``isolating``."""
    given = node.attr["shared_name"].s if "shared_name" in node.attr else b""
    name: str = given.decode("utf-8", "surrogateescape")
    return name if name or node.op in NAMED_BY_NOTHING else node.name


def is_handle(node: Any) -> bool:
    """Returns whether a node makes handles of variables by names that isolation keeps.

    Args:
      node: A ``NodeDef``; not changed.
    """
    if node.op in _MAKES_HANDLES:
        return True
    dtype = node.attr["dtype"].type if "dtype" in node.attr else 0
    return bool(node.op == "Const" and dtype == tf.resource.as_datatype_enum)
