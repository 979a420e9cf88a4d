"""An audit as text: what reaches beyond the graph, and what it gives away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Iterable, List, Sequence, Tuple

from legacy_restore.report.table import (
    align,
    count_text,
    cut,
    cut_names,
    in_blocks,
    printable,
)

if TYPE_CHECKING:
    from legacy_restore.examining.audit import Audit, GraphAudit
    from legacy_restore.examining.leaks import Leak
    from legacy_restore.examining.risks import Risk

_INDENT = "  "

# Everything is in the JSON.
_MAX_LINES = 30


def audit_text(audit: Audit) -> str:
    """Returns an audit as text."""
    blocks = [[printable(audit.path), audit.format]]
    for number, graph in enumerate(audit.graphs):
        if len(audit.graphs) > 1:
            tags = ", ".join(graph.tags) or "none"
            blocks.append([printable(f"graph {number + 1}, tags {tags}")])
        blocks += _graph_blocks(graph)
    blocks += _leak_block("paths in the debug information beside it", audit.debug_leaks)
    if audit.users:
        blocks.append(["user names in these paths", _INDENT + ", ".join(audit.users)])
    blocks.append([_verdict(audit)])
    return in_blocks([list(map(printable, block)) for block in blocks])


def _graph_blocks(graph: GraphAudit) -> Iterable[List[str]]:
    found: Dict[str, List[Risk]] = {}
    for risk in graph.risks:
        if not risk.is_savers:
            found.setdefault(risk.reach.value, []).append(risk)
    for reach, risks in found.items():
        rows = [_cells(risk) for risk in risks]
        yield [f"{reach} ({len(risks):,})", *cut(align(rows, _INDENT), _MAX_LINES)]
    of_saver = [risk for risk in graph.risks if risk.is_savers]
    if of_saver:
        count = count_text(len(of_saver), "operation")
        yield [f"{count} of Savers read and write checkpoints; they are never run"]
    yield from _leak_block("paths and addresses", graph.leaks)


def _cells(risk: Risk) -> Tuple[str, ...]:
    where = f"in function {risk.function}" if risk.function else ""
    return (risk.op, risk.node, cut_names(list(map(repr, risk.paths))), where)


def _leak_block(title: str, leaks: Sequence[Leak]) -> Iterable[List[str]]:
    if leaks:
        rows = [(one.text, f"{one.count:,} x", one.places[0]) for one in leaks]
        yield [f"{title} ({len(leaks):,})", *cut(align(rows, _INDENT), _MAX_LINES)]


def _verdict(audit: Audit) -> str:
    if audit.needs_trust:
        return (
            "a restore asks for trust=True where outputs need any of this; tables may "
            "read their assets"
        )
    return "nothing in it reaches beyond the graph"
