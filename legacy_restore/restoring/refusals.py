"""Refusing: from the findings of a plan or of files to the error that says them."""

from __future__ import annotations

import os
from typing import List, Mapping, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint.files import FileIdentity
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.planning.hints import waiver_hints
from legacy_restore.planning.plan import Action, ModelPlan, Plan
from legacy_restore.planning.unopened import input_findings
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names
from legacy_restore.restoring.opened import Opened, file_stamps, open_for_graph

NOTHING_CHANGED = "nothing was changed"


def refuse_unless_ok(plan: Plan) -> None:
    """Raises what a plan refuses.

    Raises:
      RestoreError: A model cannot be restored; all findings of the plan are in it.
    """
    if plan.ok:
        return
    refused = [model for model in plan.models if not model.ok]
    if len(refused) == 1:
        headline = _headline(refused[0])
    else:
        names = cut_names([model.name for model in refused])
        headline = (
            f"{len(refused)} of {len(plan.models)} models cannot be restored: {names}"
        )
    text = refusal_text(
        f"{headline}; {NOTHING_CHANGED}", plan.findings, waiver_hints(plan)
    )
    raise errors.RestoreError(text, findings=plan.findings)


def _headline(model: ModelPlan) -> str:
    where = "" if model.location is None else f" from {model.location.prefix}"
    unfit = len(model.rows_to(Action.REFUSE))
    what = f"{unfit} of {len(model.rows)} variables" if unfit else "it"
    return f"model {model.name!r}: {what} cannot be restored{where}"


def refuse_if_changed(opened: Mapping[str, Opened]) -> None:
    """Raises if the files of a plan are no longer those that it was made from.

    The plan's shapes are only as good as the files that they were read from.

    Args:
      opened: The checkpoints, by model name.

    Raises:
      RestoreError: A file was written to, or is gone.
    """
    findings: List[Finding] = []
    for name, one in opened.items():
        now = file_stamps(one.stamps)
        changed = [path for path, stamp in one.stamps.items() if now[path] != stamp]
        findings += [
            Finding(
                KINDS["checkpoint-changed"],
                path,
                _change(one.stamps[path], now[path]),
                model=name,
                hint="make the plan again",
            )
            for path in changed
        ]
    raise_for(findings, "a checkpoint is no longer the one that was planned")


def _change(before: Optional[FileIdentity], now: Optional[FileIdentity]) -> str:
    if now is None:
        return "it is gone"
    return "it was not there before" if before is None else "it was written to"


def open_or_refuse(name: str, location: LocationLike, headline: str) -> Opened:
    """Opens a model's checkpoint.

    Args:
      name: The model's name.
      location: The checkpoint.
      headline: What the error says first.

    Raises:
      RestoreError: There is none, or it cannot be read.
      UsageError: The location is no path.
    """
    if not isinstance(location, (str, os.PathLike)):
        raise errors.UsageError(f"a location has to be a path, not {location!r}")
    try:
        return open_for_graph(location)
    except (errors.CheckpointError, errors.MissingDependencyError) as error:
        raise_for(input_findings(name, location, error), headline)
        raise


def raise_for(findings: Sequence[Finding], headline: str) -> None:
    """Raises if there are findings.

    Raises:
      RestoreError: It says them, and that nothing was changed.
    """
    if findings:
        text = refusal_text(f"{headline}; {NOTHING_CHANGED}", findings)
        raise errors.RestoreError(text, findings=findings)
