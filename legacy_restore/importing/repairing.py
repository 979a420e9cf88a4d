"""What has to be put right in a saved graph before anything else is done with it.

What a version string says (``0.12.head``), tags, and whether default attributes were
stripped is no obstacle to any pass: nobody looks at the first two.
"""

from __future__ import annotations

from typing import Any, List, Tuple

from legacy_restore.importing.colocation import drop_stale_colocation
from legacy_restore.importing.graph_faults import (
    find_empty_constants,
    find_faults,
    find_handles,
    find_old_functions,
    find_open_ends,
    find_removed,
)
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.repairing_attributes import (
    repair_attributes,
    unknown_attributes,
)
from legacy_restore.importing.repairing_collections import repair_collections
from legacy_restore.importing.repairing_devices import drop_devices
from legacy_restore.report.findings import Finding


def repair(meta_graph: Any, op_defs: OpDefs) -> Tuple[Any, List[Finding]]:
    """Puts right what stands in the way of importing a graph.

    Args:
      meta_graph: The ``MetaGraphDef`` as it is in the file; it is changed.
      op_defs: What is known about its operations, and was when it was written.

    Returns:
      The message, and findings: errors about what cannot be put right, and remarks.
    """
    findings = find_faults(meta_graph)
    versions = meta_graph.graph_def.versions
    # Where the version stood before it had a message (TensorFlow 0.5).
    versions.producer = versions.producer or meta_graph.graph_def.version
    meta_graph = drop_stale_colocation(meta_graph)
    meta_graph, remarks = drop_devices(meta_graph)
    findings += remarks
    meta_graph = repair_attributes(meta_graph, op_defs)
    meta_graph, remarks = repair_collections(meta_graph)
    return meta_graph, findings + remarks


def remaining_faults(meta_graph: Any) -> List[Finding]:
    """Returns what stands in the way of what is left of a graph once it is pruned.

    Args:
      meta_graph: The ``MetaGraphDef``; it is not changed.
    """
    return [
        *find_open_ends(meta_graph),
        *find_empty_constants(meta_graph),
        *find_handles(meta_graph),
        *find_old_functions(meta_graph),
        *find_removed(meta_graph),
        *unknown_attributes(meta_graph),
    ]
