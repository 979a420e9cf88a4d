"""From models and their checkpoints to the plan of all of them."""

from __future__ import annotations

import dataclasses
import re
from typing import List, Optional, Sequence, Tuple

from legacy_restore.planning.matching import Match
from legacy_restore.planning.model_matching import explained_by, match_model
from legacy_restore.planning.object_hints import with_object_hint
from legacy_restore.planning.plan import Action, ModelPlan, Plan, PlanRow
from legacy_restore.planning.spec import ModelSpec, Source
from legacy_restore.planning.unsourced import match_without_checkpoint
from legacy_restore.report.findings import KINDS, Finding


@dataclasses.dataclass(frozen=True)
class PlanInput:
    """One model with all that is known about it before matching.

    Attributes:
      model: The model, its graph built.
      source: Its checkpoint, or None when that could not be opened.
      findings: What was found while the graph was built and the checkpoint opened.
      graph: The file of a saved graph for which no checkpoint was given; empty for all
        other models.
    """

    model: ModelSpec
    source: Optional[Source]
    findings: Tuple[Finding, ...] = ()
    graph: str = ""


def make_plan(inputs: Sequence[PlanInput], findings: Sequence[Finding] = ()) -> Plan:
    """Matches every model with its checkpoint; never raises for what it finds.

    Args:
      inputs: The models, in the order in which the plan shows them.
      findings: Findings about several models.
    """
    models = tuple(plan_model(one, inputs) for one in inputs)
    of_models = [finding for model in models for finding in model.findings]
    return Plan(models, (*of_models, *findings))


def plan_model(one: PlanInput, inputs: Sequence[PlanInput]) -> ModelPlan:
    """Matches one model with its checkpoint; never raises for what it finds.

    Args:
      one: The model.
      inputs: All models of the plan, that one among them.
    """
    model = one.model
    findings: List[Finding] = list(one.findings)
    if not model.variables:
        findings.append(Finding(KINDS["no-variables"], model.scope, model=model.name))
    if one.graph:
        match = match_without_checkpoint(model, one.graph)
        findings.extend(match.findings)
    elif one.source is None:
        rows = tuple(PlanRow(model.name, v, Action.REFUSE) for v in model.variables)
        match = Match("no checkpoint", rows, ())
    else:
        match = match_model(model, one.source)
        findings.extend(_of_this_model(one.source.findings, model.name))
        findings.extend(match.findings)
        findings.extend(_foreign_prefix(model, match, inputs))
    return ModelPlan(
        name=model.name,
        scope=model.scope,
        location=None if one.source is None else one.source.location,
        format=None if one.source is None else one.source.format,
        matched_by=match.matched_by,
        rows=match.rows,
        copied=match.copied,
        num_constants=model.num_constants,
        findings=tuple(
            with_object_hint(_with_swap_hint(findings, one, inputs), model, one.source)
        ),
    )


def _of_this_model(findings: Sequence[Finding], name: str) -> List[Finding]:
    return [dataclasses.replace(finding, model=name) for finding in findings]


def _foreign_prefix(
    model: ModelSpec, match: Match, inputs: Sequence[PlanInput]
) -> List[Finding]:
    """Refuses a checkpoint whose names say that it is another model's.

    Two models of one architecture differ in nothing but their scope: with their
    checkpoints swapped, the names below the scope fit all the same.
    """
    owners = [
        other.model.name
        for other in inputs
        if other.model is not model
        and _ends_in(match.prefix, (other.model.scope, other.model.name))
    ]
    if not match.prefix or not owners:
        return []
    pattern = f"^{re.escape(match.prefix)}/"
    finding = Finding(
        KINDS["foreign-prefix"],
        f"{match.prefix}/",
        f"that is the scope of model {owners[0]!r}: are the checkpoints swapped?",
        model=model.name,
        hint=f"if it is meant: rules=[Rename({pattern!r}, '')]",
    )
    return [finding]


def _ends_in(prefix: str, scopes: Sequence[str]) -> bool:
    return any(f"/{prefix}".endswith(f"/{scope}") for scope in scopes)


def _with_swap_hint(
    findings: List[Finding], one: PlanInput, inputs: Sequence[PlanInput]
) -> List[Finding]:
    """Says on the first variable that does not fit whose checkpoint would."""
    unfit = ("missing-key", "shape-mismatch", "dtype-mismatch")
    first = next((f for f in findings if f.id in unfit), None)
    if first is None:
        return findings
    # What may be missing is in many checkpoints.
    whole = dataclasses.replace(
        one.model, allow_missing=(), shared=frozenset(), owned_elsewhere=frozenset()
    )
    for other in inputs:
        if other is one or other.source is None:
            continue
        # A checkpoint that fits its own model too says nothing: the two are alike.
        if explained_by(whole, other.source) and not explained_by(
            other.model, other.source
        ):
            hint = (
                f"the checkpoint of model {other.model.name!r} holds all variables of "
                f"{one.model.name!r}: are the two swapped?"
            )
            hinted = dataclasses.replace(first, hint=hint)
            return [hinted if finding is first else finding for finding in findings]
    return findings
