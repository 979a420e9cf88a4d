"""Findings about single rows of a plan."""

from __future__ import annotations

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.planning.conversion import Conversion
from legacy_restore.planning.objects import TABLE
from legacy_restore.planning.spec import ModelSpec, VariableSpec, type_text
from legacy_restore.report.findings import KINDS, Finding


def remark(
    kind: str, model: ModelSpec, variable: VariableSpec, text: str = ""
) -> Finding:
    """Returns what is said of a variable that is not restored."""
    if variable.kind == TABLE:
        text = f"{text}: the table stays empty" if text else "the table stays empty"
    return Finding(KINDS[kind], variable.name, text, model=model.name)


def initialized_text(entry: TensorEntry) -> str:
    """Says what the checkpoint has of a variable that is initialised all the same."""
    return f"the checkpoint has {type_text(entry.dtype, entry.shape)}"


def converted(
    model: ModelSpec, variable: VariableSpec, conversion: Conversion
) -> Finding:
    """Returns what is said of a variable whose value is made of the stored tensor."""
    return Finding(
        KINDS["converted"],
        variable.name,
        str(conversion),
        model=model.name,
        found=type_text(conversion.stored_dtype, conversion.stored_shape),
        expected=type_text(variable.dtype, variable.shape),
    )


def no_initializer(model: ModelSpec, variable: VariableSpec) -> Finding:
    """Returns the finding for a variable that nothing gives a value."""
    return Finding(
        KINDS["no-initializer"],
        variable.name,
        "the checkpoint gives it no value, and its initialiser is not in the graph, or "
        "needs what was left out of it",
        model=model.name,
        hint="prune=False, outputs that do not need it, or a checkpoint that has it",
    )


def torn(model: ModelSpec, variable: VariableSpec) -> Finding:
    """Returns the finding for a tensor whose object is left out in part."""
    return Finding(
        KINDS["saveable-object"],
        variable.name,
        "only and exclude leave out some of its object's tensors: all are restored, "
        "or none",
        model=model.name,
    )


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
    model: ModelSpec,
    variable: VariableSpec,
    entry: TensorEntry,
    kind: str,
    reason: str,
) -> Finding:
    """Returns the finding for a variable whose key has another dtype or shape.

    Args:
      model: The model.
      variable: The variable.
      entry: The tensor that stands under the key.
      kind: The kind of the finding.
      reason: What dtypes and shapes do not say.
    """
    waiver = {"dtype-mismatch": "cast", "shape-mismatch": "allow_shape"}.get(kind)
    if reason or variable.kind not in ("ref", "resource"):
        waiver = None
    hint = "build the model with the checkpoint's shapes and dtypes"
    return Finding(
        KINDS[kind],
        variable.name,
        reason,
        model=model.name,
        expected=type_text(variable.dtype, variable.shape),
        found=type_text(entry.dtype, entry.shape),
        hint=hint if kind != "vocabulary-mismatch" else None,
        waiver=None if waiver is None else (waiver, variable.local_name),
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
