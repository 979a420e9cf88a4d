"""What all views of a checkpoint have in common: a head, and findings at the end."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, Dict, List, Tuple

from legacy_restore.examining.contents import Contents
from legacy_restore.examining.contents_text import head_lines
from legacy_restore.report.findings import Finding
from legacy_restore.report.refusal import finding_blocks
from legacy_restore.report.table import in_blocks


@dataclasses.dataclass(frozen=True)
class View(abc.ABC):
    """One way to look at what a checkpoint holds.

    Attributes:
      contents: What it holds, or the part of it that is looked at, and all findings.
    """

    contents: Contents

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """What there is to say about the location, the files and the tensors."""
        return self.contents.findings

    @abc.abstractmethod
    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data: the contents, and what the view adds."""

    @abc.abstractmethod
    def blocks(self) -> List[List[str]]:
        """Returns what stands between head and findings, as blocks of lines."""

    def __str__(self) -> str:
        """Returns the view as text."""
        shown = self.blocks() if self.contents.rows else []
        return in_blocks(
            [head_lines(self.contents), *shown, *finding_blocks(self.findings)]
        )
