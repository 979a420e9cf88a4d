"""Running the initialisers of the variables that a plan leaves to them, only of those.

They run after the restore, because they may read restored variables. An initialiser
may also read another variable that is left to its own (``initialized_value()``): run
at the same time it could see that variable before its assignment and use another
random value, so such variables run in waves, each after those that it reads.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Sequence, Set


def initialization_waves(
    variables: Sequence[Any], storage: Mapping[str, str] = MappingProxyType({})
) -> List[List[Any]]:
    """Returns groups of variables; each reads only variables of the groups before it.

    Args:
      variables: ``tf.Variable`` objects of one graph.
      storage: The name of the variable whose storage others have, by their names.
    """
    wanted = {variable.op.name: variable for variable in variables}
    needs = {
        name: _variables_read(variable, wanted, storage)
        for name, variable in wanted.items()
    }
    depth: Dict[str, int] = {}
    for name in wanted:
        _measure(name, needs, depth)
    waves: List[List[Any]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name, variable in wanted.items():
        waves[depth[name]].append(variable)
    return waves


def _measure(name: str, needs: Dict[str, Set[str]], depth: Dict[str, int]) -> None:
    """Sets the length of the longest chain of reads that ends in a variable."""
    stack = [name]
    while stack:
        current = stack[-1]
        open_needs = [one for one in needs[current] if one not in depth]
        # An operation is made after its inputs: there are no circles.
        if open_needs:
            stack.extend(open_needs)
            continue
        depth[current] = 1 + max((depth[one] for one in needs[current]), default=-1)
        stack.pop()


def _variables_read(
    variable: Any, among: Dict[str, Any], storage: Mapping[str, str]
) -> Set[str]:
    """The variables that the initialiser depends on, itself excepted."""
    found: Set[str] = set()
    seen: Set[str] = set()
    stack = [variable.initializer]
    while stack:
        operation = stack.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        name = storage.get(operation.name, operation.name)
        if name in among and name != variable.op.name:
            found.add(name)
            continue
        stack.extend(tensor.op for tensor in operation.inputs)
        stack.extend(operation.control_inputs)
    return found
