"""What an optimizer gets from a checkpoint, decided before anything is assigned."""

from __future__ import annotations

import dataclasses
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
)

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.mapping.optimizer_state.hyperparameters import (
    Comparison,
    compare,
    number_text,
)
from legacy_restore.mapping.optimizer_state.kinds import (
    Family,
    Library,
    OptimizerState,
)
from legacy_restore.mapping.optimizer_state.rules import (
    StateRule,
    ValueRule,
    rule_between,
)
from legacy_restore.mapping.optimizer_state.steps import (
    StepCount,
    agreed,
    counted,
    of_power,
    power_after,
)
from legacy_restore.mapping.optimizer_state.stored import (
    FoundOptimizers,
    StoredOptimizer,
)
from legacy_restore.mapping.optimizer_state.stored_names import optimizers_by_name
from legacy_restore.mapping.optimizer_state.stored_objects import optimizers_of_objects
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class SlotRow:
    """Where the value of one slot comes from.

    Attributes:
      variable: The variable that the slot is of.
      role: What the slot is for.
      key: What is read. Of a slot that gets zeros, the variable itself, for its shape.
      rule: What is made of that.
    """

    variable: str
    role: str
    key: str
    rule: ValueRule


@dataclasses.dataclass(frozen=True)
class OptimizerTransfer:
    """What an optimizer gets from a checkpoint.

    Attributes:
      stored: The optimizer of the checkpoint; None where there is none to take.
      rule: How its state becomes that of the other; None without one.
      slots: The slots, in the order of the variables.
      step: How many steps were made.
      powers: Of ``AdamOptimizer``, powers of ``beta_1`` and ``beta_2``, scalars.
      hyperparameter_keys: Keys of hyperparameters that the optimizer has as variables.
      comparisons: Hyperparameters that have to be the same on both sides.
      findings: What is the matter.
    """

    stored: Optional[StoredOptimizer]
    rule: Optional[StateRule]
    slots: Tuple[SlotRow, ...]
    step: StepCount
    powers: Mapping[str, np.ndarray[Any, Any]]
    hyperparameter_keys: Mapping[str, str]
    comparisons: Tuple[Comparison, ...]
    findings: Tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing refuses it."""
        return not any(finding.is_error for finding in self.findings)

    @property
    def keys_used(self) -> FrozenSet[str]:
        """Keys of the checkpoint that went into it, the weights not counted."""
        keys = {row.key for row in self.slots if row.rule.role is not None}
        keys.update(self.hyperparameter_keys.values())
        return frozenset([*keys, *self.counted_by])

    @property
    def counted_by(self) -> Tuple[str, ...]:
        """Keys of what tells how many steps were made."""
        if self.stored is None:
            return ()
        return (*self.stored.step_keys, *(key for _, key in self.stored.power_keys))


def find_optimizers(
    entries: Iterable[TensorEntry], objects: Optional[ObjectGraph] = None
) -> FoundOptimizers:
    """Returns the optimizers of a checkpoint, by its objects if it has some.

    Args:
      entries: What the checkpoint says about its tensors.
      objects: Its object graph, or None.
    """
    if objects is None:
        return optimizers_by_name(entries)
    return optimizers_of_objects(objects, {entry.key: entry for entry in entries})


def plan_transfer(
    found: FoundOptimizers,
    target: OptimizerState,
    key_of: Mapping[str, str],
    values: Mapping[str, Any],
    *,
    assignable: Iterable[str] = (),
    stated: Optional[Mapping[str, float]] = None,
    subject: str = "optimizer",
) -> OptimizerTransfer:
    """Decides what an optimizer gets.

    Args:
      found: The optimizers of the checkpoint.
      target: The optimizer that is to go on.
      key_of: The key of each of its variables, by the variable's name.
      values: The tensors of the checkpoint by key; only scalars are read.
      assignable: Hyperparameters that the optimizer has as variables: they become what
        the checkpoint has of them, as in TensorFlow.
      stated: Hyperparameters of the optimizer in the checkpoint, by someone who knows
        what it does not hold.
      subject: What findings are about.
    """
    findings: List[Finding] = []
    chosen = _chosen(found, target, key_of, subject, findings)
    if chosen is None:
        nothing = StepCount(None, False)
        return OptimizerTransfer(None, None, (), nothing, {}, {}, (), tuple(findings))
    stored = chosen.with_hyperparameters(values)
    source = dataclasses.replace(
        stored.state,
        hyperparameters={**stored.state.hyperparameters, **(stated or {})},
    )
    taken = {
        name: key
        for name, key in sorted(stored.hyperparameter_keys.items())
        if name in set(assignable)
    }
    after = {name: float(values[key]) for name, key in taken.items()}
    target = dataclasses.replace(
        target, hyperparameters={**target.hyperparameters, **after}
    )
    rule = rule_between(source, target)
    findings += _contradictions(stored.state, stated or {}, subject)
    findings += [
        Finding(
            KINDS["optimizer-rule"],
            subject,
            problem,
            hint=f"an optimizer like {source.name}, as it was made, or optimizer=None, "
            "which restores the weights alone",
        )
        for problem in rule.problems
    ]
    comparisons = () if rule.problems else compare(rule)
    findings += [_compared(one, subject) for one in comparisons if _is_told(one)]
    findings += _unnamed(stored, rule, subject)
    step = _step(stored, target, values, subject, findings)
    slots = _slots(stored, rule, key_of, findings)
    _tell_conversion(rule, subject, findings)
    powers = _powers(stored, target, step, values)
    return OptimizerTransfer(
        stored, rule, slots, step, powers, taken, comparisons, tuple(findings)
    )


def _chosen(
    found: FoundOptimizers,
    target: OptimizerState,
    key_of: Mapping[str, str],
    subject: str,
    findings: List[Finding],
) -> Optional[StoredOptimizer]:
    keys = set(key_of.values())
    candidates = [one for one in found.optimizers if keys & set(one.slots)]
    if not candidates:
        candidates = [
            one for one in found.optimizers if not one.slots and not one.problems
        ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = cut_names(sorted(f"{o.path} ({o.state.name})" for o in candidates))
        hint = (
            "first build it for what it trains, "
            "optimizer.build(part.trainable_variables); or optimizer=None"
        )
        kind = KINDS["optimizer-ambiguous"]
        findings.append(Finding(kind, subject, names, hint=hint))
        return None
    others = [one.path for one in found.optimizers] + list(found.unknown)
    message = f"no slots of its variables for {target.name}"
    if others:
        message += f"; the checkpoint has {cut_names(sorted(set(others)))}"
    unclear = [problem for one in found.optimizers for problem in one.problems]
    if unclear:
        message += f"; not told apart: {cut_names(unclear)}"
    findings.append(
        Finding(
            KINDS["optimizer-missing"],
            subject,
            message,
            hint="optimizer=None leaves the optimizer as it is",
        )
    )
    return None


def _unnamed(
    stored: StoredOptimizer, rule: StateRule, subject: str
) -> Iterator[Finding]:
    """Where only its name could tell that it is another that keeps the same."""
    if not stored.own_name or rule.problems:
        return
    yield Finding(
        KINDS["hyperparameter-unknown"],
        f"{subject}: class",
        f"called {stored.own_name!r} in the checkpoint, which does not say what it is: "
        "Lamb and ScheduleFreeAdamW keep what Adam keeps",
        found=rule.target.name,
    )


def _contradictions(
    stored: OptimizerState, stated: Mapping[str, float], subject: str
) -> Iterator[Finding]:
    """Where the checkpoint has another value than the one that was stated."""
    for name, value in sorted(stated.items()):
        one = Comparison(name, stored.number(name), value)
        if one.stored is None or not one.differs:
            continue
        there, here = number_text(one.stored), number_text(value)
        yield Finding(
            KINDS["hyperparameter-differs"],
            f"{subject}: {name}",
            f"{there} in the checkpoint, {here} was stated",
            expected=there,
            found=here,
        )


def _slots(
    stored: StoredOptimizer,
    rule: StateRule,
    key_of: Mapping[str, str],
    findings: List[Finding],
) -> Tuple[SlotRow, ...]:
    rows: List[SlotRow] = []
    lost = list(stored.problems)
    for variable, weight in key_of.items():
        of_weight = stored.slots.get(weight, {})
        for role, value in rule.values.items():
            key = weight if value.role is None else of_weight.get(value.role)
            if key is not None:
                rows.append(SlotRow(variable, role, key, value))
                continue
            message = f"no {value.role} of {weight} in the checkpoint"
            if lost:
                message += f"; not told apart: {cut_names(lost)}"
            hint = (
                "where it was not trained: an optimizer that is built for the others, "
                "or optimizer=None"
            )
            subject = f"{variable}: {role}"
            findings.append(Finding(KINDS["missing-key"], subject, message, hint=hint))
    return tuple(rows)


def _is_told(one: Comparison) -> bool:
    # What is off wherever it exists is not worth a line.
    return one.differs or (one.is_unknown and (one.live != 0 or one.stored is not None))


def _compared(one: Comparison, subject: str) -> Finding:
    stored = None if one.stored is None else number_text(one.stored)
    live = None if one.live is None else number_text(one.live)
    if not one.differs:
        return Finding(
            KINDS["hyperparameter-unknown"],
            f"{subject}: {one.name}",
            "not stored in the checkpoint" if live else "no constant in the optimizer",
            expected=stored,
            found=live,
        )
    return Finding(
        KINDS["hyperparameter-differs"],
        f"{subject}: {one.name}",
        str(one),
        expected=stored,
        found=live,
        hint=f"make the optimizer with {one.name}={stored}",
    )


def _step(
    stored: StoredOptimizer,
    target: OptimizerState,
    values: Mapping[str, Any],
    subject: str,
    findings: List[Finding],
) -> StepCount:
    evidence = [counted(key, values[key].item()) for key in stored.step_keys]
    for name, key in stored.power_keys:
        beta = target.number(name)
        if beta is not None:
            evidence.append(of_power(key, values[key], beta))
    step = agreed(evidence)
    is_needed = target.family is Family.ADAM
    if step.problem is not None:
        findings.append(Finding(KINDS["optimizer-step"], subject, step.problem))
    elif step.value is None and is_needed:
        message = "the checkpoint does not tell how many steps Adam made"
        findings.append(Finding(KINDS["optimizer-step"], subject, message))
    elif not step.is_exact and target.library.is_keras:
        told = "left as it is" if step.value is None else f"at least {step.value}"
        findings.append(Finding(KINDS["step-unknown"], subject, f"iterations: {told}"))
    return step


def _powers(
    stored: StoredOptimizer,
    target: OptimizerState,
    step: StepCount,
    values: Mapping[str, Any],
) -> Dict[str, np.ndarray[Any, Any]]:
    if target.library is not Library.V1 or target.family is not Family.ADAM:
        return {}
    if len(stored.power_keys) == 2:
        return {name: values[key] for name, key in stored.power_keys}
    import numpy as np

    found = {}
    for name in ("beta_1", "beta_2"):
        beta = target.number(name)
        if beta is not None and step.value is not None:
            found[name] = power_after(step.value, beta, np.dtype(np.float32))
    return found


def _tell_conversion(rule: StateRule, subject: str, findings: List[Finding]) -> None:
    changed = [
        f"{role} = {value}"
        for role, value in rule.values.items()
        if value.role is not None and not value.is_copy
    ]
    if changed:
        message = f"{rule.source.name} to {rule.target.name}: {', '.join(changed)}"
        findings.append(Finding(KINDS["optimizer-converted"], subject, message))
