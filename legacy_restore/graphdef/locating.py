"""Which file of saved graphs a location names, told from names alone.

It is apart from what reads such files, so that looking at a checkpoint loads none of
it.
"""

from __future__ import annotations

import os
from typing import Optional

from legacy_restore.checkpoint.graph_files import META_SUFFIX

SAVED_MODEL_FILE = "saved_model.pb"
BUNDLE_FILE = "export" + META_SUFFIX
HUB_FILE = "tfhub_module.pb"
TEXT_SUFFIX = ".pbtxt"
SAVED_MODEL_TEXT = "saved_model" + TEXT_SUFFIX
_STATE_FILE = "checkpoint"
_SUFFIXES = (META_SUFFIX, ".pb", TEXT_SUFFIX)


def find_graph_file(given: str) -> Optional[str]:
    """Returns the file of saved graphs that a location names, or None.

    A directory with a SavedModel or a session bundle names its graph; a training
    directory, a prefix and a file of tensors name a checkpoint.
    """
    if os.path.isdir(given):
        names = [SAVED_MODEL_FILE, SAVED_MODEL_TEXT]
        # With a state file it is a training run, of which some model is called so.
        if not os.path.isfile(os.path.join(given, _STATE_FILE)):
            names.append(BUNDLE_FILE)
        for name in names:
            path = os.path.join(given, name)
            if os.path.isfile(path):
                return path
        return None
    is_graph = given.endswith(_SUFFIXES)
    return given if is_graph and os.path.isfile(given) else None
