"""The tensors of a saved graph, from operation to operation, through calls too.

A SavedModel of TensorFlow 2 has its save and restore operations inside of functions
that are called with the variables' handles. Those calls are seen here as if the bodies
of the functions stood in their place: ``call/inner`` is the node ``inner`` of what
``call`` calls. Nothing of the message is changed.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from legacy_restore.importing.calls import CALLS
from legacy_restore.importing.nodes import functions_named, is_control
from legacy_restore.importing.op_defs import OpDefs

Output = Tuple[str, int]
"""One output of an operation: the operation's name, and the output's number."""

# What gives its first input on: the same elements, if of another shape or type.
_PASSING = frozenset(
    [
        "Cast",
        "CheckNumerics",
        "Copy",
        "CopyHost",
        "Enter",
        "ExpandDims",
        "Identity",
        "PreventGradient",
        "RefEnter",
        "RefIdentity",
        "Reshape",
        "Snapshot",
        "Squeeze",
        "StopGradient",
    ]
)


# A few functions that call each other can stand for any number of operations. Calls are
# followed no further than this; TensorFlow's own restore functions are two calls deep.
_MAX_DEPTH = 50
_MAX_STEPS = 1 << 18


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """An operation, in the graph or in a function that is called there.

    Attributes:
      name: Its name; in a function, that of the call before it.
      node: Its node in the file.
      inputs: Where its inputs come from, without control edges; none of a call that is
        followed.
    """

    name: str
    node: Any
    inputs: Tuple[Output, ...]


class DataFlow:
    """The operations of a saved graph and of the calls that are followed."""

    def __init__(
        self, meta_graph: Any, op_defs: OpDefs, follows: Callable[[Any], bool]
    ) -> None:
        """Follows the calls of functions with nodes that are asked for.

        Args:
          meta_graph: The ``MetaGraphDef``.
          op_defs: What is known about its operations.
          follows: Whether a call is to be followed to reach such a node.
        """
        library = meta_graph.graph_def.library.function
        self._functions = {one.signature.name: one for one in library}
        self._op_defs = op_defs
        self._followed = _holding(self._functions, follows)
        self._aliases: Dict[Output, Output] = {}
        self._steps: Dict[str, Step] = {}
        self._num_followed = 0
        self._add("", meta_graph.graph_def.node, {}, ())
        self.steps: Mapping[str, Step] = self._steps
        for name, one in self._steps.items() if self._aliases else ():
            if any(given in self._aliases for given in one.inputs):
                inputs = tuple(map(self._resolved, one.inputs))
                self._steps[name] = Step(name, one.node, inputs)
        self._consumers: Optional[Dict[str, List[Step]]] = None

    def of_type(self, types: Any) -> Iterator[Step]:
        """Yields the operations of some types, in their order."""
        return (one for one in self.steps.values() if one.node.op in types)

    def consumers(self, name: str) -> List[Step]:
        """Returns the operations that take an output of an operation."""
        if self._consumers is None:
            self._consumers = {}
            for one in self.steps.values():
                for producer in dict.fromkeys(above for above, _ in one.inputs):
                    self._consumers.setdefault(producer, []).append(one)
        return self._consumers.get(name, [])

    def origin(self, output: Output, also: Any = frozenset()) -> Output:
        """Returns where a value comes from that operations only hand on.

        Args:
          output: The value.
          also: Further types of operations that hand on their first input.
        """
        seen: Set[Output] = set()
        while output not in seen:
            seen.add(output)
            step = self.steps.get(output[0])
            if step is None:
                return output
            if step.node.op == "IdentityN" and output[1] < len(step.inputs):
                output = step.inputs[output[1]]
            elif step.inputs and (step.node.op in _PASSING or step.node.op in also):
                output = step.inputs[0]
            else:
                return output
        return output

    def _add(
        self,
        prefix: str,
        nodes: Any,
        arguments: Mapping[str, Output],
        callers: Tuple[str, ...],
    ) -> None:
        # A function's outputs are named by its nodes' types, which have to be known.
        types = {node.name: node for node in nodes} if prefix else {}
        for node in nodes:
            inputs = tuple(
                self._output(prefix, text, types, arguments)
                for text in node.input
                if not is_control(text)
            )
            name, called = prefix + node.name, self._called(node)
            if called is None or not self._may_enter(called, callers):
                self._steps[name] = Step(name, node, inputs)
                continue
            # What it takes is taken by what stands in its place.
            self._steps[name] = Step(name, node, ())
            self._num_followed += len(self._functions[called].node_def)
            self._enter(name, called, inputs, callers)

    def _called(self, node: Any) -> Optional[str]:
        """The function that a node calls, if the call is to be followed."""
        is_call = node.op in CALLS
        name = str(node.attr["f"].func.name if is_call else node.op)
        return name if name in self._followed else None

    def _may_enter(self, name: str, callers: Tuple[str, ...]) -> bool:
        if name in callers or len(callers) >= _MAX_DEPTH:
            return False
        return self._num_followed < _MAX_STEPS

    def _enter(
        self,
        call: str,
        name: str,
        inputs: Tuple[Output, ...],
        callers: Tuple[str, ...],
    ) -> None:
        function = self._functions[name]
        prefix = f"{call}/"
        arguments = {
            argument.name: given
            for argument, given in zip(function.signature.input_arg, inputs)
        }
        self._add(prefix, function.node_def, arguments, (*callers, name))
        types = {node.name: node for node in function.node_def}
        for number, result in enumerate(function.signature.output_arg):
            text = function.ret[result.name]
            found = self._output(prefix, text, types, arguments)
            self._aliases[call, number] = found

    def _output(
        self,
        prefix: str,
        text: str,
        types: Mapping[str, Any],
        arguments: Mapping[str, Output],
    ) -> Output:
        """What an input names: ``x``, ``x:1``, and in a function ``x:output:1``."""
        parts = text.split(":")
        if len(parts) == 1 and not prefix:
            return text, 0
        if prefix and parts[0] in arguments:
            return arguments[parts[0]]
        number = int(parts[-1]) if len(parts) > 1 and parts[-1].isdigit() else 0
        if len(parts) == 3 and parts[0] in types:
            number += self._outputs_before(types[parts[0]], parts[1])
        return prefix + parts[0], number

    def _outputs_before(self, node: Any, name: str) -> int:
        """How many outputs of a node stand before those of a name."""
        function = self._functions.get(node.op)
        known = self._op_defs.get(node.op) if function is None else function.signature
        total = 0
        for argument in known.output_arg if known is not None else ():
            if argument.name == name:
                return total
            if argument.number_attr:
                total += int(node.attr[argument.number_attr].i)
            elif argument.type_list_attr:
                total += len(node.attr[argument.type_list_attr].list.type)
            else:
                total += 1
        return 0

    def _resolved(self, output: Output) -> Output:
        seen: Set[Output] = set()
        while output in self._aliases and output not in seen:
            seen.add(output)
            output = self._aliases[output]
        return output


def _holding(functions: Mapping[str, Any], asked: Callable[[Any], bool]) -> Set[str]:
    """The functions that have a node that is asked for, or call one that has."""
    found = {name for name, one in functions.items() if any(map(asked, one.node_def))}
    calling: Dict[str, Set[str]] = {}
    for name, one in functions.items():
        for node in one.node_def:
            for called in functions_named(node):
                calling.setdefault(called, set()).add(name)
    stack = list(found)
    while stack:
        for name in calling.get(stack.pop(), ()):
            if name not in found:
                found.add(name)
                stack.append(name)
    return found
