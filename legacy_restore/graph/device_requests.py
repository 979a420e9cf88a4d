"""The devices that the operations of a graph ask for.

An operation asks by its own device, or by the devices of what is inside of the
functions that it calls: with control flow of TensorFlow 2, the bodies of conditions and
loops are such functions.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple

_FUNCTION_TYPES = ("func", "list(func)")


@dataclasses.dataclass(frozen=True)
class DeviceRequest:
    """A device that operations of one model ask for.

    Attributes:
      device: Its name, as they ask for it.
      model: The model's name, or None for operations that no builder created.
      example: The name of the first of the operations.
      count: How many they are.
    """

    device: str
    model: Optional[str]
    example: str
    count: int


def device_requests(graph: Any, owners: Mapping[Any, str]) -> List[DeviceRequest]:
    """Returns what is asked for, by model and device, in the order of creation.

    Operations that belong to no model count only for devices that no model asks for:
    those of a Saver follow their variables.

    Args:
      graph: The graph.
      owners: The model of each operation, by the operation.
    """
    inside = _Functions(graph)
    found: Dict[Tuple[Optional[str], str], List[str]] = {}
    for operation in graph.get_operations():
        devices = inside.devices_of(operation)
        if operation.device:
            devices = devices | {operation.device}
        for device in sorted(devices):
            model = owners.get(operation)
            found.setdefault((model, device), []).append(operation.name)
    of_models = {device for model, device in found if model is not None}
    return [
        DeviceRequest(device, model, names[0], len(names))
        for (model, device), names in found.items()
        if model is not None or device not in of_models
    ]


class _Functions:
    """The functions of a graph, and the devices that stand inside of them."""

    def __init__(self, graph: Any) -> None:
        # The whole graph has to be written out for it: only where there is any.
        library = graph.as_graph_def().library.function if graph._functions else ()
        self._bodies = {one.signature.name: one.node_def for one in library}
        self._attributes: Dict[str, List[str]] = {}

    def devices_of(self, operation: Any) -> Set[str]:
        """Returns the devices inside of all functions that an operation calls."""
        if not self._bodies:
            return set()
        waiting = self._called_by(operation)
        seen: Set[str] = set()
        devices: Set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for node in self._bodies.get(name, ()):
                if node.device:
                    devices.add(node.device)
                waiting += [node.op, *_functions_in(node.attr.values())]
        return devices

    def _called_by(self, operation: Any) -> List[str]:
        """The functions that an operation names; old ones are its type itself."""
        if operation.type not in self._attributes:
            self._attributes[operation.type] = [
                one.name for one in operation.op_def.attr if one.type in _FUNCTION_TYPES
            ]
        names = self._attributes[operation.type]
        # A node_def is written out anew each time.
        attributes = operation.node_def.attr if names else {}
        return [operation.type, *_functions_in(attributes[name] for name in names)]


def _functions_in(attributes: Iterable[Any]) -> List[str]:
    found = []
    for value in attributes:
        found += [one.name for one in value.list.func]
        if value.HasField("func"):
            found.append(value.func.name)
    return found
