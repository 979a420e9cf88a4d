"""The devices that the operations of a graph ask for.

An operation asks by its own device, or by the devices of what is inside of the
functions that it calls: with control flow of TensorFlow 2, the bodies of conditions and
loops are such functions.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from legacy_restore.graph.functions import GraphFunctions


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
    functions = GraphFunctions(graph)
    found: Dict[Tuple[Optional[str], str], List[str]] = {}
    for operation in graph.get_operations():
        devices = _devices_inside(functions, operation)
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


def _devices_inside(functions: GraphFunctions, operation: Any) -> Set[str]:
    """The devices inside of all functions that an operation calls."""
    return {
        node.device
        for name in functions.reached_from([operation])
        for node in functions.nodes_of(name)
        if node.device
    }
