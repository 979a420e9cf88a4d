"""Where Keras would save the weights of a live model, by its two layouts of files.

Which path Keras gives a layer depends on the order in which it visits attributes, and
on what it has visited before: so the walks here are Keras's own, that of Keras 3
(``keras/src/saving/saving_lib.py``) and that of Keras 2.13 to 2.15
(``tf_keras/src/saving/saving_lib.py``).
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import re
import warnings
from typing import (
    Any,
    Counter,
    Dict,
    FrozenSet,
    Iterator,
    List,
    Mapping,
    Sequence,
    Set,
    Tuple,
)

from legacy_restore.checkpoint.keras_layout import snake_case
from legacy_restore.eager.kinds import is_keras_3, is_layer, variable_of
from legacy_restore.planning.keras_layers import LayerWeight, LayerWeights

_KERAS = ("keras", "tf_keras")
_TOP_LEVEL = "top_level_model_weights"


def layers_in_order(
    model: Any, names: Mapping[int, str]
) -> Tuple[Sequence[LayerWeights], ...]:
    """Returns the layers of a model as a file lists them, in all orders of weights.

    Args:
      model: A model, built.
      names: The names of its variables, by the identity of TensorFlow's variable.

    Returns:
      First with the weights of each layer that are trained before others, as Keras
      saves them; then in the order of the layers inside of it, as Keras has it where
      all are frozen.
    """

    def all_layers(weights_of: Any) -> List[LayerWeights]:
        found = [
            _layer(layer.name, weights_of(layer), names)
            for layer in getattr(model, "layers", ())
        ]
        return [*found, _layer(_TOP_LEVEL, own_variables(model), names)]

    return (
        all_layers(lambda layer: layer.trainable_weights + layer.non_trainable_weights),
        all_layers(lambda layer: layer.weights),
    )


def _layer(name: str, weights: Sequence[Any], names: Mapping[int, str]) -> LayerWeights:
    found = [
        LayerWeight(variable_path(one), names[id(variable_of(one))])
        for one in weights
        if id(variable_of(one)) in names
    ]
    return LayerWeights(name, tuple(found))


def variable_path(variable: Any) -> str:
    """Returns the name of a variable, of Keras 3 its path, without ``:0``."""
    path = getattr(variable, "path", None) or variable.name
    return re.sub(r":\d+$", "", path)


def own_variables(layer: Any) -> List[Any]:
    """Returns the variables of a layer itself, in the order in which they are saved."""
    kind = "variables" if is_keras_3(layer) else "weights"
    found: List[Any] = []
    for attribute in (f"_trainable_{kind}", f"_non_trainable_{kind}"):
        found += getattr(layer, attribute, ())
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class SavedVariable:
    """A variable of a model, as Keras would save it.

    Attributes:
      it: The variable.
      owners: The names of the layers that hold it, from the outside inwards, but for
        that of the model itself.
    """

    it: Any
    owners: Tuple[str, ...]


def saved_paths(model: Any) -> Tuple[Mapping[str, SavedVariable], ...]:
    """Returns the variables of a model by their paths in a file, by either walk.

    Args:
      model: A model or layer, built.

    Returns:
      By the walk of Keras 3, and by that of Keras 2. A layer that saves its variables
      in a way of its own is left out: nothing is known of it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Some attributes warn when they are looked at.
        return _Keras3Walk(model).found, _Keras2Walk(model).found


class _Walk:
    """Visits a model as Keras does that saves it."""

    _containers: Tuple[type, ...] = (list, tuple, dict)

    def __init__(self, model: Any) -> None:
        """Visits all of it."""
        self.found: Dict[str, SavedVariable] = {}
        self._seen: Set[int] = set()
        self._owners: Tuple[str, ...] = ()
        self._visit(model, "")

    def _visit_held(self, layer: Any, path: str) -> None:
        around = self._owners
        self._owners = (*around, layer.name)
        self._visit(layer, path)
        self._owners = around

    def _visit(self, layer: Any, path: str) -> None:
        if id(layer) in self._seen:
            return
        self._seen.add(id(layer))
        if _is_saved_by_keras(layer):
            for number, variable in enumerate(own_variables(layer)):
                saved = SavedVariable(variable, self._owners)
                self.found[_below(path, f"vars/{number}")] = saved
        for name, held in self._held(layer):
            if is_layer(held):
                self._visit_held(held, _below(path, name))
            elif isinstance(held, self._containers):
                self._visit_all(held, _below(path, name), set())

    def _visit_all(self, container: Any, path: str, around: Set[int]) -> None:
        raise NotImplementedError

    def _held(self, layer: Any) -> Iterator[Tuple[str, Any]]:
        raise NotImplementedError


class _Keras3Walk(_Walk):
    def _held(self, layer: Any) -> Iterator[Tuple[str, Any]]:
        kinds = {kind.__name__ for kind in type(layer).__mro__}
        skipped = attributes_of_any(layer)
        if kinds & {"Sequential", "Functional"}:
            yield "layers", layer.layers
            skipped = skipped | {"operations", "_operations", "_functional"}
        names = [name for name in dir(layer) if name not in skipped]
        yield from _values(layer, sorted(names, key=_private_last))

    def _visit_all(self, container: Any, path: str, around: Set[int]) -> None:
        if id(container) in around:
            return
        around.add(id(container))
        counts: Counter[str] = collections.Counter()
        for held in _elements(container):
            if is_layer(held):
                kind = snake_case(type(held).__name__)
                self._visit_held(held, _below(path, _numbered(kind, counts)))
            elif isinstance(held, self._containers):
                below = _below(path, _numbered("container", counts))
                self._visit_all(held, below, around)


class _Keras2Walk(_Walk):
    _containers = (list, tuple, dict, set)

    def _held(self, layer: Any) -> Iterator[Tuple[str, Any]]:
        skipped = attributes_of_any(layer)
        names = [name for name in dir(layer) if name not in skipped]
        yield from _values(layer, sorted(names, reverse=True))

    def _visit_all(self, container: Any, path: str, around: Set[int]) -> None:
        counts: Counter[str] = collections.Counter()
        for held in _elements(container):
            if is_layer(held) and id(held) not in self._seen:
                kind = snake_case(type(held).__name__)
                self._visit_held(held, _below(path, _numbered(kind, counts)))


def _private_last(name: str) -> str:
    return f"~{name}" if name.startswith("_") else name


def _values(layer: Any, names: Sequence[str]) -> Iterator[Tuple[str, Any]]:
    for name in names:
        if name.startswith("__"):
            continue
        try:
            held = getattr(layer, name)
        except Exception:  # Of a property: Keras skips it too.
            continue
        yield name, held


def attributes_of_any(layer: Any) -> FrozenSet[str]:
    """Returns the attributes that every layer has, into which Keras does not look."""
    kinds = type(layer).__mro__
    return _attributes_of(next(kind for kind in kinds if kind.__name__ == "Layer"))


@functools.lru_cache(maxsize=None)
def _attributes_of(base: Any) -> FrozenSet[str]:
    # Of an instance, as Keras has it: making one for each layer takes its time.
    return frozenset(dir(base()))


def _elements(container: Any) -> List[Any]:
    if isinstance(container, dict):
        return list(container.values())
    return list(container)


def _numbered(kind: str, counts: Counter[str]) -> str:
    number = counts[kind]
    counts[kind] += 1
    return f"{kind}_{number}" if number else kind


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _is_saved_by_keras(layer: Any) -> bool:
    for kind in type(layer).__mro__:
        if "save_own_variables" in vars(kind):
            return kind.__module__.split(".")[0] in _KERAS
    return False
