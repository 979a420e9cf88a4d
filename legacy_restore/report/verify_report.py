"""Whether a checkpoint is undamaged: a verdict on every tensor and every file."""

from __future__ import annotations

import dataclasses
import enum
import shlex
from typing import Any, Dict, Iterable, List, Optional, Tuple

from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Finding, FindingKind, errors_of
from legacy_restore.report.refusal import finding_blocks, refusal_text
from legacy_restore.report.table import (
    align,
    count_text,
    human_bytes,
    in_blocks,
    printable,
)

# Raised whenever a field of the JSON changes its meaning or goes.
JSON_VERSION = 1


class VerifyStatus(enum.Enum):
    """What verifying says of a tensor.

    ``OK``: all of its bytes are there and match their checksums. ``CORRUPT``: they do
    not, or what the checkpoint says about it contradicts itself. ``MISSING``: they are
    not all there. ``INCOMPLETE``: the slices that are stored are sound, and do not
    make up the whole. ``UNDECIDED``: nobody can tell, for the reason that is given.
    """

    OK = "ok"
    CORRUPT = "corrupt"
    MISSING = "missing data"
    INCOMPLETE = "incomplete"
    UNDECIDED = "cannot tell"


_SOUND = (VerifyStatus.OK, VerifyStatus.INCOMPLETE)
_KINDS = {
    VerifyStatus.CORRUPT: KINDS["tensor-corrupt"],
    VerifyStatus.MISSING: KINDS["tensor-missing"],
    VerifyStatus.UNDECIDED: KINDS["tensor-undecided"],
}
# These say that something cannot be told, not that it is wrong.
_UNDECIDED = {"unsupported", "missing-dependency", "tensor-undecided"}


@dataclasses.dataclass(frozen=True)
class VerifyRow:
    """What verifying says of one tensor.

    Attributes:
      key: The tensor.
      status: The verdict.
      reason: Why it is not ``OK``, else empty.
      nbytes: Bytes that are stored for it, as far as that is known.
      hint: What to do about it, or None.
    """

    key: str
    status: VerifyStatus
    reason: str = ""
    nbytes: int = 0
    hint: Optional[str] = None

    @property
    def is_sound(self) -> bool:
        """Whether all that is stored of it is undamaged."""
        return self.status in _SOUND

    @property
    def finding(self) -> Optional[Finding]:
        """What is wrong with the tensor, or None."""
        kind: Optional[FindingKind] = _KINDS.get(self.status)
        if kind is None:
            return None
        return Finding(kind, self.key, self.reason, hint=self.hint)

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "key": self.key,
            "status": self.status.value,
            "reason": self.reason,
            "nbytes": self.nbytes,
        }


@dataclasses.dataclass(frozen=True)
class VerifyReport:
    """What verifying says of a checkpoint; printing it shows whatever is not sound.

    Attributes:
      location: What was verified, as it was given.
      prefix: The path stem of the files.
      format: Their format, such as ``"V2"``.
      rows: One for each tensor, sorted by key.
      file_findings: What there is to say about the location and the files.
    """

    location: str
    prefix: str
    format: str
    rows: Tuple[VerifyRow, ...]
    file_findings: Tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, and of nothing it is unknown."""
        return not errors_of(self.findings)

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """What there is to say about the files, then about each tensor."""
        rows = [row.finding for row in self.rows]
        return (*self.file_findings, *(one for one in rows if one is not None))

    @property
    def good(self) -> List[VerifyRow]:
        """The tensors of which all that is stored can be saved."""
        return [row for row in self.rows if row.is_sound]

    @property
    def lost(self) -> List[VerifyRow]:
        """The others, with their reasons."""
        return [row for row in self.rows if not row.is_sound]

    def with_status(self, status: VerifyStatus) -> List[VerifyRow]:
        """Returns the rows with this verdict."""
        return [row for row in self.rows if row.status is status]

    def raise_if_failed(self) -> None:
        """Raises if anything is wrong.

        Raises:
          CorruptCheckpointError: It names the files and tensors; all are in its
            findings.
          UnsupportedCheckpointError: Nothing is known to be wrong, but of something
            nobody can tell.
          MissingDependencyError: As before, and a package that is missing is why.
        """
        if self.ok:
            return
        found = errors_of(self.findings)
        text = refusal_text(self._headline(), found)
        ids = {finding.id for finding in found}
        if ids == {"missing-dependency"}:
            raise errors.MissingDependencyError(text, findings=self.findings)
        if ids <= _UNDECIDED:
            raise errors.UnsupportedCheckpointError(
                text, path=self.prefix, findings=self.findings
            )
        raise errors.CorruptCheckpointError(
            text, path=self.prefix, findings=self.findings
        )

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/verify-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "ok": self.ok,
            "location": self.location,
            "prefix": self.prefix,
            "format": self.format,
            "good": _total_json(self.good),
            "total": _total_json(self.rows),
            "tensors": [row.to_json() for row in self.rows],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Counts the verdicts, and lists whatever is not sound."""
        blocks = [[self._headline(), *self._count_lines()]]
        blocks += finding_blocks(self.file_findings)
        told = [row for row in self.rows if row.status is not VerifyStatus.OK]
        if told:
            cells = [(row.key, row.status.value, row.reason) for row in told]
            blocks.append(align([("key", "verdict", "reason"), *cells]))
            blocks += [[f"  try: {printable(hint)}"] for hint in self._row_hints()]
        if self.good and not self._is_at_most_undecided():
            blocks.append([f"  try: {printable(self._salvaging())}"])
        return in_blocks(blocks)

    def _headline(self) -> str:
        verdict = "undamaged" if self.ok else "not sound"
        if not self.ok and self._is_at_most_undecided():
            verdict = "not known to be sound"
        return f"{printable(self.prefix)}: {verdict}"

    def _count_lines(self) -> List[str]:
        counts = [
            f"{len(self.with_status(status)):,} {status.value}"
            for status in VerifyStatus
            if self.with_status(status)
        ]
        lines = [f"format {self.format}, {_tensors(self.rows)}: {', '.join(counts)}"]
        if not counts:
            lines = [f"format {self.format}; no tensor is known"]
        if not self.ok and self.rows:
            sizes = f"{_size(self.good)} of {_size(self.rows)}"
            count = f"{len(self.good):,} of {_tensors(self.rows)}"
            lines.append(f"{count} can be saved, {sizes}")
        return lines

    def _is_at_most_undecided(self) -> bool:
        """Whether nothing is known to be wrong."""
        return all(one.id in _UNDECIDED for one in errors_of(self.findings))

    def _salvaging(self) -> str:
        """The command that saves what is good."""
        given = shlex.quote(self.location)
        return f"legacy-restore salvage {given} OUT writes what can be saved to OUT"

    def _row_hints(self) -> List[str]:
        told = {finding.hint for finding in self.file_findings}
        hints = dict.fromkeys(row.hint for row in self.lost)
        return [hint for hint in hints if hint is not None and hint not in told]


def _tensors(rows: Iterable[VerifyRow]) -> str:
    return count_text(len(list(rows)), "tensor")


def _nbytes(rows: Iterable[VerifyRow]) -> int:
    return sum(row.nbytes for row in rows)


def _size(rows: Iterable[VerifyRow]) -> str:
    return human_bytes(_nbytes(rows))


def _total_json(rows: Iterable[VerifyRow]) -> Dict[str, int]:
    found = list(rows)
    return {"tensors": len(found), "nbytes": _nbytes(found)}
