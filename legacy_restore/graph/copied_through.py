"""What ``save()`` copies from the checkpoint that a model was restored from.

A saved graph is imported as far as its outputs need it. What else its Saver saved -
slots, the step, another head - has no variable in the session, and would be lost: its
bytes go from the checkpoint that the model has its weights from now, unchanged.
"""

from __future__ import annotations

import dataclasses
from typing import Mapping, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.joining import Taken, join_checkpoints
from legacy_restore.checkpoint.placing import INDEX
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.writing import Writer
from legacy_restore.mapping import waivers
from legacy_restore.planning.unused import unused_waiver
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.stored import HeldTensors


@dataclasses.dataclass(frozen=True, eq=False)
class CopiedThrough:
    """What is saved as a checkpoint has it.

    Attributes:
      opened: The checkpoint, as it was when the plan was made; None without keys.
      keys: The key there, by the key under which it is saved.
    """

    opened: Optional[Opened] = None
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)


def copied_through(
    plan: GraphPlan, name: str, writer: Writer, allow_lost: Sequence[str] = ()
) -> CopiedThrough:
    """Returns what of a model's checkpoint is saved as it is.

    Args:
      plan: The plan that is in force: after a swap, that of the swap.
      name: The model.
      writer: What writes its variables; their keys are theirs.
      allow_lost: Patterns of keys that are not to be copied.

    Raises:
      RestoreError: A pattern matches nothing that would be copied.
      UsageError: It is no list of patterns.
    """
    patterns = waivers.check_patterns("allow_lost", allow_lost)
    written = set(writer.keys.values())
    keys = {
        key: there for key, there in plan[name].copied.items() if key not in written
    }
    what = "no key that would be copied"
    unused = [
        unused_waiver(name, "allow_lost", pattern, what)
        for pattern in waivers.unused(patterns, keys)
    ]
    if unused:
        text = refusal_text(f"model {name!r} is not saved", unused)
        raise errors.RestoreError(text, findings=unused)
    lost = waivers.permitted(patterns, keys)
    keys = {key: there for key, there in keys.items() if key not in lost}
    return CopiedThrough(plan.opened[name], keys) if keys else CopiedThrough()


def join_copied(values: str, copied: CopiedThrough, target: str) -> None:
    """Writes one checkpoint of values that were written aside and of what is copied.

    Args:
      values: The prefix of the values.
      copied: What is copied.
      target: The prefix to write.

    Raises:
      CheckpointError: What is copied is damaged, or its files are no longer those of
        the plan; nothing is written.
      WriteError: It cannot be written.
    """
    assert copied.opened is not None
    with HeldTensors(copied.opened) as held, open_checkpoint(values + INDEX) as own:
        taken = Taken(own, {key: key for key in own})
        join_checkpoints(target, [taken, Taken(held.checkpoint, copied.keys)])
