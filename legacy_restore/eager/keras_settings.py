"""In what a live layer is set otherwise than the one whose weights it gets.

Names and shapes do not show what a layer computes. A file of a whole model has its
configuration, as far as it goes: settings that change results and no shape are
compared.
"""

from __future__ import annotations

import math
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from legacy_restore.checkpoint.keras_layout import Dataset
from legacy_restore.checkpoint.keras_settings import VERSION
from legacy_restore.eager.kinds import is_keras_3
from legacy_restore.eager.variables import LiveVariable
from legacy_restore.planning.plan import Action, ModelPlan
from legacy_restore.report.findings import KINDS, Finding

_ACTIVATIONS = ("activation", "recurrent_activation")
_COMPARED = (
    *_ACTIVATIONS,
    "epsilon",
    "strides",
    "padding",
    "dilation_rate",
    "data_format",
    "reset_after",
)
# In Keras 3 it is x / 6 + 0.5, before it was 0.2 * x + 0.5.
_TWO_FUNCTIONS = "hard_sigmoid"


def settings_findings(
    model: ModelPlan,
    variables: Mapping[str, LiveVariable],
    datasets: Sequence[Dataset],
) -> List[Finding]:
    """Returns a remark on each setting in which a layer and that of the file differ.

    Args:
      model: The plan of a root.
      variables: Its variables by name.
      datasets: What the file has.
    """
    stored = {one.key: one for one in datasets if one.settings is not None}
    layers: Dict[int, Tuple[str, Any, Mapping[str, Any]]] = {}
    for row in model.rows_to(Action.RESTORE):
        layer = variables[row.variable.name].layer
        if row.key in stored and layer is not None:
            owner = row.variable.name.rpartition("/")[0] or row.variable.name
            settings = stored[row.key].settings or {}
            layers.setdefault(id(layer), (owner, layer, settings))
    return [
        Finding(
            KINDS["settings-differ"],
            owner,
            f"{setting} is {found} in {owner}, and was {expected} when it was saved",
            model=model.name,
            expected=expected,
            found=found,
        )
        for owner, layer, settings in layers.values()
        for setting, expected, found in _differing(layer, settings)
    ]


def _differing(
    layer: Any, settings: Mapping[str, Any]
) -> Iterator[Tuple[str, str, str]]:
    try:
        live = layer.get_config()
    except Exception:  # A layer of the user's own need not have any.
        return
    is_of_keras_2 = not str(settings.get(VERSION, "3")).startswith("3")
    for name in _COMPARED:
        if name not in settings or name not in live:
            continue
        stored = _plain(name, settings[name], is_of_keras_2)
        own = _plain(name, live[name], not is_keras_3(layer))
        if not _same(stored, own):
            yield name, str(stored), str(own)


def _plain(name: str, value: Any, is_of_keras_2: bool) -> Any:
    """A setting in the form that both sides share."""
    if isinstance(value, Mapping):  # A function, or an object with a name.
        value = value.get("config", value.get("class_name"))
    if name in _ACTIVATIONS and value is None:
        value = "linear"
    if value == _TWO_FUNCTIONS and is_of_keras_2:
        value = f"{_TWO_FUNCTIONS} of Keras 2"
    return tuple(value) if isinstance(value, list) else value


def _same(stored: Any, live: Any) -> bool:
    numbers = (int, float)
    if isinstance(stored, numbers) and isinstance(live, numbers):
        return math.isclose(stored, live, rel_tol=1e-6)
    if isinstance(stored, tuple) != isinstance(live, tuple):
        # One number stands for all axes.
        one, several = (live, stored) if isinstance(stored, tuple) else (stored, live)
        return all(_same(one, each) for each in several)
    return bool(stored == live)
