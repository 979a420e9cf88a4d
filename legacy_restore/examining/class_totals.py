"""The totals of each class alone, for checkpoints with thousands of tensors."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List

from legacy_restore.examining.contents_text import total_lines
from legacy_restore.examining.view import View


@dataclasses.dataclass(frozen=True)
class ClassTotals(View):
    """How much of each class a checkpoint holds."""

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data: that of the contents without the tensors."""
        data = self.contents.to_json()
        del data["tensors"]
        return data

    def blocks(self) -> List[List[str]]:
        """Returns the table of totals."""
        return [total_lines(self.contents)]
