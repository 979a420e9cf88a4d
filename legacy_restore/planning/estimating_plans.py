"""Estimates of plans: what models take whose variables are known."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Set

from legacy_restore.checkpoint.slices import count_elements
from legacy_restore.mapping.classify import TensorClass
from legacy_restore.planning.assemble import PlanInput
from legacy_restore.planning.estimate import Estimate, ModelEstimate
from legacy_restore.planning.memory import (
    FEED_COPIES,
    SWAP_COPIES,
    bytes_of,
    bytes_of_entry,
    num_characters,
)
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow

# What a swap keeps of a table is no more than of a variable.
_COPIES_OF_OBJECTS = max(SWAP_COPIES.values())
_MERGED_COPIES = 3


def estimate_plans(
    models: Sequence[ModelPlan], inputs: Mapping[str, PlanInput]
) -> Estimate:
    """Estimates what the variables of some plans take.

    Args:
      models: The plans. A variable that several of them name counts once.
      inputs: What each of them was matched from, by the model's name.
    """
    counted: Set[str] = set()
    rows = []
    for model in models:
        own = [row for row in model.rows if row.variable.name not in counted]
        counted.update(row.variable.name for row in own)
        rows.append(_row(model, own, inputs[model.name]))
    return Estimate(tuple(rows), "plan")


def size_of(row: PlanRow) -> int:
    """Returns the bytes that a variable of a plan takes."""
    variable, entry = row.variable, row.entry
    shape = variable.shape
    if variable.pieces:
        elements = variable.num_parameters
    elif shape is not None and None not in shape:
        elements = count_elements([size or 0 for size in shape])
    else:  # It takes the shape of what is restored.
        elements = 0 if entry is None else entry.num_elements
    characters = 0 if entry is None else num_characters(entry)
    found = bytes_of(variable.dtype, elements, characters)
    if not found and elements and entry is not None:  # A dtype without a size.
        return bytes_of_entry(entry)
    return found


def _row(
    model: ModelPlan, rows: Sequence[PlanRow], matched: PlanInput
) -> ModelEstimate:
    own = [row for row in rows if row.action is not Action.SHARE]
    sizes = [size_of(row) for row in own]
    dtypes: Dict[str, int] = {}
    initialised = state = swapping = fed = 0
    conversions: List[int] = [0]
    for row, size in zip(own, sizes):
        dtypes[row.variable.dtype] = dtypes.get(row.variable.dtype, 0) + size
        if row.action is Action.INITIALIZE:
            initialised += size
            continue
        swapping += size * SWAP_COPIES.get(row.variable.kind, _COPIES_OF_OBJECTS)
        if _is_state(row, matched):
            state += size
        if row.entry is None or row.conversion is None:
            continue
        stored = bytes_of_entry(row.entry)
        if row.is_merged:  # Later, one by one: what it had, the value, what is fed.
            conversions.append(stored + _MERGED_COPIES * size)
            continue
        fed += size * FEED_COPIES.get(row.variable.kind, max(FEED_COPIES.values()))
        conversions.append(stored)
    return ModelEstimate(
        name=model.name,
        prefix="" if model.location is None else model.location.prefix,
        num_variables=len(own),
        weights=sum(sizes) - initialised - state,
        initialised=initialised,
        state_in_graph=state,
        training_state=_state_left(model, matched),
        dtypes=dtypes,
        largest=max(sizes, default=0),
        shared=sum(size_of(row) for row in rows if row.action is Action.SHARE),
        fed=fed,
        converting=max(conversions),
        swapping=swapping + fed + max(conversions),
    )


def _is_state(row: PlanRow, matched: PlanInput) -> bool:
    """Whether a variable is there for training; averages may be what is wanted."""
    if row.key is None or matched.source is None:
        return False
    found = matched.source.classes[row.key].tensor_class
    if found is TensorClass.EMA and matched.model.weights == "ema":
        return False
    return found.is_training_state


def _state_left(model: ModelPlan, matched: PlanInput) -> int:
    if matched.source is None:
        return 0
    left = {one.subject for one in model.findings if one.id == "unused-training-state"}
    entries = matched.source.entries
    return sum(bytes_of_entry(entries[key]) for key in left if key in entries)
