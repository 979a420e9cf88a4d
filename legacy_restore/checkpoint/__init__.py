"""Finding and reading checkpoints, without TensorFlow."""

from legacy_restore.checkpoint.checkpoint import Checkpoint
from legacy_restore.checkpoint.location import resolve_location
from legacy_restore.checkpoint.opening import open_checkpoint, open_prefix
from legacy_restore.checkpoint.resolved import Location
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.tensor_entry import TensorEntry

__all__ = [
    "Checkpoint",
    "Location",
    "TensorEntry",
    "TensorSlice",
    "open_checkpoint",
    "open_prefix",
    "resolve_location",
]
