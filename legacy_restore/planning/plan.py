"""The plan: what a restore will do, as data that can be printed, kept and compared."""

from __future__ import annotations

import dataclasses
import enum
from typing import (
    Any,
    ClassVar,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from legacy_restore.checkpoint import Location, TensorEntry
from legacy_restore.planning.conversion import Conversion
from legacy_restore.planning.spec import Shape, VariableSpec, type_text
from legacy_restore.report.findings import Finding
from legacy_restore.report.table import count_text

# Raised whenever a field of the JSON changes its meaning or goes.
JSON_VERSION = 1


class Action(enum.Enum):
    """What becomes of a variable.

    ``SHARE``: nothing of its own, as it has the storage of another model's variable.
    """

    RESTORE = "restore"
    INITIALIZE = "initialize"
    SHARE = "share"
    REFUSE = "refuse"


@dataclasses.dataclass(frozen=True)
class SharedWith:
    """The variable whose storage another model's variable has.

    Attributes:
      model: Name of the model whose checkpoint it comes from.
      variable: Its name in the graph.
    """

    model: str
    variable: str


@dataclasses.dataclass(frozen=True)
class PlanRow:
    """One variable of the plan.

    Attributes:
      model: Name of the model that owns the variable.
      variable: The variable.
      action: What becomes of it.
      entry: The tensor that it is matched with, or None.
      shared_with: Of a variable without storage of its own, whose storage it has.
      conversion: What is made of that tensor, or None where it is the value.
    """

    model: str
    variable: VariableSpec
    action: Action
    entry: Optional[TensorEntry] = None
    shared_with: Optional[SharedWith] = None
    conversion: Optional[Conversion] = None

    @property
    def key(self) -> Optional[str]:
        """The checkpoint key that it is matched with, or None."""
        return None if self.entry is None else self.entry.key

    @property
    def is_merged(self) -> bool:
        """Whether a part of its value is left to its initialiser."""
        if self.action is not Action.RESTORE or self.conversion is None:
            return False
        return self.conversion.needs_initializer

    @property
    def stored_bytes(self) -> int:
        """Bytes that are stored of the tensor it is matched with; 0 without one."""
        return 0 if self.entry is None else self.entry.nbytes

    @property
    def num_parameters(self) -> int:
        """Number of elements; of an unknown shape, that of the tensor, else 0."""
        if self.conversion is not None:
            return self.variable.num_parameters
        if self.entry is not None and not self.variable.pieces:
            return self.entry.num_elements
        return self.variable.num_parameters

    @property
    def num_restored(self) -> int:
        """Number of elements that come from the checkpoint."""
        if self.action is not Action.RESTORE:
            return 0
        if self.conversion is None:
            return self.num_parameters
        return min(self.num_parameters, self.conversion.num_restored)

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "variable": self.variable.name,
            "dtype": self.variable.dtype,
            "shape": _json_shape(self.variable.shape),
            "kind": self.variable.kind,
            "parts": self.variable.parts,
            "action": self.action.value,
            "key": self.key,
            "shared_with": self.shared_with and dataclasses.asdict(self.shared_with),
            "conversion": self.conversion and self.conversion.to_json(),
        }


def _json_shape(shape: Shape) -> Optional[List[Optional[int]]]:
    return None if shape is None else list(shape)


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How much of some models comes from checkpoints.

    Attributes:
      variables: Number of variables, without those that hold the paths of assets.
      restored_variables: Number of those that are restored.
      parameters: Number of elements of all variables.
      shared_variables: Number of those that other models' variables are the storage of:
        these count as restored where they are, not here. Over all models there are
        none, so that what is shared counts once.
      shared_parameters: Number of elements of those.
      restored_parameters: Number of elements that come from checkpoints.
      constants: Number of constants of saved graphs; those of a frozen graph are its
        weights.
    """

    variables: int
    restored_variables: int
    parameters: int
    restored_parameters: int
    shared_variables: int = 0
    shared_parameters: int = 0
    constants: int = 0

    def __str__(self) -> str:
        """Says it in one line."""
        if self.constants and not self.variables:
            return f"0 variables, {count_text(self.constants, 'constant')}"
        share = 1.0
        if self.parameters:
            share = self.restored_parameters / self.parameters
        return (
            f"{self.restored_variables} of {self.variables} variables, "
            f"{self.restored_parameters:,} of {self.parameters:,} parameters "
            f"({_percent(share)}){self._shared_text()}"
        )

    def _shared_text(self) -> str:
        if not self.shared_variables:
            return ""
        variables = count_text(self.shared_variables, "variable")
        return f"; {variables}, {self.shared_parameters:,} parameters from other models"

    def to_json(self) -> Dict[str, int]:
        """Returns the numbers as JSON-ready data."""
        return dataclasses.asdict(self)


def _percent(share: float) -> str:
    # 99.996 % must not read as all.
    return "100 %" if share == 1.0 else f"{min(share * 100, 99.99):.2f} %"


def coverage_of(rows: Iterable[PlanRow], num_constants: int = 0) -> Coverage:
    """Counts variables and parameters of some rows.

    Args:
      rows: The rows.
      num_constants: Number of constants of the saved graphs that they belong to.
    """
    # A path is no weight.
    rows = [row for row in rows if not row.variable.holds_path]
    restored = [row for row in rows if row.action is Action.RESTORE]
    shared = [row for row in rows if row.action is Action.SHARE]
    return Coverage(
        variables=len(rows),
        restored_variables=len(restored),
        parameters=sum(row.num_parameters for row in rows),
        shared_variables=len(shared),
        shared_parameters=sum(row.num_parameters for row in shared),
        restored_parameters=sum(row.num_restored for row in restored),
        constants=num_constants,
    )


@dataclasses.dataclass(frozen=True, repr=False)
class ModelPlan:
    """The plan of one model.

    Attributes:
      name: The model's name.
      scope: Its variable scope.
      location: Where its checkpoint was found, or None when it was not.
      format: The checkpoint's format, or None.
      matched_by: The rule by which variables and keys were matched, in words.
      rows: One for each variable, in the order of creation.
      findings: What there is to say about this model.
      copied: Of a saved graph, what is saved as the checkpoint has it, mostly of
        variables that were left out: the key there, by the one in the graph's file.
      num_constants: Of a saved graph, the number of its constants.
    """

    name: str
    scope: str
    location: Optional[Location]
    format: Optional[str]
    matched_by: str
    rows: Tuple[PlanRow, ...]
    findings: Tuple[Finding, ...]
    copied: Mapping[str, str] = dataclasses.field(default_factory=dict)
    num_constants: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing refuses this model."""
        return not any(finding.is_error for finding in self.findings)

    @property
    def coverage(self) -> Coverage:
        """How much of this model comes from its checkpoint."""
        return coverage_of(self.rows, self.num_constants)

    def by_variable(self) -> Dict[str, PlanRow]:
        """Returns the rows by the names of their variables in the graph."""
        return {row.variable.name: row for row in self.rows}

    def rows_to(self, action: Action) -> List[PlanRow]:
        """Returns the rows with this action."""
        return [row for row in self.rows if row.action is action]

    def __repr__(self) -> str:
        return _repr(self, [self.name])

    def to_json(self) -> Dict[str, Any]:
        """Returns the model's plan as JSON-ready data."""
        return {
            "name": self.name,
            "scope": self.scope,
            "location": self.location and self.location.given,
            "prefix": self.location and self.location.prefix,
            "format": self.format,
            "matched_by": self.matched_by,
            "coverage": self.coverage.to_json(),
            "rows": [row.to_json() for row in self.rows],
        }


@dataclasses.dataclass(frozen=True, repr=False)
class Plan:
    """The table of variables and keys over all models, and what there is to say.

    Printing a plan shows one table for each model and every finding.

    Attributes:
      models: The plans of the models, in the order in which they were given.
      findings: All findings, of the models and about several of them.
      HAS_COMMAND: Whether a command restores such models too, so that hints name flags.
    """

    HAS_COMMAND: ClassVar[bool] = True
    models: Tuple[ModelPlan, ...]
    findings: Tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing refuses the restore."""
        return not any(finding.is_error for finding in self.findings)

    @property
    def rows(self) -> List[PlanRow]:
        """The rows of all models."""
        return [row for model in self.models for row in model.rows]

    @property
    def coverage(self) -> Coverage:
        """How much of all models comes from checkpoints; what is shared counts once."""
        own = [row for row in self.rows if row.action is not Action.SHARE]
        return coverage_of(own, sum(model.num_constants for model in self.models))

    def __getitem__(self, name: str) -> ModelPlan:
        """Returns the plan of one model.

        Raises:
          KeyError: There is no model of this name.
        """
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    def to_json(self) -> Dict[str, Any]:
        """Returns the plan as JSON-ready data; ``docs/plan-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "ok": self.ok,
            "coverage": self.coverage.to_json(),
            "models": [model.to_json() for model in self.models],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Returns the tables of all models and all findings as text."""
        from legacy_restore.planning.text import plan_text

        return plan_text(self)

    def __repr__(self) -> str:
        # A prompt and an exception show this: tables and live objects have no place.
        return _repr(self, [model.name for model in self.models])


def _repr(plan: Union[ModelPlan, Plan], names: Sequence[str]) -> str:
    """Returns a line: what it is of, how much is restored, and whether it can be."""
    problems = sum(finding.is_error for finding in plan.findings)
    verdict = f"refused, {count_text(problems, 'problem')}" if problems else "ready"
    shown = ", ".join(map(repr, names))
    return f"<{type(plan).__name__} {shown}: {plan.coverage}, {verdict}>"


def rows_by_source(rows: Iterable[PlanRow]) -> List[List[PlanRow]]:
    """Returns rows in groups, none of them empty, by what gives their values.

    That is the stored tensor, what is made of it, or that and an initialiser.
    """
    groups: Tuple[List[PlanRow], ...] = ([], [], [])
    for row in rows:
        groups[0 if row.conversion is None else 2 if row.is_merged else 1].append(row)
    return [group for group in groups if group]


def row_type(row: PlanRow) -> str:
    """Returns a row's dtype and shape as they are shown."""
    return type_text(row.variable.dtype, row.variable.shape)
