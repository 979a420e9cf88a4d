"""The operations that write tensors to one checkpoint, each task its own.

In one process that is one ``SaveV2``. In a cluster each task writes what it has to a
part of its own, and one of them joins the parts (``MergeV2Checkpoints``), as a
``tf.compat.v1.train.Saver`` with ``sharded=True`` does: no value travels.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Sequence, Tuple

from legacy_restore.graph.tasks import grouped_by_task
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
    """One tensor to write.

    Attributes:
      key: Its key.
      slice: Which part of a whole it is, as ``SaveV2`` takes it; empty for a whole.
      tensor: Its value, on the device where it is.
    """

    key: str
    slice: str
    tensor: Any


def make_write(filename: Any, written: Sequence[Written]) -> Tuple[Any, Sequence[str]]:
    """Adds the operations that write a checkpoint to the default graph.

    Args:
      filename: The tensor that takes the prefix.
      written: What is written.

    Returns:
      The operation to run, and the devices that write.
    """
    groups = grouped_by_task(written, [one.tensor.op.device for one in written])
    devices = [device for device, _ in groups]
    if len(groups) == 1:
        return _save(devices[0], filename, groups[0][1]), devices
    parts = []
    for number, (device, group) in enumerate(groups):
        with tf.device(device):
            part = tf.strings.join([filename, f"_temp/part-{number}-of-{len(groups)}"])
        with tf.control_dependencies([_save(device, part, group)]):
            parts.append(tf.identity(part))
    with tf.device(devices[0]):
        join = tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=tf.stack(parts), destination_prefix=filename
        )
    return join, devices


def _save(device: str, filename: Any, group: Sequence[Written]) -> Any:
    with tf.device(device):
        return tf.raw_ops.SaveV2(
            prefix=filename,
            tensor_names=[one.key for one in group],
            shape_and_slices=[one.slice for one in group],
            tensors=[one.tensor for one in group],
        )
