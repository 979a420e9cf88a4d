"""What becomes of each variable once a way to match the model is chosen."""

from __future__ import annotations

import collections
import dataclasses
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping import waivers
from legacy_restore.planning import row_findings
from legacy_restore.planning.candidates import Candidate
from legacy_restore.planning.objects import other_halves, refuse, uneven_tables
from legacy_restore.planning.permitting import Fitting
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.planning.shadows import View
from legacy_restore.planning.spec import (
    ModelSpec,
    Part,
    VariableSpec,
    are_apart,
    stored_text,
)
from legacy_restore.planning.suggestions import Suggester
from legacy_restore.report.findings import Finding


@dataclasses.dataclass(frozen=True)
class DecidedRows:
    """What becomes of the variables of a model.

    Attributes:
      rows: One for each variable.
      findings: What is to be said of them.
    """

    rows: List[PlanRow]
    findings: List[Finding]


class _Decision:
    """Decides about one variable after the other."""

    def __init__(
        self,
        model: ModelSpec,
        view: View,
        choice: Candidate,
        left: Sequence[TensorEntry],
        fitting: Fitting,
    ) -> None:
        self._model = model
        self._view = view
        self._choice = choice
        self._fitting = fitting
        self._permitted = waivers.permitted(
            model.allow_missing, (variable.local_name for variable in model.variables)
        )
        self._suggester = Suggester(left)
        self._halves = other_halves(model.variables, choice.table)
        self._torn = _torn_objects(model.variables, fitting)
        self._claims = _claims(model.variables, choice.table)
        self.findings: List[Finding] = []

    def row(self, variable: VariableSpec) -> PlanRow:
        """Returns what becomes of a variable, and notes what is to be said of it."""
        key = self._choice.table.get(variable.name)
        if variable.holds_path:
            text = "it holds the path of an asset"
            return self._left("unsaved-variable", variable, text)
        if variable.is_local:
            is_unsaved = variable.name in self._model.own.initialised
            kind = "unsaved-variable" if is_unsaved else "local-variable"
            return self._left(kind, variable)
        if variable.name in self._torn:
            return self._refused(row_findings.torn(self._model, variable), variable)
        if variable.name in self._fitting.left_out:
            text = "only and exclude leave it out"
            return self._left("left-to-initializer", variable, text)
        if variable.name in self._halves:
            other = self._halves[variable.name]
            finding = row_findings.missing_half(self._model, variable, other)
            return self._refused(finding, variable)
        if key is None:
            return self._missing(variable)
        entry = self._view.entries[key]
        fit = self._fitting.fit(variable, entry)
        if fit.action is Action.REFUSE:
            finding = row_findings.misfit(
                self._model, variable, entry, fit.kind, fit.reason
            )
            return self._refused(finding, variable, entry)
        if fit.action is Action.INITIALIZE:
            text = row_findings.initialized_text(entry)
            return self._left("left-to-initializer", variable, text)
        if not are_apart(self._claims[key]):
            finding = row_findings.shared_key(self._model, variable, entry.key)
            return self._refused(finding, variable, entry)
        row = PlanRow(
            self._model.name,
            variable,
            Action.RESTORE,
            entry,
            conversion=fit.conversion,
        )
        if row.is_merged and not variable.has_initializer:
            finding = row_findings.no_initializer(self._model, variable)
            return self._refused(finding, variable, entry)
        if fit.conversion is not None:
            self.findings.append(
                row_findings.converted(self._model, variable, fit.conversion)
            )
        return row

    def _missing(self, variable: VariableSpec) -> PlanRow:
        if variable.local_name in self._permitted:
            return self._left("left-to-initializer", variable)
        lacking = self._choice.incomplete.get(variable.name)
        reason = self._suggester.suggest(variable)
        if self._model.own.saver_keys and variable.name not in self._model.own.keys:
            reason = "no Saver of the graph restores it"
        if lacking is not None:
            stored = stored_text(self._view.entries[lacking])
            reason = f"the checkpoint has {stored}"
        finding = row_findings.missing(self._model, variable, reason)
        return self._refused(finding, variable)

    def _left(self, kind: str, variable: VariableSpec, text: str = "") -> PlanRow:
        if not variable.has_initializer:
            finding = row_findings.no_initializer(self._model, variable)
            return self._refused(finding, variable)
        if kind == "left-to-initializer" and variable.has_value:
            kind = "left-as-it-is"
        self.findings.append(row_findings.remark(kind, self._model, variable, text))
        return PlanRow(self._model.name, variable, Action.INITIALIZE)

    def _refused(
        self,
        finding: Finding,
        variable: VariableSpec,
        entry: Optional[TensorEntry] = None,
    ) -> PlanRow:
        self.findings.append(finding)
        return PlanRow(self._model.name, variable, Action.REFUSE, entry)


def decide_rows(
    model: ModelSpec,
    view: View,
    choice: Candidate,
    left: Sequence[TensorEntry],
    fitting: Fitting,
) -> DecidedRows:
    """Returns what becomes of each variable of a model.

    Args:
      model: The model.
      view: What its variables see of the checkpoint.
      choice: The way to match that was taken.
      left: The weights that no variable takes.
      fitting: What may be made of a tensor that does not fit.
    """
    decision = _Decision(model, view, choice, left, fitting)
    rows = [decision.row(variable) for variable in model.variables]
    uneven = uneven_tables(rows)
    return DecidedRows(refuse(rows, uneven), decision.findings + uneven)


def _claims(
    variables: Sequence[VariableSpec], table: Mapping[str, str]
) -> Dict[str, List[Tuple[Part, ...]]]:
    """The pieces of the variables that take each key."""
    claims: Dict[str, List[Tuple[Part, ...]]] = collections.defaultdict(list)
    for variable in variables:
        if variable.name in table:
            claims[table[variable.name]].append(variable.pieces)
    return claims


def _torn_objects(variables: Sequence[VariableSpec], fitting: Fitting) -> List[str]:
    """Tensors of objects of which only and exclude leave out some, not all."""
    found: Dict[str, List[str]] = {}
    for variable in variables:
        if variable.saved_with:
            found.setdefault(variable.saved_with, []).append(variable.name)
    return [
        name
        for names in found.values()
        if 0 < len(fitting.left_out.intersection(names)) < len(names)
        for name in names
    ]
