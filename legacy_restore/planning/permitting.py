"""Whether a tensor may become the value of a variable, and what is made of it."""

from __future__ import annotations

import dataclasses
from typing import Optional, Sequence, Tuple

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping.partial import INITIALIZE, PAD, SLICE
from legacy_restore.planning.casts import can_cast
from legacy_restore.planning.conversion import Conversion
from legacy_restore.planning.plan import Action
from legacy_restore.planning.remapping import remapped_variables, rows_fault
from legacy_restore.planning.spec import (
    ModelSpec,
    VariableSpec,
    shape_fits,
    stored_text,
)

_VARIABLES = ("ref", "resource")
# They mean something only with a range, which is no part of the tensor.
_QUANTIZED = ("qint", "quint")


@dataclasses.dataclass(frozen=True)
class Fit:
    """How a tensor fits a variable.

    Attributes:
      action: What becomes of the variable.
      conversion: What is made of the tensor; None where nothing has to be.
      kind: The kind of finding where it does not fit.
      reason: Why it does not, where shape and dtype do not say it.
    """

    action: Action
    conversion: Optional[Conversion] = None
    kind: str = ""
    reason: str = ""


_AS_IT_IS = Fit(Action.RESTORE)


class Fitting:
    """The permissions of one model, for each of its variables."""

    def __init__(self, model: ModelSpec, wanted: Sequence[VariableSpec]) -> None:
        """Takes a model.

        Args:
          model: The model.
          wanted: Those of its variables that can be restored: no local ones.
        """
        self._partial = model.partial
        self.left_out = frozenset(
            variable.name
            for variable in wanted
            if (self._partial.only or self._partial.exclude)
            and self._partial.leaves_out(variable.local_name)
        )
        maps = self._partial.remaps
        self.remapped = remapped_variables(wanted, maps) if maps else {}

    def admits(self, variable: VariableSpec, entry: TensorEntry) -> bool:
        """Returns whether a tensor does not refuse a variable."""
        return self.fit(variable, entry).action is not Action.REFUSE

    def fit(self, variable: VariableSpec, entry: TensorEntry) -> Fit:
        """Returns how a tensor fits a variable."""
        fits_shape = shape_fits(variable.shape, entry.shape)
        rows = self.remapped.get(variable.name)
        if rows is None and fits_shape and entry.dtype == variable.dtype:
            return _AS_IT_IS
        action = self._partial.shape_action(variable.local_name)
        if variable.kind not in _VARIABLES:
            reason = ""
            if action or self._partial.cast_to(variable.local_name):
                reason = "what is no variable is not converted"
            return _misfit(variable, entry, reason)
        resize = ""
        if rows is not None:
            fault = rows_fault(variable, entry.shape, rows)
            if fault:
                return Fit(Action.REFUSE, None, "vocabulary-mismatch", fault)
        elif not fits_shape:
            if action is None:
                return _misfit(variable, entry)
            if action == INITIALIZE:
                return Fit(Action.INITIALIZE)
            resize = action
            fault = _resize_fault(action, variable, entry)
            if fault:
                return Fit(Action.REFUSE, None, "shape-mismatch", fault)
        if entry.dtype.startswith(_QUANTIZED):
            return _misfit(variable, entry, "quantized numbers are not converted")
        cast_fault = self._cast_fault(variable, entry)
        if cast_fault is not None:
            return _misfit(variable, entry, cast_fault)
        if not entry.is_complete:
            return Fit(Action.REFUSE, None, "shape-mismatch", stored_text(entry))
        shape = entry.shape if fits_shape else _known(variable)
        return Fit(
            Action.RESTORE,
            Conversion(variable.dtype, shape, entry.dtype, entry.shape, resize, rows),
        )

    def _cast_fault(self, variable: VariableSpec, entry: TensorEntry) -> Optional[str]:
        """Why a tensor is not cast; None where it may be, or need not be."""
        if variable.dtype == entry.dtype:
            return None
        wanted = self._partial.cast_to(variable.local_name)
        if wanted is None:
            return ""
        if wanted != variable.dtype:
            return f"cast names {wanted}: it has to be the variable's dtype"
        if not can_cast(entry.dtype, variable.dtype):
            return f"there is no cast from {entry.dtype} to {variable.dtype}"
        return None


def _misfit(variable: VariableSpec, entry: TensorEntry, reason: str = "") -> Fit:
    is_dtype = entry.dtype != variable.dtype
    kind = "dtype-mismatch" if is_dtype else "shape-mismatch"
    return Fit(Action.REFUSE, None, kind, reason)


def _known(variable: VariableSpec) -> Tuple[int, ...]:
    return tuple(size or 0 for size in variable.shape or ())


def _resize_fault(action: str, variable: VariableSpec, entry: TensorEntry) -> str:
    """Why a tensor can be neither sliced nor padded, as it is asked for."""
    shape, stored = variable.shape, entry.shape
    if shape is None or None in shape:
        return f"{action} needs a shape that is known"
    if len(shape) != len(stored):
        return f"{action} needs the same number of axes"
    other = {SLICE: PAD, PAD: SLICE}[action]
    for axis, (size, found) in enumerate(zip(_known(variable), stored)):
        if (size > found) if action == SLICE else (size < found):
            return f"{action} would have to {other} axis {axis}: {found:,} to {size:,}"
    return ""
