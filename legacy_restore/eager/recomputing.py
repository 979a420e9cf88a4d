"""What layers compute of their variables once, and have to compute again.

``Normalization`` of Keras divides by a tensor that it made of its variance when it was
adapted or loaded, not by the variable
(``keras/src/layers/preprocessing/normalization.py``): assigning the variables alone
changes nothing. Keras makes it again in ``finalize_state``.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from legacy_restore.eager.variables import LiveVariable
from legacy_restore.report.findings import KINDS, Finding


def recompute(variables: Sequence[LiveVariable]) -> None:
    """Lets layers compute again what they make of their variables.

    Args:
      variables: The variables that have other values now.
    """
    for layer in _recomputing(variables).values():
        layer.finalize_state()


def recomputed_remarks(name: str, variables: Sequence[LiveVariable]) -> List[Finding]:
    """Returns a remark on each layer that computes something of its variables once.

    Args:
      name: What the root is called.
      variables: The variables that get other values.
    """
    return [
        Finding(
            KINDS["state-recomputed"],
            variable,
            f"{type(layer).__name__} computes with what it makes of it once, which is "
            "made again; a tf.function that was traced before keeps the old",
            model=name,
        )
        for variable, layer in _recomputing(variables).items()
    ]


def _recomputing(variables: Sequence[LiveVariable]) -> Dict[str, Any]:
    """The layers, each by the name of its first variable."""
    found: Dict[int, LiveVariable] = {}
    for one in variables:
        if _recomputes(one.layer):
            found.setdefault(id(one.layer), one)
    return {one.name: one.layer for one in found.values()}


def _recomputes(layer: Any) -> bool:
    for kind in type(layer).__mro__:
        if "finalize_state" in vars(kind):
            return kind.__name__ != "Layer"  # That of Keras 2 does nothing.
    return False
