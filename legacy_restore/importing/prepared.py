"""A saved graph that went through all passes: ready to be imported as a model."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Sequence, Tuple

from legacy_restore.importing.saved_graph import Interface
from legacy_restore.planning.spec import OwnTable
from legacy_restore.report.findings import Finding, errors_of


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A saved graph, ready to be imported under a scope.

    Names in it are those of the file, without the scope; names of functions and of
    resources have been made the model's own.

    Attributes:
      path: The file that it came from.
      meta_graph: The ``MetaGraphDef`` to import.
      interface: What goes in and comes out.
      definitions: A ``VariableDef`` for each variable of the graph, by the name of its
        node, in the order of the file.
      own: What the file says about keys, by names of nodes; of a partitioned
        variable, by the name of the whole.
      saved_objects: What the file's Saver saves besides variables, as far as it is
        among the nodes.
      initializers: The nodes that initialise tables and iterators.
      average_names: Names of ``ExponentialMovingAverage`` objects in the file.
      python_calls: The calls into Python that are left.
      written: Nodes of variables that may be written when the model is called.
      findings: What was found; with an error among it nothing is to be imported.
    """

    path: str
    meta_graph: Any
    interface: Interface
    definitions: Mapping[str, Any]
    own: OwnTable
    saved_objects: Sequence[Any]
    initializers: Tuple[str, ...]
    average_names: Tuple[str, ...]
    python_calls: Sequence[Any]
    written: Tuple[str, ...]
    findings: Tuple[Finding, ...]

    @property
    def can_be_imported(self) -> bool:
        """Whether nothing refuses it."""
        return not errors_of(self.findings)
