"""What ``to_object_based`` and ``to_name_based`` give."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any, Dict, List, Optional, Tuple

from legacy_restore.report.findings import Finding
from legacy_restore.report.refusal import finding_groups
from legacy_restore.report.table import align, printable, short_repr

JSON_VERSION = 1


@dataclasses.dataclass(frozen=True)
class ConvertedKey:
    """What became of one tensor.

    Attributes:
      key: Its key in the checkpoint that was read; None of one that was made,
        or that a root has.
      new_key: Its key in the one that was written; None of one that was left out.
    """

    key: Optional[str]
    new_key: Optional[str]

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {"key": self.key, "new_key": self.new_key}


@dataclasses.dataclass(frozen=True, repr=False)
class ConversionReport:
    """A checkpoint that was written as the other kind of file.

    Attributes:
      prefix: The checkpoint that was read.
      format: Its format.
      written: The prefix of the one that was written.
      kind: What that is: ``object`` or ``name``.
      rows: Every tensor, in the order of the keys.
      findings: Remarks: what was decided, and what was left out.
    """

    prefix: str
    format: str
    written: str
    kind: str
    rows: Tuple[ConvertedKey, ...]
    findings: Tuple[Finding, ...]

    @property
    def keys(self) -> Dict[str, str]:
        """The key in the checkpoint that was written, by that in the one read."""
        return {
            row.key: row.new_key
            for row in self.rows
            if row.key is not None and row.new_key is not None
        }

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/convert-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "ok": True,
            "prefix": self.prefix,
            "format": self.format,
            "written": self.written,
            "kind": self.kind,
            "tensors": [row.to_json() for row in self.rows],
            "next": self.next_commands,
            "findings": [finding.to_json() for finding in self.findings],
        }

    @property
    def next_commands(self) -> List[str]:
        """What to type next."""
        return [f"legacy-restore inspect {shlex.quote(self.written)}"]

    def __repr__(self) -> str:
        return short_repr(self)

    def __str__(self) -> str:
        """Lists the keys before and after."""
        noun = "tensor" if len(self.keys) == 1 else "tensors"
        headline = (
            f"{printable(self.prefix)}: {len(self.keys):,} {noun} written to "
            f"{printable(self.written)}, {self.kind}-based"
        )
        cells = [(row.key or "(made)", row.new_key or "(left)") for row in self.rows]
        blocks = [[headline], *finding_groups(self.findings)]
        blocks.append(align([("key", "new key"), *cells], "  "))
        blocks.append([f"  try: {one}" for one in self.next_commands])
        return "\n\n".join("\n".join(lines) for lines in blocks)
