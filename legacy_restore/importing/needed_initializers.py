"""Which initialisers a part of a saved graph needs."""

from __future__ import annotations

import dataclasses
from typing import (
    AbstractSet,
    Any,
    Dict,
    FrozenSet,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from legacy_restore.importing.effects import Effects, EffectsReader, together
from legacy_restore.importing.initializing import Initializers
from legacy_restore.importing.nodes import nodes_by_name, upstream
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.report.findings import KINDS, Finding

# How many parts a message lists.
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class NeededInitializers:
    """What has to run before a part of a saved graph can be called.

    Attributes:
      nodes: The nodes that fill tables and initialise iterators, to be run after the
        variables have their values; each after those whose tables it reads.
      assignments: The node that gives a variable its value, for each variable that
        nothing else gives one to.
      keep: All nodes that this takes, beside those that were to be kept anyway.
      findings: What cannot be initialised, and what is not run.
    """

    nodes: Tuple[str, ...]
    assignments: Mapping[str, str]
    keep: FrozenSet[str]
    findings: Tuple[Finding, ...]


def initializers_of(
    initializers: Initializers,
    meta_graph: Any,
    kept: AbstractSet[str],
    *,
    restored: AbstractSet[str] = frozenset(),
    given: AbstractSet[str] = frozenset(),
    model: Optional[str] = None,
) -> NeededInitializers:
    """Chooses the initialisers that a part of the graph needs.

    Args:
      initializers: What the whole file has.
      meta_graph: The ``MetaGraphDef`` of the whole file; not changed.
      kept: Names of the nodes of that part, with all that they depend on.
      restored: Names of the variables and tables that get their values otherwise.
      given: Names of placeholders that will be replaced by values, as of assets.
      model: What findings call the model.
    """
    return _Chooser(initializers, meta_graph, kept, restored, given, model).chosen()


class _Chooser:
    """Chooses until what is kept needs nothing more."""

    def __init__(
        self,
        initializers: Initializers,
        meta_graph: Any,
        kept: AbstractSet[str],
        restored: AbstractSet[str],
        given: AbstractSet[str],
        model: Optional[str],
    ) -> None:
        self._initializers = initializers
        self._nodes = nodes_by_name(meta_graph.graph_def.node)
        self._reader = EffectsReader(meta_graph, OpDefs(meta_graph))
        self._kept = set(kept)
        self._before = frozenset(kept)
        self._restored = restored
        self._given = given
        self._model = model
        self._run: Dict[str, None] = {}
        self._assignments: Dict[str, str] = {}
        self._findings: List[Finding] = []
        self._done: Set[str] = set()

    def chosen(self) -> NeededInitializers:
        """Returns what is needed."""
        while self._add():
            pass
        return NeededInitializers(
            nodes=self._in_order(),
            assignments=self._assignments,
            keep=frozenset(self._kept) - self._before,
            findings=(*self._findings, *self._skipped()),
        )

    def _add(self) -> bool:
        """Sees to what is kept and was not seen to; returns whether there was any."""
        found = self._initializers
        wanted = [
            name
            for name in dict.fromkeys([*found.needing, *found.assignments])
            if name in self._kept
            and name not in self._done
            and name not in self._restored
        ]
        for name in wanted:
            self._done.add(name)
            if name in found.assignments:
                self._assign(name, found.assignments[name])
            elif name in found.iterators:
                self._initialize(name, found.iterators[name])
            else:
                self._fill(name, found.tables.get(name, ()))
        return bool(wanted)

    def _assign(self, variable: str, name: str) -> None:
        if self._is_refused(variable, name):
            return
        self._assignments[variable] = name
        self._keep(name)

    def _initialize(self, iterator: str, names: Tuple[str, ...]) -> None:
        for name in names:
            self._keep(name)
        if len(names) > 1:
            listed = ", ".join(names)
            message = f"it goes through several datasets: {listed} begin one each"
            self._not_initialized(iterator, message, names[0])
            return
        self._fill(iterator, names)

    def _fill(self, table: str, names: Tuple[str, ...]) -> None:
        if not names:
            self._not_initialized(table, "nothing in the file does so", None)
        for name in names:
            self._keep(name)
            feeds = self._feeds(name)
            if feeds:
                message = f"its initialiser needs a feed of {', '.join(feeds)}"
                self._not_initialized(table, message, name)
            elif not self._is_refused(table, name):
                self._run[name] = None

    def _keep(self, name: str) -> None:
        self._kept |= upstream(self._nodes, [name], lambda one: one in self._kept)

    def _effects(self, name: str) -> Effects:
        """What an initialiser does, with all that runs before it."""
        return together(self._reader.of(one) for one in upstream(self._nodes, [name]))

    def _feeds(self, name: str) -> List[str]:
        """The placeholders that an initialiser cannot run without."""
        return [
            one
            for one in sorted(upstream(self._nodes, [name]))
            if self._nodes[one].op.startswith("Placeholder")
            and self._nodes[one].op != "PlaceholderWithDefault"
            and one not in self._given
        ]

    def _is_refused(self, target: str, name: str) -> bool:
        """Whether an initialiser would do more; says so."""
        effects = self._effects(name)
        weights = sorted(effects.variables & self._restored)
        also = [f"assigns to {_some(weights)}"] if weights else []
        also += [f"runs {_some(sorted(effects.others))}"] if effects.others else []
        if not also:
            return False
        self._findings.append(
            Finding(
                KINDS["initializer-mixed"],
                name,
                f"it initialises {target}, and {' and '.join(also)}",
                model=self._model,
                hint="choose outputs= that do not need it",
            )
        )
        return True

    def _not_initialized(self, name: str, why: str, by: Optional[str]) -> None:
        self._findings.append(
            Finding(
                KINDS["not-initialized"],
                name,
                f"{self._nodes[name].op}: {why}",
                model=self._model,
                hint=None if by is None else f"run the operation {by} of the graph",
            )
        )

    def _in_order(self) -> Tuple[str, ...]:
        """What is to be run, each after those that fill what it reads."""
        fills = {
            table: name
            for table, names in self._initializers.tables.items()
            for name in names
            if name in self._run
        }
        needs = {
            name: sum(one in above and fills[one] != name for one in fills)
            for name in self._run
            for above in [upstream(self._nodes, [name])]
        }
        # What runs before a node is above it too: it has fewer above itself.
        return tuple(sorted(self._run, key=lambda name: needs[name]))

    def _skipped(self) -> List[Finding]:
        """What a file's own operations would do beside that."""
        run = {*self._run, *self._assignments.values()}
        assigned: Set[str] = set()
        others: List[str] = []
        for name, effects in self._initializers.parts.items():
            if name not in run:
                assigned |= effects.variables & self._restored
                others += sorted(effects.others)
        parts = [
            f"{verb} {_some(listed)}"
            for verb, listed in (
                ("assigns fresh values to", sorted(assigned)),
                ("runs", list(dict.fromkeys(others))),
            )
            if listed
        ]
        if not parts:
            return []
        subject = ", ".join(self._initializers.loading)
        message = "; ".join(parts)
        return [Finding(KINDS["init-skipped"], subject, message, model=self._model)]


def _some(parts: Sequence[str]) -> str:
    """A few of them, and how many more there are."""
    more = len(parts) - _SHOWN
    shown = ", ".join(parts[:_SHOWN])
    return shown if more <= 0 else f"{shown}, and {more} more"
