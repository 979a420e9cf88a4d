"""The text of a refusal: what, where, expected and found, and what to do next.

A message has at most 15 lines, however many findings there are; the full list is in
the exception's ``findings`` and in the commands' ``--json``.
"""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from legacy_restore.report.findings import Finding
from legacy_restore.report.table import align, cut, printable

_MAX_LINES = 15
_MAX_HINTS = 3
_MAX_GROUPED = 4
_INDENT = "  "


def refusal_text(
    headline: str, findings: Sequence[Finding], more_hints: Sequence[str] = ()
) -> str:
    """Returns the message of an exception.

    Args:
      headline: The first line.
      findings: The errors among them are listed, grouped by kind.
      more_hints: What to type next, besides the hints of the findings.
    """
    found = [finding for finding in findings if finding.is_error]
    hints = hint_lines(found, more_hints)
    room = _MAX_LINES - 1 - (len(hints) + 1 if hints else 0) - 1
    lines = [printable(headline)]
    if found:
        lines += ["", *_grouped(found, room)]
    if hints:
        lines += ["", *hints]
    return "\n".join(lines)


def _grouped(findings: Sequence[Finding], room: int) -> List[str]:
    """Headings with the findings below each, in ``room`` lines."""
    groups: Dict[str, List[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.kind.title, []).append(finding)
    with_model = _are_several(findings)
    blocks = [
        (_INDENT + title, _lines(found, _INDENT * 2, with_model))
        for title, found in groups.items()
    ]
    if 2 * len(blocks) > room:  # Not even one line for each: headings with counts.
        headings = [f"{title}: {len(lines)}" for title, lines in blocks]
        return cut(headings, room, _INDENT)
    shares = _shares([len(lines) for _, lines in blocks], room - len(blocks))
    text: List[str] = []
    for (title, lines), share in zip(blocks, shares):
        text += [title, *cut(lines, share, _INDENT * 2)]
    return text


def _shares(wanted: Sequence[int], room: int) -> List[int]:
    """Divides lines among groups: small groups whole, the rest in equal parts."""
    shares = [0] * len(wanted)
    for rank, number in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        fair = room // (len(wanted) - rank)
        shares[number] = min(wanted[number], fair)
        room -= shares[number]
    return shares


def finding_lines(findings: Sequence[Finding], indent: str) -> List[str]:
    """Returns one aligned line for each finding."""
    return _lines(findings, indent, _are_several(findings))


def _are_several(findings: Sequence[Finding]) -> bool:
    """Whether lines have to say whose they are."""
    return len({finding.model for finding in findings}) > 1


def _lines(findings: Sequence[Finding], indent: str, with_model: bool) -> List[str]:
    rows = [_cells(finding, with_model) for finding in findings]
    return align(rows, indent) if rows else []


def finding_blocks(findings: Sequence[Finding]) -> List[List[str]]:
    """Returns the lines of each finding."""
    return [
        [
            f"{finding.severity.value}: {finding.kind.title}",
            *finding_lines([finding], _INDENT),
            *([f"{_INDENT}try: {printable(finding.hint)}"] if finding.hint else []),
        ]
        for finding in findings
    ]


def finding_groups(findings: Sequence[Finding]) -> List[List[str]]:
    """Returns the lines of findings, those of a kind together and not all of them.

    For lists that may be long, such as the slots that a checkpoint has of a model.
    """
    groups: Dict[Tuple[str, str], List[Finding]] = {}
    for finding in findings:
        key = (finding.severity.value, finding.kind.title)
        groups.setdefault(key, []).append(finding)
    return [
        [
            f"{severity}: {title} ({len(found)})",
            *cut(finding_lines(found, _INDENT), _MAX_GROUPED, _INDENT),
            *hint_lines(found),
        ]
        for (severity, title), found in groups.items()
    ]


def _cells(finding: Finding, with_model: bool) -> Tuple[str, str, str]:
    told = [text for text in (_found(finding), finding.message) if text]
    # A variable's name begins with its scope; a key or a pattern does not say whose.
    is_told = finding.model is None or finding.subject.startswith(f"{finding.model}/")
    owner = f"{finding.model}: " if with_model and not is_told else ""
    return (owner + finding.subject, finding.expected or "", "   ".join(told))


def _found(finding: Finding) -> str:
    if finding.found is None:
        return ""
    return finding.found if finding.expected is None else f"found: {finding.found}"


def hint_lines(findings: Sequence[Finding], more: Sequence[str] = ()) -> List[str]:
    """Returns what to try next, each once, the first few.

    Args:
      findings: What there is to say; their hints come first.
      more: Other hints.
    """
    found = [finding.hint for finding in findings]
    hints = dict.fromkeys(hint for hint in [*found, *more] if hint is not None)
    return [f"{_INDENT}try: {printable(hint)}" for hint in list(hints)[:_MAX_HINTS]]
