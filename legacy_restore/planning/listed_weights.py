"""Whether weights that only an optimizer lists are in the order of their names.

An optimizer of Keras 3 lists the weights that it trains. Where nothing else leads to
them - layers that a model holds in a list - TensorFlow takes one for the other if the
optimizer was built for them in another order, and says nothing. The file knows more:
slots are called by the path of their weight, with underscores
(``add_variable_from_reference`` of ``keras/src/optimizers/base_optimizer.py``), such as
``sgd/model_dense_1_kernel_momentum``. Programs number layers anew, but in one order.
"""

from __future__ import annotations

import collections
import re
from typing import Dict, FrozenSet, List, Mapping, Set, Tuple

from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.mapping.optimizer_state.stored_objects import optimizers_of_objects
from legacy_restore.planning.spec import Source

_PART = re.compile(r"([^/_]+)((?:_\d+(?![^/_]))*)")

_Order = Tuple[Tuple[int, ...], ...]


def out_of_order(keys: Mapping[str, str], source: Source) -> FrozenSet[str]:
    """Returns the variables whose names say that they are others of the list.

    Args:
      keys: The key of each variable by the list of an optimizer, by its name.
      source: The checkpoint.
    """
    if source.objects is None:
        return frozenset()
    told = _names_by_slots(source.objects, source)
    alike: Dict[Tuple[str, str], List[Tuple[_Order, _Order, str]]]
    alike = collections.defaultdict(list)
    for name, key in keys.items():
        if key in told:
            kind, order = _split(name)
            stored_kind, stored_order = _split(told[key])
            alike[kind, stored_kind].append((order, stored_order, name))
    found: Set[str] = set()
    for group in alike.values():
        orders = [order for order, _, _ in group]
        by_live = [stored for _, stored, _ in sorted(group)]
        if len(set(orders)) == len(orders) and by_live != sorted(by_live):
            found.update(name for _, _, name in group)
    return frozenset(found)


def _names_by_slots(objects: ObjectGraph, source: Source) -> Dict[str, str]:
    """What slots say of the paths of weights, by their keys."""
    found: Dict[str, str] = {}
    for optimizer in optimizers_of_objects(objects, source.entries).optimizers:
        for weight, slots in optimizer.slots.items():
            slot = objects.tensors[slots[min(slots)]]
            found[weight] = slot.full_name or ""
    return found


def _split(name: str) -> Tuple[str, _Order]:
    """A name without the numbers of layers, and these in their places."""
    parts = _PART.findall(name)
    numbers = (tuple(map(int, more.split("_")[1:])) for _, more in parts)
    return "_".join(part for part, _ in parts), tuple(numbers)
