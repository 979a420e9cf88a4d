"""What was saved of a damaged checkpoint and what was lost, as data and as text."""

from __future__ import annotations

import dataclasses
import enum
import shlex
from typing import Any, Dict, Iterable, List, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.v1_files import typed
from legacy_restore.mapping.waivers import suggest
from legacy_restore.report.findings import KINDS, Finding, FindingKind, errors_of
from legacy_restore.report.refusal import finding_lines, refusal_text
from legacy_restore.report.table import align, human_bytes, printable

# Raised whenever a field of the JSON changes its meaning or goes.
JSON_VERSION = 1

_MAX_PATTERNS = 8
_WAIVERS = ("allow_undecided", "allow_incomplete")


class SalvageStatus(enum.Enum):
    """What became of a tensor.

    ``SAVED``: all of it was verified and copied. ``INCOMPLETE``: some slices of it
    were, and it says of itself that others are missing. ``UNVERIFIED``: it was copied
    although nobody can tell whether it is right, as a waiver permits. ``LOST``: it was
    not copied.
    """

    SAVED = "saved"
    INCOMPLETE = "saved in part"
    UNVERIFIED = "saved unverified"
    LOST = "lost"


@dataclasses.dataclass(frozen=True)
class SalvageRow:
    """What became of one tensor.

    Attributes:
      key: The tensor.
      status: What became of it.
      reason: Why it is not simply ``SAVED``, else empty.
      nbytes: Bytes that the input stores for it, as far as that is known.
      saved_nbytes: Those of them that were copied.
      kind: What is wrong with it, or None.
      hint: What to do about it, or None.
      waiver: The pair of argument and pattern that would save something of it, or None.
    """

    key: str
    status: SalvageStatus
    reason: str = ""
    nbytes: int = 0
    saved_nbytes: int = 0
    kind: Optional[FindingKind] = None
    hint: Optional[str] = None
    waiver: Optional[Tuple[str, str]] = None

    @property
    def finding(self) -> Optional[Finding]:
        """What there is to say about the tensor, or None."""
        if self.kind is None:
            return None
        return Finding(
            self.kind, self.key, self.reason, hint=self.hint, waiver=self.waiver
        )

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "key": self.key,
            "status": self.status.value,
            "reason": self.reason,
            "nbytes": self.nbytes,
            "saved_nbytes": self.saved_nbytes,
        }


@dataclasses.dataclass(frozen=True)
class SalvageReport:
    """What was saved and what was lost; printing it lists whatever is not saved whole.

    Attributes:
      location: The damaged checkpoint, as it was given.
      prefix: The path stem of its files.
      format: Their format, such as ``"V1"``.
      written: Prefix of the checkpoint that was written; None: nothing could be saved,
        and nothing was written.
      opens: Whether the input's list of tensors is undamaged, so that it opens.
      rows: One for each tensor that is known of, sorted by key.
      notes: What there is to say about the location, the files and the graph.
    """

    location: str
    prefix: str
    format: str
    written: Optional[str]
    opens: bool
    rows: Tuple[SalvageRow, ...]
    notes: Tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether all of it was saved, and is known to be all."""
        return self.written is not None and not errors_of(self.findings)

    @property
    def exit_code(self) -> int:
        """What the command ends with: 0 all saved, 1 some of it lost, 3 all of it."""
        if self.written is None:
            return errors.EXIT_INPUT
        return 0 if self.ok else errors.EXIT_REFUSED

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """The notes, then what there is to say about each tensor."""
        rows = [row.finding for row in self.rows]
        return (*self.notes, *(one for one in rows if one is not None))

    @property
    def saved(self) -> List[SalvageRow]:
        """The tensors of which something was copied."""
        return [row for row in self.rows if row.status is not SalvageStatus.LOST]

    @property
    def lost(self) -> List[SalvageRow]:
        """The others, with their reasons."""
        return self.with_status(SalvageStatus.LOST)

    def with_status(self, status: SalvageStatus) -> List[SalvageRow]:
        """Returns the rows of which this became."""
        return [row for row in self.rows if row.status is status]

    @property
    def allow_missing(self) -> List[str]:
        """Patterns that permit a plan to go on without the lost tensors.

        They match keys: where variables have other names, those are to be written.
        """
        return suggest([row.key for row in self.lost], [row.key for row in self.rows])

    @property
    def next_commands(self) -> List[str]:
        """What to type next."""
        # A shell would expand a pattern of shards; a directory may name another one.
        read = shlex.quote(typed(self.prefix))
        if self.written is None:
            return [f"legacy-restore verify {read}"]
        written = shlex.quote(self.written)
        if not self.opens:
            return [f"legacy-restore inspect {written}"]
        return [f"legacy-restore diff {read} {written}"]

    def raise_if_failed(self) -> None:
        """Raises unless all of it was saved.

        Raises:
          CorruptCheckpointError: It names what was lost; all is in its findings.
        """
        if self.ok:
            return
        text = refusal_text(self._headline(), errors_of(self.findings))
        raise errors.CorruptCheckpointError(
            text, path=self.prefix, findings=self.findings
        )

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/salvage-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "ok": self.ok,
            "location": self.location,
            "prefix": self.prefix,
            "format": self.format,
            "written": self.written,
            "saved": _total_json(self.saved, sum(r.saved_nbytes for r in self.rows)),
            "lost": _total_json(self.lost, self._lost_nbytes),
            "total": _total_json(self.rows, sum(row.nbytes for row in self.rows)),
            "tensors": [row.to_json() for row in self.rows],
            "allow_missing": self.allow_missing,
            "next": self.next_commands,
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Counts what was saved, and lists whatever was not saved whole."""
        blocks = [[self._headline(), *self._count_lines()]]
        for note in self.notes:
            heading = f"{note.severity.value}: {note.kind.title}"
            hint = [f"  try: {printable(note.hint)}"] if note.hint else []
            blocks.append([heading, *finding_lines([note], "  "), *hint])
        told = [row for row in self.rows if row.status is not SalvageStatus.SAVED]
        if told:
            cells = [(row.key, row.status.value, row.reason) for row in told]
            blocks.append(align([("key", "verdict", "reason"), *cells]))
        blocks.append([f"  try: {printable(one)}" for one in self._hints()])
        return "\n\n".join("\n".join(lines) for lines in blocks)

    @property
    def _lost_nbytes(self) -> int:
        return sum(row.nbytes - row.saved_nbytes for row in self.rows)

    def _headline(self) -> str:
        if self.written is None:
            return f"{printable(self.prefix)}: nothing to save; nothing was written"
        noun = "tensor" if len(self.rows) == 1 else "tensors"
        what = f"{len(self.saved):,} of {len(self.rows):,} known {noun}"
        if self.ok:
            what = f"all of {len(self.rows):,} {noun}"
        return f"{printable(self.prefix)}: {what} saved to {printable(self.written)}"

    def _count_lines(self) -> List[str]:
        counts = [
            f"{len(self.with_status(status)):,} {status.value}"
            for status in SalvageStatus
            if self.with_status(status)
        ]
        if not counts:
            return [f"format {self.format}; no tensor is known"]
        saved = sum(row.saved_nbytes for row in self.rows)
        sizes = f"{human_bytes(saved)} saved, {human_bytes(self._lost_nbytes)} lost"
        return [f"format {self.format}: {', '.join(counts)}; {sizes}"]

    def _hints(self) -> List[str]:
        told = {note.hint for note in self.notes}
        hints = [
            row.hint
            for row in self.lost
            if row.hint is not None and row.hint not in told and row.waiver is None
        ]
        names = [row.key for row in self.rows]
        for argument in _WAIVERS:
            keys = [row.key for row in self.rows if row.waiver and _is(row, argument)]
            flags = [f"--{argument}={one}" for one in suggest(keys, names)]
            if flags:
                hints.append(f"{_some(flags)} to take {_MEANING[argument]}")
        hints += self.next_commands
        if self.written is not None and self.lost:
            patterns = _some([repr(one) for one in self.allow_missing])
            hints.append(f"a plan without what is lost: allow_missing=[{patterns}]")
        return list(dict.fromkeys(hints))


_MEANING = {
    "allow_undecided": "what nobody can tell of, as it is",
    "allow_incomplete": "the slices that are sound of a tensor that is not",
}


def _is(row: SalvageRow, argument: str) -> bool:
    return row.waiver is not None and row.waiver[0] == argument


def _some(texts: List[str]) -> str:
    rest = len(texts) - _MAX_PATTERNS
    return ", ".join(texts[:_MAX_PATTERNS]) + (f" and {rest} more" if rest > 0 else "")


def _total_json(rows: Iterable[SalvageRow], nbytes: int) -> Dict[str, int]:
    return {"tensors": len(list(rows)), "nbytes": nbytes}


def unused_waiver(argument: str, pattern: str, what: str) -> Finding:
    """Returns the finding on a waiver that permits nothing.

    Args:
      argument: Its name.
      pattern: What matches no tensor of that kind.
      what: The kind of tensors that it is for.
    """
    return Finding(KINDS["unused-waiver"], pattern, f"{argument}: no {what} matches")
