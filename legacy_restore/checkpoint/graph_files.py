"""Files that hold a graph and no tensors: the error that says what they are.

What is in them is read by the package ``graphdef``, above this one; here it is enough
to know one when its path was given for a checkpoint. A ``GraphDef`` begins with its
first node: field 1, in it a name (field 1) and an operation (field 2).
"""

from __future__ import annotations

import os
import re
from typing import Optional

from legacy_restore import errors
from legacy_restore.checkpoint.faults import unsupported
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.near_misses import no_checkpoint
from legacy_restore.checkpoint.wire import BYTES, FormatError, read_varint

META_SUFFIX = ".meta"

# More than any name and operation take.
_BEGIN = 4096

_OPERATION = re.compile(rb"[A-Za-z_][\w>./-]*")
_FIELD_1 = 1 << 3 | BYTES
_FIELD_2 = 2 << 3 | BYTES


def lone_meta_graph(given: str, missing: str) -> errors.LocationError:
    """Returns the error for a ``.meta`` file without its checkpoint."""
    return no_checkpoint(
        given,
        f"{given} holds a graph (MetaGraphDef) and no values; its checkpoint is not "
        f"beside it: no {missing}",
        "copy the checkpoint's .index and every .data file beside it; "
        f"legacy-restore inspect {given} shows the graph",
    )


def graph_without_tensors(path: str) -> Optional[errors.UnsupportedCheckpointError]:
    """Returns the error for a file that is a graph, or None when it is none."""
    hint = f"legacy-restore inspect {path} shows what is in it"
    if path.endswith(".pbtxt"):
        return unsupported(path, "a graph in text format, no checkpoint")
    try:
        file = PositionedFile(path)
    except (OSError, FormatError):
        return None
    try:
        begin = file.read(0, min(file.size, _BEGIN))
        is_graph = begins_with_node(begin)
    except FormatError:
        return None
    finally:
        file.close()
    if not is_graph:
        return None
    return unsupported(
        path,
        "a graph (GraphDef): what values it has are constants in it, and no checkpoint",
        hint,
    )


def saved_model_without_variables(
    given: str, directory: str, missing: str
) -> errors.LocationError:
    """Returns the error for a SavedModel that has nothing but a graph."""
    return no_checkpoint(
        given,
        f"{directory} is a SavedModel without variables: there is no {missing}",
        f"legacy-restore inspect {directory or os.curdir} shows its graph",
    )


def begins_with_node(data: bytes) -> bool:
    """Returns whether bytes are the begin of a ``GraphDef``.

    Raises:
      FormatError: They end within a number.
    """
    if not data or data[0] != _FIELD_1:
        return False
    _, position = read_varint(data, 1)
    if data[position : position + 1] != bytes([_FIELD_1]):
        return False
    size, position = read_varint(data, position + 1)
    position += size
    if data[position : position + 1] != bytes([_FIELD_2]):
        return False
    size, position = read_varint(data, position + 1)
    return _OPERATION.fullmatch(data[position : position + size]) is not None
