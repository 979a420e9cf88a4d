"""A Saver over what was restored, for whoever wants TensorFlow's own.

Nothing here needs one: making it takes longer than restoring thousands of variables, so
it is made when it is first asked for.
"""

from __future__ import annotations

from typing import Any, Dict

from legacy_restore.graph.reading_order import units_of
from legacy_restore.graph.renamed import RenamedSaveable
from legacy_restore.graph.restore_graph import Restorable, entered
from legacy_restore.planning.plan import Action
from legacy_restore.tf import tf


def make_saver(graph: Any, model: Restorable) -> Any:
    """Returns a ``tf.compat.v1.train.Saver`` over what is restored, or None.

    Of variables that share a key it has the first, as no Saver takes a key twice.

    Args:
      graph: The graph; the Saver's operations are added.
      model: The model.
    """
    saved: Dict[str, Any] = {}
    for unit in units_of(model.plan.rows_to(Action.RESTORE)):
        first = unit[0].variable.name
        keys = {row.variable.name: str(row.key) for row in unit}
        if first in model.variables:
            saveable = model.variables[first].saveable
        else:
            saveable = RenamedSaveable(model.saveables[first], keys)
        if not set(keys.values()) & set(saved):
            saved[keys[first]] = saveable
    if not saved:
        return None
    with entered(graph, model.plan.scope):
        return tf.train.Saver(saved)
