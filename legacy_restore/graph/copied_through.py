"""What ``save()`` copies from the checkpoint that a model was restored from.

A saved graph is imported as far as its outputs need it. What else its Saver saved -
slots, the step, another head - has no variable in the session, and would be lost: its
bytes go from the checkpoint that the model has its weights from now, unchanged.
"""

from __future__ import annotations

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.joining import Taken, join_checkpoints
from legacy_restore.checkpoint.placing import INDEX
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.writing import Writer


def copied_through(plan: GraphPlan, name: str, writer: Writer) -> Taken:
    """Returns what of a model's checkpoint is saved as it is.

    Args:
      plan: The plan that is in force: after a swap, that of the swap.
      name: The model.
      writer: What writes its variables; their keys are theirs.
    """
    written = set(writer.keys.values())
    keys = {
        key: there for key, there in plan[name].not_needed.items() if key not in written
    }
    # It is open since the plan was made, so that files which were deleted since then
    # can be read, and others of their name are not.
    return Taken(plan.opened[name].checkpoint, keys) if keys else Taken(None, {})


def join_copied(values: str, copied: Taken, target: str) -> None:
    """Writes one checkpoint of values that were written aside and of what is copied.

    Args:
      values: The prefix of the values.
      copied: What is copied.
      target: The prefix to write.

    Raises:
      CheckpointError: What is copied is damaged; nothing is written.
      WriteError: It cannot be written.
    """
    with open_checkpoint(values + INDEX) as checkpoint:
        own = Taken(checkpoint, {key: key for key in checkpoint})
        join_checkpoints(target, [own, copied])
