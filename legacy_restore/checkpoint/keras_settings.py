"""What a file of Keras says of the layers of its model, besides their weights.

The configuration is JSON that Keras wrote (``keras/src/saving/saving_lib.py``,
``keras/src/legacy/saving/legacy_h5_format.py``); nothing is made of it.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple

VERSION = "keras_version"
"""Under which name settings have the version of Keras that wrote them."""

# What a layer around others calls them.
_INSIDE = ("layer", "cell", "forward_layer")
_MAX_DEPTH = 64


def layer_settings(
    config: Optional[Mapping[str, Any]], version: Optional[str]
) -> Dict[str, Mapping[str, Any]]:
    """Returns the settings of layers by their names.

    Those of a layer around another one are the other one's. A name that several layers
    have is left out.

    Args:
      config: The configuration of a model.
      version: The version of Keras that wrote it, where that is known.
    """
    found: Dict[str, Mapping[str, Any]] = {}
    doubled = set()
    for name, settings in _walk(config, 0):
        if name in found:
            doubled.add(name)
        found[name] = {**settings, VERSION: version} if version else settings
    return {name: one for name, one in found.items() if name not in doubled}


def settings_of(
    path: Sequence[str], settings: Mapping[str, Mapping[str, Any]]
) -> Optional[Mapping[str, Any]]:
    """Returns the settings of the innermost layer on a path that has any.

    Args:
      path: The parts of the path of a weight.
      settings: What ``layer_settings`` gives.
    """
    return next((settings[one] for one in reversed(path) if one in settings), None)


def _walk(config: Any, depth: int) -> Iterator[Tuple[str, Mapping[str, Any]]]:
    if depth > _MAX_DEPTH or not isinstance(config, Mapping):
        return
    own = config.get("config")
    if isinstance(own, list):  # Of a sequential model, long ago.
        own = {"layers": own}
    if not isinstance(own, Mapping):
        return
    name = own.get("name", config.get("name"))
    if isinstance(name, str):
        yield name, _innermost(own, 0)
    layers = own.get("layers")
    for layer in layers if isinstance(layers, list) else []:
        yield from _walk(layer, depth + 1)


def _innermost(settings: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
    for name in _INSIDE:
        held = settings.get(name)
        inside = held.get("config") if isinstance(held, Mapping) else None
        if isinstance(inside, Mapping) and depth < _MAX_DEPTH:
            return _innermost(inside, depth + 1)
    return settings
