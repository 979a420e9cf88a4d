"""What goes into a built model: its placeholders."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Sequence, Set

from legacy_restore.graph.variables import is_under
from legacy_restore.tf import tf

_PLACEHOLDERS = {"Placeholder": True, "PlaceholderWithDefault": False}


@dataclasses.dataclass(frozen=True)
class Input:
    """A placeholder of a model.

    Attributes:
      tensor: The tensor to feed, sparse or not; of another composite one, which only
        the signature of a file can name, the list of its parts.
      is_required: Whether it has no default and the model's outputs depend on it.
    """

    tensor: Any
    is_required: bool


def inputs_of(scope: str, operations: Sequence[Any], outputs: Any) -> Dict[str, Input]:
    """Returns the placeholders of a model, by name without the scope.

    Args:
      scope: The model's scope.
      operations: All operations that its builder created.
      outputs: What its builder returned.
    """
    found = {}
    needed = needed_for(outputs)
    for name, (operation, *_) in placeholders_of(scope, operations).items():
        # Labels, say, are no input of what the builder returned.
        is_required = _PLACEHOLDERS[operation.type] and operation in needed
        found[name] = Input(operation.outputs[0], is_required)
    return found


def placeholders_of(scope: str, operations: Sequence[Any]) -> Dict[str, List[Any]]:
    """Returns the placeholders among a model's operations, by name without the scope.

    One outside of the scope can have the name that another has inside of it; such a
    model is refused (``build_findings.input_findings``).
    """
    found: Dict[str, List[Any]] = {}
    for operation in operations:
        if operation.type in _PLACEHOLDERS:
            name = operation.name
            if is_under(name, scope):
                name = name[len(scope) + 1 :]
            found.setdefault(name, []).append(operation)
    return found


def parts_of(tensor: Any) -> List[Any]:
    """Returns the tensors of which one consists: of a sparse one, three."""
    return list(tf.nest.flatten(tensor, expand_composites=True))


def needed_for(outputs: Any) -> Set[Any]:
    """Returns all operations on which a nest of tensors depends."""
    stack = [one.op for one in parts_of(outputs) if hasattr(one, "op")]
    seen: Set[Any] = set()
    while stack:
        operation = stack.pop()
        if operation not in seen:
            seen.add(operation)
            stack.extend([tensor.op for tensor in operation.inputs])
            stack.extend(operation.control_inputs)
    return seen
