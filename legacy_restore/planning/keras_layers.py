"""Pairing the layers of a model with those that a file of Keras lists.

Keras restores such a file by the order of its layers, and in each layer by the order of
its weights (``keras/src/legacy/saving/legacy_h5_format.py``): names are numbered anew
in each program. Whether a layer was frozen changes the order of weights, and Keras
takes one for the other where shapes allow it. Here what names say has to agree: what
the weights of a layer are called themselves, and by which numbers layers of one type
follow each other.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import Counter, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

_NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")

_CELL = re.compile(r"(lstm|gru|simple_rnn|conv_lstm)_cell(_\d+)?")

_RENAMED = {"depthwise_kernel": "kernel"}


class LayerWeight(NamedTuple):
    """A weight of a layer.

    Attributes:
      path: What it is called, below its layer or with it.
      name: The variable's name, or the key of the tensor.
    """

    path: str
    name: str


@dataclasses.dataclass(frozen=True)
class LayerWeights:
    """A layer.

    Attributes:
      name: Its name.
      weights: Its weights in their order.
    """

    name: str
    weights: Tuple[LayerWeight, ...]


def pair_layers(
    live: Sequence[LayerWeights], stored: Sequence[LayerWeights]
) -> Dict[str, str]:
    """Returns the keys of variables, by their names.

    Args:
      live: The layers of a model in their order.
      stored: Those of a file.

    Returns:
      The keys of all that names and order agree about. Nothing where they do not agree
      about the layers, nothing of a layer where they do not about its weights.
    """
    live = [one for one in live if one.weights]
    stored = [one for one in stored if one.weights]
    of_file = {one.name: one for one in stored}
    if {one.name for one in live} == set(of_file) and len(live) == len(stored):
        pairs = [(one, of_file[one.name]) for one in live]
    elif _agree([one.name for one in live], [one.name for one in stored]):
        pairs = list(zip(live, stored))
    else:
        return {}
    found: Dict[str, str] = {}
    for one, other in pairs:
        found.update(_paired_weights(one, other))
    return found


def owners_agree(
    live: Sequence[Sequence[str]], stored: Sequence[Sequence[str]]
) -> bool:
    """Returns whether the layers that hold weights can be those of a file.

    Where a file has no names for all of them, nothing speaks against it.

    Args:
      live: Names of the layers that hold each weight, from the outside inwards.
      stored: Those of the file for the same weights.
    """
    pairs = [(tuple(one), tuple(other)) for one, other in zip(live, stored)]
    return _owners_agree([(o, other) for o, other in pairs if len(o) == len(other)])


def own_name(path: str) -> str:
    """Returns what a weight is called in its layer, by today's name of it.

    ``DepthwiseConv2D`` calls it ``kernel`` since Keras 3.
    """
    name = path.rpartition("/")[2].partition(":")[0]
    return _RENAMED.get(name, name)


def _paired_weights(live: LayerWeights, stored: LayerWeights) -> Dict[str, str]:
    mine, theirs = _by_path(live), _by_path(stored)
    if mine is not None and theirs is not None and set(mine) == set(theirs):
        return {mine[path]: theirs[path] for path in mine}
    paths = [_below(live.name, one.path) for one in live.weights]
    others = [_below(stored.name, one.path) for one in stored.weights]
    if [own_name(path) for path in paths] != [own_name(path) for path in others]:
        return {}
    owners = [(_owners(one), _owners(other)) for one, other in zip(paths, others)]
    if not _owners_agree(owners):
        return {}
    pairs = zip(live.weights, stored.weights)
    return {one.name: other.name for one, other in pairs}


def _by_path(layer: LayerWeights) -> Optional[Mapping[str, str]]:
    """The weights of a layer by their paths; None where two have one."""
    found = {_below(layer.name, one.path): one.name for one in layer.weights}
    return found if len(found) == len(layer.weights) else None


def _below(layer: str, path: str) -> str:
    """The path of a weight below its layer."""
    parts = path.split("/")
    start = parts.index(layer) + 1 if layer in parts[:-1] else 0
    return "/".join([*parts[start:-1], own_name(path)])


def _owners(path: str) -> Tuple[str, ...]:
    """What holds a weight in its layer, without the cells that only later Keras has."""
    return tuple(one for one in path.split("/")[:-1] if not _CELL.fullmatch(one))


def _owners_agree(pairs: Sequence[Tuple[Tuple[str, ...], Tuple[str, ...]]]) -> bool:
    """Returns whether what holds weights can be the same, from the outside inwards."""
    pairs = [pair for pair in pairs if any(pair)]
    if not pairs:
        return True
    if not all(one and other for one, other in pairs):
        # What one side has no name for holds all of them, or nothing does.
        return len(set(pairs)) == 1
    if not _agree([one[0] for one, _ in pairs], [other[0] for _, other in pairs]):
        return False
    inside: Dict[str, List[Tuple[Tuple[str, ...], Tuple[str, ...]]]] = {}
    for one, other in pairs:
        inside.setdefault(one[0], []).append((one[1:], other[1:]))
    return all(_owners_agree(of_one) for of_one in inside.values())


def _agree(live: Sequence[str], stored: Sequence[str]) -> bool:
    """Returns whether names in their order can be those of the same things.

    Each name has to stand for one other. Of a type that both sides have as often, each
    stands for one of the type, and their numbers follow each other alike.
    """
    if len(live) != len(stored):
        return False
    pairs = list(dict.fromkeys(zip(live, stored)))
    mine, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    if len(set(mine)) < len(pairs) or len(set(theirs)) < len(pairs):
        return False
    counts, others = _count_types(mine), _count_types(theirs)
    numbers: Dict[str, List[Tuple[int, int]]] = {}
    for one, other in pairs:
        (kind, number), (other_kind, other_number) = _split(one), _split(other)
        if kind == other_kind:
            numbers.setdefault(kind, []).append((number, other_number))
        elif any(counts[each] == others[each] for each in (kind, other_kind)):
            return False
    return all(
        [their for _, their in sorted(of_type)] == sorted(their for _, their in of_type)
        for of_type in numbers.values()
    )


def _count_types(names: Sequence[str]) -> Counter[str]:
    return collections.Counter(_split(name)[0] for name in names)


def _split(name: str) -> Tuple[str, int]:
    """The type of a layer, and its number, as far as its name tells."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return name, 0
    return match.group(1), int(match.group(2) or 0)
