"""Which key each variable of a live model has by the layers of a file of Keras."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Tuple

from legacy_restore.checkpoint.keras_layout import Dataset
from legacy_restore.eager.keras_saving import (
    layers_in_order,
    saved_paths,
    variable_path,
)
from legacy_restore.eager.kinds import Role, is_layer, variable_of
from legacy_restore.eager.walking import LiveObjects
from legacy_restore.planning.keras_layers import (
    LayerWeight,
    LayerWeights,
    own_name,
    owners_agree,
    pair_layers,
)
from legacy_restore.planning.spec import Source


def keras_ways(
    source: Source, live: LiveObjects, names: Mapping[int, str]
) -> Dict[str, Mapping[str, str]]:
    """Returns the ways in which the layers of a root and of a file go together.

    Args:
      source: A file of Keras.
      live: What the root holds: it is a layer, or holds some.
      names: The names of its variables, by the identity of TensorFlow's variable.

    Returns:
      The key of each variable that has one by its name, by what the way is in words.
    """
    return {
        f"{way}{label}": keys
        for model, label in _models(live)
        for way, keys in _ways_of(source, model, names)
    }


def _models(live: LiveObjects) -> Iterator[Tuple[Any, str]]:
    """The layer that is the root, or that it holds, and where."""
    root = live.objects[0].it
    if is_layer(root):
        yield root, ""
        return
    for name, number in live.children[0].items():
        held = live.objects[number]
        if is_layer(held.it) and held.role is Role.WEIGHT:
            yield held.it, f" of {name}"


def _ways_of(
    source: Source, model: Any, names: Mapping[int, str]
) -> Iterator[Tuple[str, Dict[str, str]]]:
    datasets = [one for one in source.keras_datasets if one.holder is None]
    stored: Dict[str, List[LayerWeight]] = {}
    for one in datasets:
        if one.layer is not None:
            stored.setdefault(one.layer, []).append(LayerWeight(one.key, one.key))
    if stored:
        layers = [LayerWeights(layer, tuple(of)) for layer, of in stored.items()]
        for number, order in enumerate(layers_in_order(model, names)):
            label = "layers in their order" + (", as if frozen" if number else "")
            yield label, pair_layers(order, layers)
        return
    for paths, library in zip(saved_paths(model), ("Keras 3", "Keras 2")):
        found = {}
        pairs = []
        for one in datasets:
            saved = paths.get(one.path)
            name = None if saved is None else names.get(id(variable_of(saved.it)))
            if saved is not None and name is not None and _may_be(one, saved.it):
                found[name] = one.key
                pairs.append((saved.owners, one.owners))
        # Paths have numbers where layers have names, and these may be others.
        live, told = [one for one, _ in pairs], [other for _, other in pairs]
        agreed = found if owners_agree(live, told) else {}
        yield f"layers by their paths, as {library} has them", agreed


def _may_be(one: Dataset, variable: Any) -> bool:
    """Returns whether the name of a weight, where it is known, is a variable's own."""
    return one.is_numbered or own_name(one.key) == own_name(variable_path(variable))
