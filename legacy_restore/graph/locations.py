"""Whether a model has a checkpoint, and which."""

from __future__ import annotations

import os
from typing import Optional

from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph.graph_source import GraphSource, SourceForm
from legacy_restore.graph.model import Model
from legacy_restore.graphdef.locating import BUNDLE_FILE, find_graph_file

_VARIABLES = "variables"


def checkpoint_of(model: Model) -> Optional[LocationLike]:
    """Returns the location of a model's checkpoint, or None where it has none.

    A SavedModel without variables has no directory for them, and a frozen graph no
    checkpoint at all.
    """
    source = model.build
    if not isinstance(source, GraphSource) or model.checkpoint is None:
        return model.checkpoint
    directory = os.fspath(model.checkpoint)
    if source.form is not SourceForm.SAVED_MODEL or directory != source.path:
        return model.checkpoint
    file = find_graph_file(directory)
    if file is None or os.path.basename(file) == BUNDLE_FILE:
        return model.checkpoint
    has_variables = os.path.isdir(os.path.join(directory, _VARIABLES))
    return model.checkpoint if has_variables else None


def lies_beside_checkpoint(model: Model) -> bool:
    """Returns whether only a model's checkpoint tells where its graph is."""
    return isinstance(model.build, GraphSource) and model.build.path is None
