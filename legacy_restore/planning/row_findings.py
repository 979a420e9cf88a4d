"""Findings about single rows of a plan."""

from __future__ import annotations

from typing import Tuple

from legacy_restore.planning.objects import TABLE
from legacy_restore.planning.spec import ModelSpec, VariableSpec, type_text
from legacy_restore.report.findings import KINDS, Finding


def remark(kind: str, model: ModelSpec, variable: VariableSpec) -> Finding:
    """Returns what is said of a variable that is not restored."""
    text = "the table stays empty" if variable.kind == TABLE else ""
    return Finding(KINDS[kind], variable.name, text, model=model.name)


def missing(model: ModelSpec, variable: VariableSpec, reason: str) -> Finding:
    """Returns the finding for a variable without a key."""
    return Finding(
        KINDS["missing-key"],
        variable.name,
        reason,
        model=model.name,
        expected=type_text(variable.dtype, variable.shape),
        waiver=("allow_missing", variable.local_name),
    )


def missing_half(model: ModelSpec, variable: VariableSpec, other: str) -> Finding:
    """Returns the finding for what lacks a key that the rest of its object has."""
    return Finding(
        KINDS["missing-key"],
        variable.name,
        f"the checkpoint has {other}, and both are restored or none",
        model=model.name,
        expected=type_text(variable.dtype, variable.shape),
    )


def misfit(
    model: ModelSpec, variable: VariableSpec, dtype: str, shape: Tuple[int, ...]
) -> Finding:
    """Returns the finding for a variable whose key has another dtype or shape."""
    kind = "dtype-mismatch" if dtype != variable.dtype else "shape-mismatch"
    return Finding(
        KINDS[kind],
        variable.name,
        model=model.name,
        expected=type_text(variable.dtype, variable.shape),
        found=type_text(dtype, shape),
        hint="build the model with the checkpoint's shapes and dtypes",
    )


def shared_key(model: ModelSpec, variable: VariableSpec, key: str) -> Finding:
    """Returns the finding for a variable whose key another one has too."""
    return Finding(
        KINDS["key-claimed-twice"],
        variable.name,
        f"another variable of the model matches {key} too",
        model=model.name,
        hint="give each variable a name of its own inside the scope",
    )
