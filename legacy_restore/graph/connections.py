"""What is wired: the output of one model becomes the input of another."""

from __future__ import annotations

import collections.abc
import dataclasses
from typing import Dict, Iterable, List, Mapping, Sequence

from legacy_restore import errors
from legacy_restore.graph.graph_source import GraphSource
from legacy_restore.graph.model import Model


@dataclasses.dataclass(frozen=True)
class Connection:
    """One wire.

    Attributes:
      source: Name of the model whose output it begins at.
      output: Path of that output in the nest; empty when the nest is one tensor.
      target: Name of the model whose input it ends at.
      input: Name of that input without the scope.
    """

    source: str
    output: str
    target: str
    input: str

    def __str__(self) -> str:
        """Shows the wire as it was given."""
        source = f"{self.source}/{self.output}" if self.output else self.source
        return f"{self.target}/{self.input!s}: {source}"


def parse_connections(
    connect: Mapping[str, str], models: Sequence[str]
) -> List[Connection]:
    """Returns the connections of ``connect={"b/x": "a/y"}``.

    Raises:
      UsageError: A model does not exist, or its inputs would depend on itself.
    """
    if not isinstance(connect, collections.abc.Mapping) or not all(
        isinstance(name, str) for name in [*connect, *connect.values()]
    ):
        raise errors.UsageError(
            f"connect: {connect!r} is no mapping of names",
            hint='connect={"b/x": "a/y"}',
        )
    found = []
    for to, come_from in connect.items():
        target, _, input_name = to.partition("/")
        source, _, output = come_from.partition("/")
        for name in (target, source):
            if name not in models:
                raise errors.UsageError(
                    f"connect: there is no model {name!r}; there is {', '.join(models)}"
                )
        found.append(Connection(source, output, target, input_name))
    _check_no_circle(found)
    return found


def _check_no_circle(connections: Sequence[Connection]) -> None:
    sources_of: Dict[str, List[str]] = {}
    for one in connections:
        sources_of.setdefault(one.target, []).append(one.source)
    for start in sources_of:
        reached = list(sources_of[start])
        for name in reached:
            if name == start:
                raise errors.UsageError(f"connect: model {start!r} would feed itself")
            reached.extend(n for n in sources_of.get(name, ()) if n not in reached)


def build_order(
    models: Sequence[Model], connections: Sequence[Connection]
) -> List[Model]:
    """Returns the models in the order in which they are put into the graph.

    It is theirs, but that all which feeds a saved graph comes before it: that one is
    imported with its wires in place.
    """
    by_name = {model.name: model for model in models}
    ordered: Dict[str, Model] = {}
    for model in models:
        if isinstance(model.build, GraphSource):
            above = upstream_of(model.name, connections)
            for name in sources_first(above, connections):
                ordered[name] = by_name[name]
        ordered[model.name] = model
    return list(ordered.values())


def upstream_of(name: str, connections: Sequence[Connection]) -> List[str]:
    """Returns the models that feed a model, directly or not; there are no circles."""
    found: List[str] = []
    waiting = [name]
    while waiting:
        fed = waiting.pop()
        sources = (one.source for one in connections if one.target == fed)
        new = [one for one in dict.fromkeys(sources) if one not in found]
        found += new
        waiting += new
    return found


def sources_first(names: Iterable[str], connections: Sequence[Connection]) -> List[str]:
    """Returns the models, each after those that feed it; there are no circles."""
    ordered: List[str] = []
    waiting = list(names)
    while waiting:
        fed = {one.target for one in connections if one.source in waiting}
        ordered += [name for name in waiting if name not in fed]
        waiting = [name for name in waiting if name in fed]
    return ordered
