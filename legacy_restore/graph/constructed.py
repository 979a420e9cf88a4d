"""What a model put into a graph, by a builder or by the import of a saved graph."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Tuple

from legacy_restore.graph.interface import Input
from legacy_restore.graph.saveables import FoundSaveables
from legacy_restore.planning.spec import OwnTable
from legacy_restore.report.findings import Finding


@dataclasses.dataclass(frozen=True, eq=False)
class BuiltSignature:
    """What may be called of a model besides its outputs.

    Attributes:
      inputs: What to feed, by key.
      outputs: What it computes, by key.
    """

    inputs: Mapping[str, Input]
    outputs: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Constructed:
    """What a model put into a graph.

    Attributes:
      operations: All operations that are new in the graph, in their order.
      objects: The ``tf.Variable`` of each variable operation, by operation name.
      saveables: The saveable objects.
      table_initializers: The operations that fill lookup tables, or set an iterator to
        its beginning.
      inputs: What to feed, by name.
      outputs: A nest of tensors.
      average_names: Names of ``ExponentialMovingAverage`` objects.
      findings: What was found.
      signatures: Of a saved graph, what else may be called.
      own: Of a saved graph, what its file says about keys.
      written: Names of variables that the model's own operations may write, without
        being trained.
      num_constants: Of a saved graph, the number of its constants.
      wired: Of a saved graph, the tensors of other models that it takes.
    """

    operations: Tuple[Any, ...]
    objects: Mapping[str, Any]
    saveables: FoundSaveables
    table_initializers: Tuple[Any, ...]
    inputs: Mapping[str, Input]
    outputs: Any
    average_names: Tuple[str, ...]
    findings: Tuple[Finding, ...] = ()
    signatures: Mapping[str, BuiltSignature] = dataclasses.field(default_factory=dict)
    own: OwnTable = OwnTable()
    written: Tuple[str, ...] = ()
    num_constants: int = 0
    wired: Tuple[Any, ...] = ()
