"""Giving the consumers of one tensor another one.

TensorFlow has no public way to change a graph. What is used here was there in 1.15 and
is in 2.21; should it go, wiring is refused and nothing else.
"""

from __future__ import annotations

from typing import Any

from legacy_restore import errors

_NEEDED = (
    "_update_input",
    "_control_outputs",
    "_remove_all_control_inputs",
    "_add_control_inputs",
)


def move_edges(old: Any, new: Any) -> None:
    """Makes everything that takes a tensor take another one.

    Args:
      old: A tensor of a graph; operations that wait for its operation will wait for
        that of the other.
      new: A tensor of the same graph, of the same dtype and a compatible shape, that
        does not depend on the first.

    Raises:
      BuildError: This TensorFlow cannot do it.
    """
    for name in _NEEDED:
        if not hasattr(old.op, name):
            raise errors.BuildError(
                f"connect: operations of this TensorFlow have no {name}",
                hint="run one model after the other, and feed the result",
            )
    for consumer in old.consumers():
        for index, taken in enumerate(consumer.inputs):
            if taken is old or taken.name == old.name:
                consumer._update_input(index, new)
    if len(old.op.outputs) > 1:
        return  # Whoever waits for the operation may mean its other outputs.
    for waiting in list(old.op._control_outputs):
        kept = [one for one in waiting.control_inputs if one is not old.op]
        waiting._remove_all_control_inputs()
        waiting._add_control_inputs([*kept, new.op])
