"""A saved graph that went through all passes: ready to be imported as a model."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Sequence, Tuple

from legacy_restore.importing.saved_graph import Interface
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
      own_keys: The key that the file gives each variable, by the name of its node; of
        a partitioned one, by the name of the whole.
      own_label: Where those keys come from, in words.
      own_conflicts: The keys of variables about which the file's Savers disagree.
      saved_objects: What the file's Saver saves besides variables, as far as it is
        among the nodes.
      not_needed: Keys of variables that are in the file and were left out, each with
        the name of such a variable's node.
      saver_keys: All keys that the file's own Saver reads.
      initializers: The nodes that initialise tables and iterators.
      initialised: Variables that no checkpoint has: local ones, and those which the
        file itself gives a value when it is loaded.
      average_names: Names of ``ExponentialMovingAverage`` objects in the file.
      python_calls: The calls into Python that are left.
      written: Nodes of variables that may be written when the model is called.
      findings: What was found; with an error among it nothing is to be imported.
    """

    path: str
    meta_graph: Any
    interface: Interface
    definitions: Mapping[str, Any]
    own_keys: Mapping[str, str]
    own_label: str
    own_conflicts: Mapping[str, Tuple[str, ...]]
    saved_objects: Sequence[Any]
    not_needed: Mapping[str, str]
    saver_keys: Tuple[str, ...]
    initializers: Tuple[str, ...]
    initialised: Tuple[str, ...]
    average_names: Tuple[str, ...]
    python_calls: Sequence[Any]
    written: Tuple[str, ...]
    findings: Tuple[Finding, ...]

    @property
    def can_be_imported(self) -> bool:
        """Whether nothing refuses it."""
        return not errors_of(self.findings)
