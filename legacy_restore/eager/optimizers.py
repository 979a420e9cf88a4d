"""Optimizers of eager programs: what they are, keep and count.

Which library an optimizer is of is told by its class. One whose class derives from a
known one may compute something else, and is refused. What TensorFlow and Keras have no
public names for is taken from the attributes that their checkpoints are made of, too,
such as ``_momentums`` (``keras/src/optimizers/``, ``tf_keras/src/optimizers/``).
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.mapping.optimizer_state.kinds import (
    Family,
    Library,
    OptimizerState,
    Value,
    list_names,
    slot_names,
)
from legacy_restore.mapping.optimizer_state.steps import agreed, of_power
from legacy_restore.tf import tf

_V1_CLASSES = {
    "GradientDescentOptimizer": Family.MOMENTUM,
    "MomentumOptimizer": Family.MOMENTUM,
    "AdamOptimizer": Family.ADAM,
    "RMSPropOptimizer": Family.RMSPROP,
    "AdagradOptimizer": Family.ADAGRAD,
    "FtrlOptimizer": Family.FTRL,
}
_KERAS_CLASSES = {
    "SGD": Family.MOMENTUM,
    "Adam": Family.ADAM,
    "AdamW": Family.ADAM,
    "RMSprop": Family.RMSPROP,
    "Adagrad": Family.ADAGRAD,
    "Ftrl": Family.FTRL,
}
# The attributes of an optimizer of tf.compat.v1.train, by their names in Keras.
_V1_ATTRIBUTES = {
    "learning_rate": ("_learning_rate", "_lr"),
    "momentum": ("_momentum",),
    "nesterov": ("_use_nesterov",),
    "beta_1": ("_beta1",),
    "beta_2": ("_beta2",),
    "epsilon": ("_epsilon",),
    "rho": ("_decay",),
    "centered": ("_centered",),
    "learning_rate_power": ("_learning_rate_power",),
    "l1_regularization_strength": ("_l1_regularization_strength",),
    "l2_regularization_strength": ("_l2_regularization_strength",),
    "l2_shrinkage_regularization_strength": ("_l2_shrinkage_regularization_strength",),
    "beta": ("_beta",),
}
# What None says of them is that nothing is done.
_OFF = ("weight_decay", "decay", "use_ema", "gradient_accumulation_steps")


def state_of(optimizer: Any) -> OptimizerState:
    """Returns what an optimizer is, computes and keeps, built or not.

    Raises:
      UsageError: Its class is not known.
    """
    library, family = _library(optimizer), None
    name = type(optimizer).__name__
    if library is Library.V1:
        family = _V1_CLASSES.get(name)
    elif library is not None:
        family = _KERAS_CLASSES.get(name)
    if not callable(getattr(optimizer, "apply_gradients", None)) or name == "type":
        text = f"optimizer has to be an optimizer, not {optimizer!r:.80}"
        raise errors.UsageError(text, hint="optimizer=model.optimizer")
    if hasattr(optimizer, "inner_optimizer"):
        raise errors.UsageError(
            f"optimizer: {name} scales losses for another one, whose state it is",
            hint="optimizer=optimizer.inner_optimizer; the scale stays as it is",
        )
    if library is None or family is None:
        raise errors.UsageError(
            f"optimizer: what {type(optimizer).__module__}.{name} keeps is not known",
            hint="optimizer=None leaves it as it is",
        )
    known = hyperparameters(optimizer)
    return OptimizerState(library, family, _roles(library, family, name, known), known)


def _library(optimizer: Any) -> Any:
    module = type(optimizer).__module__
    if module.startswith(("tensorflow.python.training.", "tensorflow_core.python.tra")):
        return Library.V1
    if ".optimizer_v2." in module or ".optimizers.legacy." in module:
        return Library.LEGACY_KERAS
    if not module.startswith(("keras.", "tf_keras.")):
        return None
    if hasattr(optimizer, "_trainable_variables_indices"):
        return Library.KERAS_3
    return Library.KERAS_2 if hasattr(optimizer, "_iterations") else None


def _roles(
    library: Library, family: Family, name: str, known: Mapping[str, Value]
) -> FrozenSet[str]:
    if family is Family.MOMENTUM:
        has_slot = known.get("momentum") != 0
        if library is Library.KERAS_2:
            has_slot = True
        elif library is Library.V1:
            has_slot = name == "MomentumOptimizer"
        return frozenset(["momentum"] if has_slot else [])
    if family is Family.ADAM:
        return frozenset(["m", "v"] + (["vhat"] if known.get("amsgrad") else []))
    if family is Family.RMSPROP:
        roles = ["rms"] + (["mg"] if known.get("centered") else [])
        has_momentum = library is Library.V1 or known.get("momentum") != 0
        return frozenset(roles + (["momentum"] if has_momentum else []))
    return frozenset(list_names(family))


def hyperparameters(optimizer: Any) -> Dict[str, Value]:
    """Returns the hyperparameters of an optimizer, under their names in Keras.

    What is no number now, or not the same in the next step, is None: a schedule, a
    function, a tensor of a graph.
    """
    if _library(optimizer) is Library.V1:
        found = {
            name: _number(getattr(optimizer, attribute))
            for name, attributes in _V1_ATTRIBUTES.items()
            for attribute in attributes
            if hasattr(optimizer, attribute)
        }
        if type(optimizer).__name__ == "GradientDescentOptimizer":
            found.update(momentum=0.0, nesterov=False)
        if type(optimizer).__name__ == "FtrlOptimizer":
            found.setdefault("beta", 0.0)
        return found
    config = optimizer.get_config()
    found = {
        name: _number(value)
        for name, value in config.items()
        if name not in ("name", "is_legacy_optimizer", "jit_compile")
    }
    for name in _OFF:
        if name in config and config[name] is None:
            found[name] = 0.0
    if type(optimizer).__name__ == "Ftrl":
        found.setdefault("beta", 0.0)
    return found


def _number(value: Any) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, (dict, str, bytes)) or value is None or callable(value):
        return None
    try:
        return float(value.numpy() if hasattr(value, "numpy") else value)
    except (TypeError, ValueError, NotImplementedError, RuntimeError):
        return None


def is_built(optimizer: Any, variables: Sequence[Any]) -> bool:
    """Returns whether an optimizer has its slots for all of these variables.

    Raises:
      UsageError: It has them for others, and cannot get any for these.
    """
    library = _library(optimizer)
    if library in (Library.V1, Library.LEGACY_KERAS):
        state = state_of(optimizer)
        names = [slot_names(state.library, state.family)[role] for role in state.roles]
        return all(_slot(optimizer, one, name) for one in variables for name in names)
    if library is Library.KERAS_3:
        if not optimizer.built:
            return False
        known = set(optimizer._trainable_variables_indices)
    else:
        if not getattr(optimizer, "_built", False):
            return False
        known = set(optimizer._index_dict)
    missing = [one for one in variables if optimizer._var_key(one) not in known]
    if missing:
        raise errors.UsageError(
            f"optimizer: it was built without {missing[0].name}, and Keras builds once",
            hint="make the optimizer anew, for all trainable variables",
        )
    return True


def _slot(optimizer: Any, variable: Any, name: str) -> List[Any]:
    """The slot in a list, since a variable is neither true nor false."""
    try:
        slot = optimizer.get_slot(variable, name)
    except KeyError:  # Keras has none of that variable.
        return []
    return [] if slot is None else [slot]


def num_trained(optimizer: Any) -> int:
    """Returns for how many variables an optimizer has slots; 0 before it is built."""
    library = _library(optimizer)
    if library is Library.V1:
        return max([len(of) for of in optimizer._slots.values()], default=0)
    if library is Library.LEGACY_KERAS:
        return len(optimizer._slots)
    if library is Library.KERAS_3:
        return len(optimizer._trainable_variables_indices)
    return len(getattr(optimizer, "_index_dict", ()))


def trained_of(optimizer: Any, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns those of some variables for which a built optimizer has slots.

    Args:
      optimizer: The optimizer.
      variables: Variables by name.
    """
    state = state_of(optimizer)
    if state.library in (Library.KERAS_2, Library.KERAS_3):
        is_new = state.library is Library.KERAS_3
        known = getattr(
            optimizer, "_trainable_variables_indices" if is_new else "_index_dict"
        )
        return {
            name: one
            for name, one in variables.items()
            if optimizer._var_key(one) in known
        }
    names = [slot_names(state.library, state.family)[role] for role in state.roles]
    return {
        name: one
        for name, one in variables.items()
        if any(_slot(optimizer, one, slot) for slot in names)
    }


def build(optimizer: Any, variables: Sequence[Any]) -> None:
    """Makes the slots of an optimizer, where it has not yet; changes none.

    Args:
      optimizer: An optimizer.
      variables: All variables that it trains, in the order of its model.

    Raises:
      UsageError: It was built for others.
    """
    state = state_of(optimizer)
    if state.library in (Library.KERAS_2, Library.KERAS_3):
        if not is_built(optimizer, variables):
            optimizer.build(list(variables))
        return
    with tf.init_scope():
        if state.library is Library.LEGACY_KERAS:
            # Nothing public makes them but a step. Reading the counter makes that.
            assert optimizer.iterations is not None
            optimizer._create_hypers()
        # Slots that are there are kept; TensorFlow calls it in every step.
        optimizer._create_slots(list(variables))


def slots_of(optimizer: Any, variables: Sequence[Any]) -> Tuple[Mapping[str, Any], ...]:
    """Returns the slots of a built optimizer by role, for each variable in turn."""
    state = state_of(optimizer)
    if state.library in (Library.V1, Library.LEGACY_KERAS):
        names = slot_names(state.library, state.family)
        return tuple(
            {role: optimizer.get_slot(one, names[role]) for role in sorted(state.roles)}
            for one in variables
        )
    lists = list_names(state.family)
    found = []
    for one in variables:
        if state.library is Library.KERAS_3:
            place = optimizer._get_variable_index(one)
        else:
            place = optimizer._index_dict[optimizer._var_key(one)]
        found.append(
            {
                role: getattr(optimizer, lists[role])[place]
                for role in sorted(state.roles)
            }
        )
    return tuple(found)


def step_variables(optimizer: Any) -> Mapping[str, Any]:
    """Returns the variables that tell how many steps an optimizer made.

    ``iterations`` of Keras; ``beta_1`` and ``beta_2``, the powers, of a built
    ``AdamOptimizer``; none of the others.
    """
    library = _library(optimizer)
    if library is Library.V1:
        if type(optimizer).__name__ != "AdamOptimizer":
            return {}
        powers = zip(("beta_1", "beta_2"), optimizer._get_beta_accumulators())
        return {name: power for name, power in powers if power is not None}
    if library is Library.KERAS_3:
        return {"iterations": optimizer._iterations}
    return {"iterations": optimizer.iterations}


def step_of(optimizer: Any) -> Any:
    """Returns how many steps an optimizer made; None where it does not know."""
    found = step_variables(optimizer)
    if "iterations" in found:
        return int(found["iterations"].numpy())
    known = hyperparameters(optimizer)
    evidence = [
        of_power(name, power.numpy(), float(known[name] or 0))
        for name, power in found.items()
    ]
    return agreed(evidence).value


def hyperparameter_variables(optimizer: Any) -> Mapping[str, Any]:
    """Returns the hyperparameters that an optimizer has as variables, by name.

    TensorFlow saves and restores them with it.
    """
    library = _library(optimizer)
    if library is Library.V1:
        return {}
    if library is Library.LEGACY_KERAS:
        own = {name: getattr(optimizer, name) for name in sorted(optimizer._hyper)}
    else:
        own = {"learning_rate": optimizer._learning_rate}
    return {name: value for name, value in own.items() if hasattr(value, "assign")}


def assignable_hyperparameters(optimizer: Any) -> FrozenSet[str]:
    """Returns which hyperparameters are variables, or will be when it is built."""
    found = set(hyperparameter_variables(optimizer))
    if _library(optimizer) is Library.LEGACY_KERAS:
        found.update(
            name
            for name, value in optimizer._hyper.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        )
    return frozenset(found)
