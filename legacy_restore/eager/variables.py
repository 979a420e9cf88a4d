"""Variables of a live root: what a plan knows of them, their values, assigning them."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Counter, Dict, List, Sequence, Tuple

import numpy as np

from legacy_restore.eager.kinds import Role, is_keras_variable, variable_of
from legacy_restore.eager.walking import LiveObject, LiveObjects
from legacy_restore.planning.spec import Shape, VariableSpec
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class LiveVariable:
    """A variable that a root holds.

    Attributes:
      spec: What a plan needs to know of it.
      role: What it is there for.
      variable: TensorFlow's variable; of Keras 3 the one that its variable wraps.
      numbers: The places in ``LiveObjects.children`` of the objects that it is.
      layer: The nearest layer around it, or None.
    """

    spec: VariableSpec
    role: Role
    variable: Any
    numbers: Tuple[int, ...] = ()
    layer: Any = None

    @property
    def name(self) -> str:
        """Its name, unique in the root."""
        return self.spec.name

    def values(self) -> List[np.ndarray]:
        """Returns its value, one for each replica of a distribution strategy."""
        return [_value(one) for one in self.components()]

    def replicas(self) -> List[np.ndarray]:
        """Returns the value that a checkpoint would have, as each replica has it.

        Where replicas count for themselves and their sum is saved, that is one value.
        """
        if len(self.components()) > 1 and _is_sum(self.variable):
            return [_value(self.variable.read_value())]
        return self.values()

    def components(self) -> Sequence[Any]:
        """Returns the variables that it consists of: itself, or one of each replica."""
        copies = getattr(self.variable, "values", None)
        return copies if isinstance(copies, (tuple, list)) else (self.variable,)

    def assign(self, value: np.ndarray) -> None:
        """Assigns it in place, on all replicas."""
        _assign(self.variable, value)

    def put_back(self, values: Sequence[np.ndarray]) -> None:
        """Assigns what ``values`` has returned, to each replica its own."""
        for one, value in zip(self.components(), values):
            _assign(one, value)


def _is_sum(variable: Any) -> bool:
    is_on_read = variable.synchronization == tf.VariableSynchronization.ON_READ
    return bool(is_on_read and variable.aggregation == tf.VariableAggregation.SUM)


def _value(variable: Any) -> np.ndarray:
    value = variable.numpy()
    # A scalar string comes as bytes, from which NumPy cuts zeros at the end. What
    # NumPy gives may be the variable's own memory.
    is_text = isinstance(value, bytes)
    array: np.ndarray = np.array(value, dtype=object) if is_text else np.array(value)
    return array


def _assign(variable: Any, value: np.ndarray) -> None:
    variable.assign(tf.convert_to_tensor(value, dtype=variable.dtype.base_dtype))


def live_variables(root: Any, live: LiveObjects) -> List[LiveVariable]:
    """Returns the variables of a root, each once, but for those of its optimizers.

    Keras 3 knows a variable by its path, all others by its name; what both begin with
    where the root has a name of its own is left out. In a dictionary a variable is
    known by its key, as a ``tf.compat.v1.train.Saver`` has it. Where several would have
    one name, it is the way by which the root holds them.

    Args:
      root: The root.
      live: What it holds.
    """
    found: Dict[int, List[LiveObject]] = {}
    for one in live.objects:
        variable = variable_of(one.it)
        if variable is not None and one.role is not Role.OPTIMIZER:
            found.setdefault(id(variable), []).append(one)
    firsts = [objects[0] for objects in found.values()]
    names = _unique(firsts, [_local_name(root, one) for one in firsts])
    return [
        LiveVariable(
            spec=describe(name, variable_of(objects[0].it)),
            role=objects[0].role,
            variable=variable_of(objects[0].it),
            numbers=tuple(one.number for one in objects),
            layer=objects[0].holder,
        )
        for name, objects in zip(names, found.values())
    ]


def own_name(root: Any) -> str:
    """Returns the name of a root, empty if it has none."""
    name = getattr(root, "name", "")
    return name if isinstance(name, str) else ""


def _local_name(root: Any, one: LiveObject) -> str:
    if isinstance(root, collections.abc.Mapping) and one.path in root:
        return str(one.path)
    name = str(one.it.path if is_keras_variable(one.it) else one.it.name)
    name = name[:-2] if name.endswith(":0") else name
    scope = own_name(root) + "/"
    return name[len(scope) :] if scope != "/" and name.startswith(scope) else name


def _unique(found: Sequence[LiveObject], names: Sequence[str]) -> List[str]:
    """Gives variables of one name the paths by which the root holds them."""
    counts: Counter[str] = collections.Counter(names)
    taken = {name for name in names if counts[name] == 1}
    unique = []
    for one, name in zip(found, names):
        wanted = name
        if counts[name] > 1:
            wanted = one.path or name
            number = 0
            while wanted in taken:
                number += 1
                wanted = f"{one.path or name}_{number}"
            taken.add(wanted)
        unique.append(wanted)
    return unique


def describe(name: str, variable: Any) -> VariableSpec:
    """Returns what a plan needs to know of one of TensorFlow's variables."""
    return VariableSpec(
        name=name,
        local_name=name,
        dtype=str(variable.dtype.base_dtype.name),
        shape=_shape(variable.shape),
        kind="resource",
        is_trainable=bool(getattr(variable, "trainable", False)),
        has_value=True,
    )


def _shape(shape: Any) -> Shape:
    if shape.rank is None:
        return None
    return tuple(shape.as_list())
