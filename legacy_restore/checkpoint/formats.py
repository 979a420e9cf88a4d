"""Which reader a checkpoint needs."""

from __future__ import annotations

import os

from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.keras_files import keras_format_of
from legacy_restore.checkpoint.keras_reader import KerasFile
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.v1 import V1Files
from legacy_restore.checkpoint.v1_files import shard_set_of_pattern


def open_reader(prefix: str) -> TensorReader:
    """Opens the checkpoint with a prefix, in whatever format it is.

    Args:
      prefix: What TensorFlow's own functions take to read the checkpoint.

    Raises:
      LocationError: There is no such checkpoint.
      CorruptCheckpointError: What lists its tensors is damaged.
      UnsupportedCheckpointError: It needs another reader.
      MissingDependencyError: It is compressed with snappy, and ``cramjam`` is missing;
        or Keras wrote it, and ``h5py`` is.
    """
    if os.path.isfile(prefix + ".index"):
        return Bundle(prefix)  # TensorFlow, too, looks for V2 first.
    keras = keras_format_of(prefix)
    if keras is not None:
        return KerasFile(prefix, keras)
    if os.path.isfile(prefix) or shard_set_of_pattern(prefix) is not None:
        return V1Files(prefix)
    return Bundle(prefix)
