"""One checkpoint of tensors of others, their bytes copied as they are stored.

Nothing is decoded, so that dtypes that NumPy lacks, slices and tensors of which only
some slices are stored stay what they are. Every byte is compared with its checksum on
the way.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Iterable, Mapping, Sequence

from legacy_restore.checkpoint.bundle_writer import BundleWriter
from legacy_restore.checkpoint.checkpoint import Checkpoint
from legacy_restore.checkpoint.copied_bytes import CopiedPart
from legacy_restore.checkpoint.placing import PrefixLike
from legacy_restore.checkpoint.tensor_entry import TensorEntry


@dataclasses.dataclass(frozen=True, eq=False)
class Taken:
    """What is taken from one checkpoint.

    Attributes:
      checkpoint: The checkpoint, open.
      keys: The key there, by the key that the tensor gets.
    """

    checkpoint: Checkpoint
    keys: Mapping[str, str]


def join_checkpoints(prefix: PrefixLike, sources: Sequence[Taken]) -> None:
    """Writes a checkpoint of one data file, read back before it takes its name.

    Args:
      prefix: Its prefix, under which there is none yet.
      sources: What is taken from which checkpoint; no key twice.

    Raises:
      CheckpointError: A source cannot be read, or is damaged; nothing is written.
      UsageError: A key is there twice.
      WriteError: The checkpoint cannot be written.
    """
    one_file: Mapping[int, int] = collections.defaultdict(int)
    with BundleWriter(prefix) as writer:
        for one in sources:
            for key in sorted(one.keys):
                entry = one.checkpoint.entry(one.keys[key])
                parts = one.checkpoint.copied_parts(entry.key)
                add_copied(writer, key, entry, parts, one_file)
        writer.finish()


def add_copied(
    writer: BundleWriter,
    key: str,
    entry: TensorEntry,
    parts: Iterable[CopiedPart],
    shards: Mapping[int, int],
) -> None:
    """Writes a tensor as it is stored elsewhere, in its parts.

    Args:
      writer: What writes it.
      key: The key that it gets.
      entry: What the checkpoint says that it comes from.
      parts: Those of its parts that are to be written.
      shards: The number of the data file to write to, by that of the one that a part
        comes from.

    Raises:
      CheckpointError: It does not match its checksums, or cannot be copied.
    """
    for one in parts:
        shard = shards[one.shard]
        if entry.num_elements:
            writer.add_slice(key, entry.shape, one.part, one.tensor, shard)
        else:  # One slice without elements stands for the whole.
            writer.add(key, dataclasses.replace(one.tensor, shape=entry.shape), shard)
            return
