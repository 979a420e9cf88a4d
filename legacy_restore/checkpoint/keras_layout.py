"""Under which names the datasets of a Keras file are read.

Two layouts. Keras 1 and 2 (``keras/src/legacy/saving/legacy_h5_format.py``): a group
for each layer of ``layer_names``, whose attribute ``weight_names`` names its datasets
(``dense/kernel:0``), in the group ``model_weights`` if the optimizer's weights are
there too. Both attributes are cut in pieces if they are long: ``weight_names0`` and so
on.

Keras 3 (``keras/src/saving/saving_lib.py``): a group for each object that a model
holds, named for its class and counted (``layers/dense_1``), with variables by number in
``vars``. The name of the object is an attribute of ``vars`` in later releases; else the
configuration has it. What a number stands for is known of layers of Keras itself whose
configuration is there.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.checkpoint.keras_settings import (
    VERSION,
    layer_settings,
    settings_of,
)
from legacy_restore.checkpoint.wire import FormatError

OPTIMIZER = "optimizer"
METRICS = "metrics"

_VARS = "vars"
# What holds the layers of a model, here and in earlier releases.
_LAYERS = frozenset(["layers", "_layer_checkpoint_dependencies"])
_HOLDERS = {"optimizer": OPTIMIZER, "metrics": METRICS, "compile_metrics": METRICS}
_MAX_DEPTH = 64
_BIASED = ("kernel", "bias")
# What the layers of Keras have, in the order in which they are saved, and the setting
# without which one is not there.
_VARIABLES: Mapping[str, Sequence[str]] = {
    "Dense": _BIASED,
    "EinsumDense": _BIASED,
    "Conv1D": _BIASED,
    "Conv2D": _BIASED,
    "Conv3D": _BIASED,
    "Conv1DTranspose": _BIASED,
    "Conv2DTranspose": _BIASED,
    "Conv3DTranspose": _BIASED,
    "Embedding": ("embeddings",),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "LayerNormalization": ("gamma", "beta"),
}
_SETTINGS = {"bias": "use_bias", "gamma": "scale", "beta": "center"}


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One tensor of a Keras file.

    Attributes:
      key: The name under which it is read.
      path: Its path in the HDF5 file.
      holder: ``"optimizer"`` or ``"metrics"`` of what a model runs without, else None.
      is_numbered: Whether the key has a number where a name would be.
      layer: The layer that has it, where the file lists layers, else None.
      settings: How that layer was configured, where the file has it.
      owners: Where the file counts objects, the names that it has of those that hold
        it, from the outside inwards, but for that of the model itself.
    """

    key: str
    path: str
    holder: Optional[str] = None
    is_numbered: bool = False
    layer: Optional[str] = None
    settings: Optional[Mapping[str, Any]] = dataclasses.field(
        default=None, repr=False, compare=False
    )
    owners: Tuple[str, ...] = ()


def keras_layout(
    groups: Mapping[str, Mapping[str, Any]],
    paths: Sequence[str],
    config: Optional[Mapping[str, Any]],
) -> List[Dataset]:
    """Names the datasets of a Keras file.

    Args:
      groups: The attributes of each group, by its path; that of the root is empty.
      paths: The paths of all datasets.
      config: The configuration of the model, where the file has one.

    Returns:
      What is understood; other datasets are not in it.

    Raises:
      FormatError: Keras did not write such a file, or it contradicts itself.
    """
    settings = layer_settings(config, _version(groups))
    for root in ("model_weights", ""):
        if _list(groups.get(root, {}), "layer_names") is not None:
            legacy = _legacy(groups, set(paths), root, settings)
            return _unique([*legacy, *_optimizer(groups, paths)])
    found = list(_numbered(groups, paths, config, settings))
    if not found:
        raise FormatError("an HDF5 file without a layout of Keras")
    return _unique(found)


def _legacy(
    groups: Mapping[str, Mapping[str, Any]],
    paths: Any,
    root: str,
    settings: Mapping[str, Mapping[str, Any]],
) -> Iterator[Dataset]:
    layers = _list(groups[root], "layer_names") or []
    for layer in dict.fromkeys([*layers, "top_level_model_weights"]):
        group = f"{root}/{layer}" if root else layer
        for name in _list(groups.get(group, {}), "weight_names") or []:
            if f"{group}/{name}" not in paths:
                raise FormatError(f"{group} names {name}, which is not there")
            key = _plain(name)
            of_layer = settings_of([layer, *key.split("/")], settings)
            yield Dataset(key, f"{group}/{name}", layer=layer, settings=of_layer)


def _version(groups: Mapping[str, Mapping[str, Any]]) -> Optional[str]:
    for root in ("", "model_weights"):
        if VERSION in groups.get(root, {}):
            return _text(groups[root][VERSION])
    return None


def _optimizer(
    groups: Mapping[str, Mapping[str, Any]], paths: Sequence[str]
) -> Iterator[Dataset]:
    group = "optimizer_weights"
    for name in _list(groups.get(group, {}), "weight_names") or []:
        if f"{group}/{name}" not in paths:
            raise FormatError(f"{group} names {name}, which is not there")
        yield Dataset(_plain(name), f"{group}/{name}", OPTIMIZER)


def _plain(name: str) -> str:
    return re.sub(r":\d+$", "", name)


def _list(attributes: Mapping[str, Any], name: str) -> Optional[List[str]]:
    """An attribute that is a list of names, put together of its pieces."""
    if name in attributes:
        return [_text(one) for one in attributes[name]]
    pieces: List[str] = []
    number = 0
    while f"{name}{number}" in attributes:
        pieces += [_text(one) for one in attributes[f"{name}{number}"]]
        number += 1
    return pieces if number else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def _numbered(
    groups: Mapping[str, Mapping[str, Any]],
    paths: Sequence[str],
    config: Optional[Mapping[str, Any]],
    settings: Mapping[str, Mapping[str, Any]],
) -> Iterator[Dataset]:
    counts = collections.Counter(path.rpartition("/")[0] for path in paths)
    for path in paths:
        group, _, number = path.rpartition("/")
        *owners, last = group.split("/")
        if last != _VARS or not number.isdigit() or len(owners) > _MAX_DEPTH:
            continue
        holder = _HOLDERS.get(owners[0]) if owners else None
        at: Optional[Mapping[str, Any]] = config
        names: List[str] = []
        given_names: List[str] = []
        for end in range(1, len(owners) + 1):
            if owners[end - 1] in _LAYERS:
                continue
            at = _config_of(at, owners[end - 1]) if end > 1 else None
            given = groups.get("/".join([*owners[:end], _VARS]), {}).get("name")
            name = _settings(at).get("name") if given is None else _text(given)
            given_names += [name] if isinstance(name, str) else []
            names.append(name if isinstance(name, str) else owners[end - 1])
        variables = _variables_of(at, counts[group])
        is_known = variables is not None and int(number) < len(variables)
        own = variables[int(number)] if variables and is_known else f"{_VARS}/{number}"
        of_layer = settings_of(names, settings)
        key = "/".join([*names, own])
        yield Dataset(
            key,
            path,
            holder,
            not is_known,
            settings=of_layer,
            owners=tuple(given_names),
        )


def _settings(config: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
    found = config.get("config") if isinstance(config, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _config_of(
    model: Optional[Mapping[str, Any]], group: str
) -> Optional[Mapping[str, Any]]:
    """The configuration of the layer that is saved in a group of a model's layers."""
    counted: Dict[str, int] = collections.Counter()
    layers = _settings(model).get("layers")
    for layer in layers if isinstance(layers, list) else []:
        if not isinstance(layer, Mapping):
            return None
        name = snake_case(str(layer.get("class_name")))
        number = counted[name]
        counted[name] += 1
        if group == (f"{name}_{number}" if number else name):
            return layer
    return None


def snake_case(name: str) -> str:
    """Returns a name as ``to_snake_case`` in ``keras/src/utils/naming.py`` has it."""
    name = re.sub(r"\W+", "", name.rpartition(">")[2])
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _variables_of(
    layer: Optional[Mapping[str, Any]], count: int
) -> Optional[Tuple[str, ...]]:
    """The names of a layer's variables, None where that is not known."""
    if layer is None or layer.get("registered_name") not in (
        None,
        layer.get("class_name"),
    ):
        return None
    if not str(layer.get("module", "keras.layers")).startswith("keras"):
        return None
    settings = _settings(layer)
    names = tuple(
        name
        for name in _VARIABLES.get(str(layer.get("class_name")), ())
        if settings.get(_SETTINGS.get(name, ""), True)
    )
    return names if len(names) == count else None


def _unique(found: List[Dataset]) -> List[Dataset]:
    """Gives datasets of one name their paths, which they alone have."""
    counts = collections.Counter(one.key for one in found)
    return [
        dataclasses.replace(one, key=one.path) if counts[one.key] > 1 else one
        for one in found
    ]
