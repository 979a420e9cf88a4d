"""What a missing variable may be called in the checkpoint: a remark, never a match."""

from __future__ import annotations

from typing import Dict, List, Sequence

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.planning.candidates import fits
from legacy_restore.planning.likeness import most_like
from legacy_restore.planning.spec import VariableSpec, type_text

# Comparing names takes time in the square of their number: a plan that misses
# thousands of variables says so without a suggestion for each.
_MAX_COMPARED = 500
_MIN_LIKENESS = 0.5
# Of another shape only what could be the same variable under a slip of the pen.
_MIN_LIKENESS_OF_OTHER_SHAPES = 0.85


class Suggester:
    """Finds among the keys that are left the one that is most like a variable."""

    def __init__(self, left: Sequence[TensorEntry]) -> None:
        """Takes the entries that no variable matched."""
        self._left = left
        self._by_type: Dict[str, List[TensorEntry]] = {}
        for entry in left:
            self._by_type.setdefault(type_text(entry.dtype, entry.shape), []).append(
                entry
            )
        self._budget = 100 * _MAX_COMPARED

    def suggest(self, variable: VariableSpec) -> str:
        """Returns a remark on the key that may be meant, or an empty text."""
        same_type = self._of_type(variable)
        if len(same_type) == 1:
            return f"the checkpoint has {same_type[0].key} (nothing else of this shape)"
        near = self._most_like(variable.local_name, same_type, _MIN_LIKENESS)
        if near:
            return f"the checkpoint has {near} (same shape)"
        near = self._most_like(
            variable.local_name, self._left, _MIN_LIKENESS_OF_OTHER_SHAPES
        )
        return f"the checkpoint has {near} (another shape)" if near else ""

    def _of_type(self, variable: VariableSpec) -> Sequence[TensorEntry]:
        if variable.shape is not None and None not in variable.shape:
            return self._by_type.get(type_text(variable.dtype, variable.shape), [])
        return [entry for entry in self._left if fits(variable, entry)]

    def _most_like(
        self, name: str, among: Sequence[TensorEntry], likeness: float
    ) -> str:
        keys = [entry.key for entry in among[:_MAX_COMPARED]]
        if len(keys) > self._budget:
            return ""
        self._budget -= len(keys)
        return most_like(name, keys, likeness)
