"""Layers that Keras numbered, by the order of their numbers.

Keras counts the layers of a type over a whole process or graph
(``keras/backend.py``, ``get_uid``): a model that is built a second time has
``dense_2`` where the first had ``dense``, and standalone Keras counts from one. Layers
of one type are paired in the order of their numbers, type by type; only where as many
stand on either side and each has all that the model's has, of the same types.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.mapping.packs.numbers import fits
from legacy_restore.mapping.packs.pack import NameChange, RulePack, TypedName
from legacy_restore.mapping.packs.slots import renamed_with_slots

_TYPES = (
    "dense|embedding|conv1d|conv2d|conv3d|conv1d_transpose|conv2d_transpose"
    "|conv3d_transpose|separable_conv1d|separable_conv2d|depthwise_conv1d"
    "|depthwise_conv2d|locally_connected1d|locally_connected2d|batch_normalization"
    "|layer_normalization|group_normalization|p_re_lu|lstm|gru|simple_rnn|rnn"
    "|cu_dnnlstm|cu_dnngru|conv_lstm2d|bidirectional|time_distributed|forward_lstm"
    "|backward_lstm|forward_gru|backward_gru|forward_simple_rnn|backward_simple_rnn"
    "|lstm_cell|gru_cell|simple_rnn_cell|multi_head_attention|attention"
    "|sequential|model|functional"
)
_LAYER = re.compile(rf"({_TYPES})(?:_(\d+))?")


class _Scope:
    """What stands below a part of names."""

    def __init__(self) -> None:
        """Has nothing in it."""
        self.variables: Dict[str, TypedName] = {}
        self.scopes: Dict[str, _Scope] = {}

    def layers(self) -> Dict[str, List[str]]:
        """Returns the names of layers by their type, in the order of their numbers."""
        found: Dict[str, List[Tuple[int, str]]] = {}
        for name in self.scopes:
            match = _LAYER.fullmatch(name)
            if match is not None:
                number = int(match.group(2) or 0)
                found.setdefault(match.group(1), []).append((number, name))
        return {kind: [name for _, name in sorted(of)] for kind, of in found.items()}


def _tree(names: Sequence[TypedName]) -> _Scope:
    root = _Scope()
    for typed in names:
        *parts, last = typed.name.split("/")
        scope = root
        for part in parts:
            scope = scope.scopes.setdefault(part, _Scope())
        scope.variables[last] = typed
    return root


def _rename_numbers(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    found: Dict[str, str] = {}
    for stored, needed in _same_scopes(_layered(_tree(keys)), _layered(_tree(wanted))):
        of_file, of_model = stored.layers(), needed.layers()
        for kind, names in of_model.items():
            pairs = _paired_layers(stored, needed, of_file.get(kind, []), names)
            found.update(pairs or {})
    # Without those that keep theirs nothing tells that a new name is taken.
    variables = {old: new for old, new in found.items() if old != new}
    kept = {key.name for key in keys} - set(variables)
    return {} if kept & set(variables.values()) else renamed_with_slots(keys, variables)


def _layered(root: _Scope) -> _Scope:
    """Returns the scope in which layers stand, if all stand in one."""
    while not root.layers() and len(root.scopes) == 1:
        root = next(iter(root.scopes.values()))
    return root


def _same_scopes(stored: _Scope, needed: _Scope) -> List[Tuple[_Scope, _Scope]]:
    """Returns pairs of scopes that are called the same, outside of layers."""
    found = [(stored, needed)]
    for name, scope in needed.scopes.items():
        if name in stored.scopes and not _LAYER.fullmatch(name):
            found += _same_scopes(stored.scopes[name], scope)
    return found


def _paired_layers(
    stored: _Scope, needed: _Scope, old: Sequence[str], new: Sequence[str]
) -> Optional[Dict[str, str]]:
    """Returns new names of the variables of layers of one type; None if any differs."""
    if len(old) != len(new):
        return None
    found: Dict[str, str] = {}
    for one, other in zip(old, new):
        pairs = _paired(stored.scopes[one], needed.scopes[other])
        if pairs is None:
            return None
        found.update(pairs)
    return found


def _paired(stored: _Scope, needed: _Scope) -> Optional[Dict[str, str]]:
    """Returns the new name of each variable of a layer; None if one is not there."""
    found: Dict[str, str] = {}
    for name, typed in needed.variables.items():
        one = stored.variables.get(name)
        if one is None or not fits(one, typed):
            return None
        found[one.name] = typed.name
    of_file, of_model = stored.layers(), needed.layers()
    steps = [
        _paired_layers(stored, needed, of_file.get(kind, []), names)
        for kind, names in of_model.items()
    ]
    for name, scope in needed.scopes.items():
        if not _LAYER.fullmatch(name):
            inside = stored.scopes.get(name)
            steps.append(None if inside is None else _paired(inside, scope))
    for step in steps:
        if step is None:
            return None
        found.update(step)
    return found


def _typed(*names: str) -> Tuple[TypedName, ...]:
    shapes: Tuple[Tuple[object, ...], ...] = ((4, 3), (3, 2))
    return tuple(TypedName(name, "float32", size) for name, size in zip(names, shapes))


_STORED = _typed("dense_7/kernel", "dense_9/kernel")
_WANTED = _typed("dense/kernel", "dense_1/kernel")

KERAS_NUMBERS = RulePack(
    name="keras-numbers",
    version=1,
    title="layers that Keras numbered, by the order of their numbers",
    source="https://github.com/keras-team/keras/issues/11019",
    changes=(
        NameChange("the first", "dense_7/kernel", "dense/kernel", _STORED, _WANTED),
        NameChange("the second", "dense_9/kernel", "dense_1/kernel", _STORED, _WANTED),
        NameChange(
            "its slot",
            "dense_7/kernel/Adam",
            "dense/kernel/Adam",
            (*_STORED, TypedName("dense_7/kernel/Adam", "float32", (4, 3))),
            _WANTED,
        ),
    ),
    rename=_rename_numbers,
)
