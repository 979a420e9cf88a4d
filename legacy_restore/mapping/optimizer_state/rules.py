"""How the state of one optimizer becomes that of another.

It is no renaming. What libraries compute alike they write down differently::

    Momentum, tf.compat.v1.train   a = momentum a + g;          w -= learning_rate a
    Momentum, Keras                k = momentum k - learning_rate g;        w += k
    Adagrad, tf.compat.v1.train    w -= learning_rate g / sqrt(a)
    Adagrad, Keras since 2.11      w -= learning_rate g / sqrt(a + epsilon)
    Adagrad, legacy Keras          w -= learning_rate g / (sqrt(a) + epsilon)
    RMSProp, all but the next      w -= learning_rate g / sqrt(ms + epsilon)
    RMSProp, legacy Keras without momentum
                                   w -= learning_rate g / (sqrt(ms) + epsilon)

So ``k = -learning_rate a``, where the learning rate is constant, and Adagrad's
accumulators differ by epsilon, or not by any constant at all. Adam has "epsilon hat" in
all of them, and Ftrl is one formula. A rule is exact where training then goes on as it
would have with the first optimizer, but for rounding; otherwise it has ``problems``.
Sparse gradients are another matter: of a row without a gradient the optimizers of
``tf.compat.v1.train`` but Adam touch nothing, those of Keras since 2.11 do.

Kernels: ``tensorflow/core/kernels/training_ops.cc``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from legacy_restore.mapping.optimizer_state.kinds import (
    ROLES,
    Family,
    Library,
    OptimizerState,
)

if TYPE_CHECKING:
    import numpy as np

_SINCE_2_11 = (Library.KERAS_2, Library.KERAS_3)

_SAME: Mapping[Family, Tuple[str, ...]] = {
    Family.MOMENTUM: ("learning_rate", "momentum", "nesterov"),
    Family.ADAM: ("learning_rate", "beta_1", "beta_2", "epsilon"),
    Family.RMSPROP: ("learning_rate", "rho", "momentum", "epsilon"),
    Family.ADAGRAD: ("learning_rate",),
    Family.FTRL: (
        "learning_rate",
        "learning_rate_power",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
}
# Keras does these itself; programs of TensorFlow 1 do it to the gradients.
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_WITHOUT_SOURCE = {
    "use_ema": "keeps moving averages of the weights",
    "gradient_accumulation_steps": "keeps gradients from step to step",
}


@dataclasses.dataclass(frozen=True)
class ValueRule:
    """What a slot's value is made of: ``scale * value + offset``.

    Attributes:
      role: The slot of the other optimizer; None where the value is zero.
      scale: A factor.
      offset: What is added after that.
    """

    role: Optional[str]
    scale: float = 1.0
    offset: float = 0.0

    @property
    def is_copy(self) -> bool:
        """Whether the value is taken as it is."""
        return self.role is not None and self.scale == 1.0 and self.offset == 0.0

    def __str__(self) -> str:
        factor = "" if self.scale == 1 else f"{self.scale:.7g} * "
        term = "" if self.offset == 0 else f" {self.offset:+.7g}"
        return "0" if self.role is None else f"{factor}{self.role}{term}"

    def apply(self, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Returns the value of the other optimizer, in the dtype that it had.

        It is computed in double precision and rounded once.

        Args:
          value: What is stored; of a slot that gets zeros, an array of its shape.
        """
        import numpy as np

        if self.role is None:
            return np.zeros_like(value)
        if self.is_copy:
            return value
        exact = value.astype(np.float64) * self.scale + self.offset
        return exact.astype(value.dtype)


@dataclasses.dataclass(frozen=True)
class StateRule:
    """How the slots of one optimizer become those of another.

    Attributes:
      source: What the values are of.
      target: What they are for.
      values: What each role of the target is made of; empty if there are problems.
      needs: Hyperparameters by whose values others are computed.
      same: Hyperparameters that have to be the same on both sides, known or not.
      problems: Why there is no exact rule; empty where this is one.
    """

    source: OptimizerState
    target: OptimizerState
    values: Mapping[str, ValueRule]
    needs: Tuple[str, ...]
    same: Tuple[str, ...]
    problems: Tuple[str, ...] = ()


@dataclasses.dataclass
class _Draft:
    values: Dict[str, ValueRule]
    needs: List[str] = dataclasses.field(default_factory=list)
    problems: List[str] = dataclasses.field(default_factory=list)


def rule_between(source: OptimizerState, target: OptimizerState) -> StateRule:
    """Returns the rule for a pair of optimizers, or why there is none.

    Args:
      source: An optimizer as a file has it; hyperparameters that the file does not hold
        may have been stated by someone who knows them.
      target: The optimizer that is to go on with it.
    """
    draft = _Draft({})
    if source.family is not target.family:
        kept = " and ".join(ROLES[target.family])
        draft.problems.append(f"{target.name} keeps {kept}, which {source.name} lacks")
    else:
        draft.values.update(_roles(source, target, draft.problems))
        if source.family is Family.MOMENTUM:
            _scale_momentum(source, target, draft)
        elif source.family is Family.ADAGRAD:
            _shift_accumulators(source, target, draft)
        elif source.family is Family.RMSPROP:
            _compare_roots(source, target, draft)
    draft.problems.extend(
        f"{target.name} with {name} {what}, which are not restored"
        for name, what in sorted(_WITHOUT_SOURCE.items())
        if target.hyperparameters.get(name)
    )
    if "gradient_accumulation_steps" in source.hyperparameters:
        what = _WITHOUT_SOURCE["gradient_accumulation_steps"].replace("keeps", "kept")
        draft.problems.append(f"{source.name} {what}, which are not restored")
    return StateRule(
        source,
        target,
        {} if draft.problems else draft.values,
        tuple(draft.needs),
        _same(source, target),
        tuple(draft.problems),
    )


def _roles(
    source: OptimizerState, target: OptimizerState, problems: List[str]
) -> Dict[str, ValueRule]:
    values: Dict[str, ValueRule] = {}
    for role in ROLES[target.family]:
        if role in source.roles and role in target.roles:
            values[role] = ValueRule(role)
        elif role in target.roles:
            # Where momentum is 0, what a slot of it holds is multiplied by 0.
            if role == "momentum" and target.number("momentum") == 0:
                values[role] = ValueRule(None)
            else:
                problems.append(f"{source.name} kept no {_shown(role)}")
        elif role in source.roles and not _may_drop(role, source):
            problems.append(f"{target.name} keeps no {_shown(role)}")
    return values


def _may_drop(role: str, source: OptimizerState) -> bool:
    """Whether an optimizer keeps this also where it has no influence."""
    if role != "momentum":
        return False
    if source.family is Family.RMSPROP:
        return source.library is Library.V1
    return source.library is Library.KERAS_2


def _shown(role: str) -> str:
    return {
        "mg": "average of gradients (centered=True)",
        "vhat": "maximum of v (amsgrad=True)",
    }.get(role, role)


def _scale_momentum(
    source: OptimizerState, target: OptimizerState, draft: _Draft
) -> None:
    if source.library.is_keras == target.library.is_keras:
        return
    if "momentum" not in source.roles or "momentum" not in target.roles:
        return
    draft.needs.append("learning_rate")
    rate = target.number("learning_rate")
    decays = source.number("decay") or target.number("decay")
    varies = "learning_rate" in source.hyperparameters and (
        source.hyperparameters["learning_rate"] is None
    )
    if rate is None or decays or varies:
        draft.problems.append(
            f"{Library.V1.value} keeps a sum of gradients, Keras one of steps: "
            "they are proportional only while the learning rate is constant"
        )
    elif rate == 0:
        draft.problems.append("the learning rate is 0")
    elif "momentum" in draft.values and draft.values["momentum"].role is not None:
        scale = -rate if target.library.is_keras else -1 / rate
        draft.values["momentum"] = ValueRule("momentum", scale=scale)


def _shift_accumulators(
    source: OptimizerState, target: OptimizerState, draft: _Draft
) -> None:
    if _epsilon_place(source) == _epsilon_place(target):
        return
    draft.needs.append("epsilon")
    shift = 0.0
    for state, sign in ((source, 1), (target, -1)):
        place = _epsilon_place(state)
        if place == "nowhere":
            continue
        epsilon = state.number("epsilon")
        if epsilon is None:
            draft.problems.append(
                f"the epsilon of {state.name} is needed, and no checkpoint stores it"
            )
        elif place == "inside":
            shift += sign * epsilon
        elif epsilon != 0:
            draft.problems.append(
                f"{state.name} adds epsilon to the square root, "
                f"{_other(state, source, target).name} does not: only epsilon = 0 "
                "makes them equal"
            )
    if shift:
        draft.values["accumulator"] = ValueRule("accumulator", offset=shift)


def _compare_roots(
    source: OptimizerState, target: OptimizerState, draft: _Draft
) -> None:
    if _epsilon_place(source) == _epsilon_place(target):
        return
    outside, inside = source, target
    if _epsilon_place(target) == "outside":
        outside, inside = target, source
    draft.problems.append(
        f"{outside.name} without momentum adds epsilon to the square root, "
        f"{inside.name} adds it inside"
    )


def _epsilon_place(state: OptimizerState) -> str:
    """Where epsilon is added: ``inside`` the root, ``outside`` or ``nowhere``."""
    if state.family is Family.ADAGRAD:
        if state.library is Library.V1:
            return "nowhere"
        return "inside" if state.library in _SINCE_2_11 else "outside"
    if state.library is Library.LEGACY_KERAS and "momentum" not in state.roles:
        return "outside"
    return "inside"


def _other(
    state: OptimizerState, source: OptimizerState, target: OptimizerState
) -> OptimizerState:
    return target if state is source else source


def _same(source: OptimizerState, target: OptimizerState) -> Tuple[str, ...]:
    if source.family is not target.family:
        return ()
    names = list(_SAME[source.family])
    libraries = (source.library, target.library)
    is_adagrad = source.family is Family.ADAGRAD
    if is_adagrad and _epsilon_place(source) == _epsilon_place(target) != "nowhere":
        names.append("epsilon")
    if source.family is Family.ADAM and Library.KERAS_2 in libraries:
        names.append("adaptive_epsilon")
    if Library.LEGACY_KERAS in libraries:
        names.append("decay")
    if any(library in _SINCE_2_11 for library in libraries):
        names.append("weight_decay")
    names += [name for name in _CLIPPING if target.hyperparameters.get(name)]
    return tuple(names)
