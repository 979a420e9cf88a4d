"""Models without a checkpoint: frozen graphs, and graphs that are to be trained anew.

Of a saved graph with variables a checkpoint is demanded. Where the caller permits them
to be missing, or the file itself initialises them, they run their initialisers.
"""

from __future__ import annotations

import dataclasses
from typing import List

from legacy_restore.checkpoint.resolved import Location
from legacy_restore.planning.matching import Match
from legacy_restore.planning.model_matching import match_model
from legacy_restore.planning.plan import Action
from legacy_restore.planning.spec import ModelSpec, Source
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text, cut_names

# What there is to say of a checkpoint that is empty, and not of none.
_OF_CHECKPOINTS = frozenset(["graph-differs", "graph-mismatch", "missing-key"])
_HINT = (
    "Model.from_meta_graph(name, checkpoint, meta_graph=file); "
    'allow_missing=[".*"] to run their initialisers'
)


def match_without_checkpoint(model: ModelSpec, graph: str) -> Match:
    """Returns what becomes of a model's variables without a checkpoint.

    Args:
      model: The model.
      graph: The file of its graph, for messages.
    """
    if not model.variables:
        return Match("no checkpoint", (), ())
    match = match_model(model, _nothing(graph))
    findings: List[Finding] = []
    missing = [
        row.variable.local_name for row in match.rows if row.action is Action.REFUSE
    ]
    if missing:
        findings.append(
            Finding(
                KINDS["no-checkpoint"],
                graph,
                f"{count_text(len(missing), 'variable')}: {cut_names(missing, 3)}",
                model=model.name,
                hint=_HINT,
            )
        )
    findings += [one for one in match.findings if one.id not in _OF_CHECKPOINTS]
    return dataclasses.replace(
        match, matched_by="no checkpoint", findings=tuple(findings), copied={}
    )


def _nothing(graph: str) -> Source:
    return Source(Location(given=graph, prefix=graph), format="", entries={})
