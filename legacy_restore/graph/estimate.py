"""What models take in memory; nothing here loads TensorFlow unless a plan is given."""

from __future__ import annotations

import os
from typing import Any, Iterable, List, Union

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph.locations import checkpoint_of
from legacy_restore.graph.model import Model
from legacy_restore.mapping.model_rules import packs_of, renames_of
from legacy_restore.planning.estimate import Estimate
from legacy_restore.planning.estimating import Wanted, estimate_files
from legacy_restore.planning.plan import Plan


def estimate(models: Union[Plan, Iterable[Union[Model, LocationLike]]]) -> Estimate:
    """Estimates how much memory models take, before anything is loaded.

    Of checkpoints only the index is read, and no builder runs: variables are taken to
    be what is stored without training state, or with ``weights="ema"`` the averages of
    it. A builder may want more - the state of an optimizer - or less, which its
    ``allow_unused`` permits. A plan knows: ``lr.estimate(lr.plan(models))`` counts the
    variables of its graph.

    Args:
      models: Models, or locations as ``open_checkpoint`` takes them; or a plan.

    Returns:
      Bytes by model, and the peaks of ``restore``, ``swap`` and ``restore_each``.

    Raises:
      RestoreError: Checkpoints cannot be opened; all of them are in its findings.
      UsageError: It is no list of models.
    """
    if isinstance(models, Plan):
        return _of_plan(models)
    return estimate_files([_wanted(one) for one in _listed(models)])


def _of_plan(plan: Plan) -> Estimate:
    from legacy_restore.graph.plan import GraphPlan
    from legacy_restore.planning.estimating_plans import estimate_plans

    if not isinstance(plan, GraphPlan):
        raise errors.UsageError("an estimate takes a plan that lr.plan made")
    return estimate_plans(plan.models, plan.inputs)


def _listed(models: Any) -> List[Union[Model, LocationLike]]:
    if isinstance(models, (str, os.PathLike, Model)):
        raise errors.UsageError("models have to be a list", hint="[model]")
    try:
        found = list(models)
    except TypeError:
        raise errors.UsageError(f"{models!r} is no list of models") from None
    for one in found:
        if not isinstance(one, (str, os.PathLike, Model)):
            raise errors.UsageError(f"{one!r} is neither a Model nor a location")
    if not found:
        raise errors.UsageError("there is no model")
    return found


def _wanted(one: Union[Model, LocationLike]) -> Wanted:
    if not isinstance(one, Model):
        return Wanted(os.fspath(one), one)
    return Wanted(
        name=one.name,
        location=checkpoint_of(one),
        scope=one.scope,
        rules=renames_of(one.rules),
        packs=packs_of(one.rules),
        weights=one.weights,
        only=one.partial.only,
        exclude=one.partial.exclude,
        cast=dict(one.partial.cast),
    )
