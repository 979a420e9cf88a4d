"""Restores TensorFlow 1 models: many of them, into one graph and one session.

``import legacy_restore`` loads no TensorFlow; the names that need it load it when they
are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, List

from legacy_restore import errors

if TYPE_CHECKING:
    from legacy_restore.checkpoint import Checkpoint, TensorEntry, open_checkpoint
    from legacy_restore.checkpoint.verifying import verify_checkpoint
    from legacy_restore.checkpoint.writing import write_checkpoint
    from legacy_restore.eager.conversion import to_object_based
    from legacy_restore.eager.plan import plan_object
    from legacy_restore.eager.restore import restore_object
    from legacy_restore.examining.diagnosis import Diagnosis
    from legacy_restore.examining.diff import diff
    from legacy_restore.examining.diff_report import DiffReport
    from legacy_restore.examining.doctor import diagnose
    from legacy_restore.examining.salvage import salvage
    from legacy_restore.examining.salvage_report import SalvageReport
    from legacy_restore.graph.each import restore_each
    from legacy_restore.graph.ensemble import copies
    from legacy_restore.graph.estimate import estimate
    from legacy_restore.graph.map_each import map_each
    from legacy_restore.graph.model import Model
    from legacy_restore.graph.plan import plan
    from legacy_restore.graph.restore import restore
    from legacy_restore.graph.scope_restore import init_fn, restore_scope
    from legacy_restore.graph.scopes import scope_variables, scoped_saver
    from legacy_restore.mapping.rules import Rename
    from legacy_restore.mapping.vocabulary import VocabularyRemap
    from legacy_restore.planning.estimate import Estimate
    from legacy_restore.planning.plan import Plan
    from legacy_restore.planning.shared import Shared
    from legacy_restore.report.outcomes import Outcome
    from legacy_restore.rewriting.conversion_report import ConversionReport
    from legacy_restore.rewriting.kinds import to_name_based

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "ConversionReport",
    "Diagnosis",
    "DiffReport",
    "Estimate",
    "Model",
    "Outcome",
    "Plan",
    "Rename",
    "SalvageReport",
    "Shared",
    "TensorEntry",
    "VocabularyRemap",
    "copies",
    "diagnose",
    "diff",
    "errors",
    "estimate",
    "init_fn",
    "map_each",
    "open_checkpoint",
    "plan",
    "plan_object",
    "restore",
    "restore_each",
    "restore_object",
    "restore_scope",
    "salvage",
    "scope_variables",
    "scoped_saver",
    "to_name_based",
    "to_object_based",
    "verify_checkpoint",
    "write_checkpoint",
]

_HOMES = {
    "Checkpoint": "legacy_restore.checkpoint",
    "ConversionReport": "legacy_restore.rewriting.conversion_report",
    "Diagnosis": "legacy_restore.examining.diagnosis",
    "DiffReport": "legacy_restore.examining.diff_report",
    "Estimate": "legacy_restore.planning.estimate",
    "Model": "legacy_restore.graph.model",
    "Outcome": "legacy_restore.report.outcomes",
    "Plan": "legacy_restore.planning.plan",
    "Rename": "legacy_restore.mapping.rules",
    "SalvageReport": "legacy_restore.examining.salvage_report",
    "Shared": "legacy_restore.planning.shared",
    "TensorEntry": "legacy_restore.checkpoint",
    "VocabularyRemap": "legacy_restore.mapping.vocabulary",
    "copies": "legacy_restore.graph.ensemble",
    "diagnose": "legacy_restore.examining.doctor",
    "diff": "legacy_restore.examining.diff",
    "estimate": "legacy_restore.graph.estimate",
    "init_fn": "legacy_restore.graph.scope_restore",
    "map_each": "legacy_restore.graph.map_each",
    "open_checkpoint": "legacy_restore.checkpoint",
    "plan": "legacy_restore.graph.plan",
    "plan_object": "legacy_restore.eager.plan",
    "restore": "legacy_restore.graph.restore",
    "restore_each": "legacy_restore.graph.each",
    "restore_object": "legacy_restore.eager.restore",
    "restore_scope": "legacy_restore.graph.scope_restore",
    "salvage": "legacy_restore.examining.salvage",
    "scope_variables": "legacy_restore.graph.scopes",
    "scoped_saver": "legacy_restore.graph.scopes",
    "to_name_based": "legacy_restore.rewriting.kinds",
    "to_object_based": "legacy_restore.eager.conversion",
    "verify_checkpoint": "legacy_restore.checkpoint.verifying",
    "write_checkpoint": "legacy_restore.checkpoint.writing",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted([*globals(), *__all__])
