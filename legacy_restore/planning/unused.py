"""Permissions that permit nothing: they show that something is not what it seems."""

from __future__ import annotations

import re
from typing import List, Mapping, Sequence

from legacy_restore.mapping import waivers
from legacy_restore.planning.permitting import Fitting
from legacy_restore.planning.shadows import View
from legacy_restore.planning.spec import ModelSpec, VariableSpec, shape_fits
from legacy_restore.report.findings import KINDS, Finding


def unused_waiver(model: str, argument: str, pattern: str, what: str) -> Finding:
    """Returns the finding for a waiver that permits nothing.

    Args:
      model: The model's name.
      argument: The argument that has it.
      pattern: The pattern.
      what: What it matches.
    """
    return Finding(
        KINDS["unused-waiver"],
        f"{argument}={pattern!r}",
        f"it matches {what}",
        model=model,
    )


def unused_permissions(
    model: ModelSpec,
    wanted: Sequence[VariableSpec],
    view: View,
    table: Mapping[str, str],
    fitting: Fitting,
) -> List[Finding]:
    """Returns a finding for each shape, cast, choice or remap that applies to nothing.

    Args:
      model: The model.
      wanted: Its variables, without local ones.
      view: What they see of the checkpoint.
      table: The key of each of them.
      fitting: What was permitted.
    """
    names = [variable.local_name for variable in wanted]
    chosen = [one for one in wanted if one.name not in fitting.left_out]
    shapes = []
    dtypes = []
    for variable in chosen:
        if variable.name not in table:
            continue
        entry = view.entries[table[variable.name]]
        is_remapped = variable.name in fitting.remapped
        if not is_remapped and not shape_fits(variable.shape, entry.shape):
            shapes.append(variable.local_name)
        if variable.dtype != entry.dtype:
            dtypes.append(variable.local_name)
    partial = model.partial
    other_shape = "no variable of another shape than the checkpoint's"
    other_dtype = "no variable of another dtype than the checkpoint's"
    findings = []
    for argument, patterns, among, what in (
        ("allow_shape", [one for one, _ in partial.allow_shape], shapes, other_shape),
        ("cast", [one for one, _ in partial.cast], dtypes, other_dtype),
        ("only", partial.only, names, "no variable"),
        ("exclude", partial.exclude, names, "no variable"),
    ):
        findings += [
            unused_waiver(model.name, argument, pattern, what)
            for pattern in waivers.unused(patterns, among)
        ]
    return findings + [
        Finding(
            KINDS["unused-rule"],
            f"VocabularyRemap({one.pattern!r})",
            "it matches no variable that is restored",
            model=model.name,
        )
        for one in partial.remaps
        if not any(
            re.fullmatch(one.pattern, variable.local_name) for variable in chosen
        )
    ]
