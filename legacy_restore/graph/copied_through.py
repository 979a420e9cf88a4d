"""What ``save()`` copies from the checkpoint that a model was restored from.

A saved graph is imported as far as its outputs need it. What else its Saver saved -
slots, the step, another head - has no variable in the session, and would be lost: its
bytes go from the checkpoint that the model has its weights from now, unchanged.
"""

from __future__ import annotations

import contextlib
from typing import Iterator

from legacy_restore.checkpoint import open_checkpoint, open_prefix
from legacy_restore.checkpoint.joining import Taken, join_checkpoints
from legacy_restore.checkpoint.placing import INDEX
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.refusals import refuse_if_changed
from legacy_restore.graph.writing import Writer


@contextlib.contextmanager
def copied_through(plan: GraphPlan, name: str, writer: Writer) -> Iterator[Taken]:
    """Gives what of a model's checkpoint is saved as it is.

    Args:
      plan: The plan that is in force: after a swap, that of the swap.
      name: The model.
      writer: What writes its variables; their keys are theirs.

    Raises:
      RestoreError: The files are not those of the plan any more, or are gone.
      CheckpointError: They cannot be opened.
    """
    written = set(writer.keys.values())
    keys = {
        key: there for key, there in plan[name].not_needed.items() if key not in written
    }
    if not keys:
        yield Taken(None, {})
        return
    opened = plan.opened[name]
    with open_prefix(opened.prefix) as checkpoint:
        refuse_if_changed({name: opened})
        yield Taken(checkpoint, keys)


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
