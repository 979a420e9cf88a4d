"""Planning to restore an object: what it holds is matched with a checkpoint."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.eager.kept import kept_remarks
from legacy_restore.eager.keras_settings import settings_findings
from legacy_restore.eager.kinds import Role
from legacy_restore.eager.optimizer_plan import (
    OptimizerPlan,
    PlannedOptimizer,
    ask_optimizer,
    plan_optimizer,
)
from legacy_restore.eager.pairing import Paired, pair_objects
from legacy_restore.eager.recomputing import recomputed_remarks
from legacy_restore.eager.roots import (
    refuse_graph_mode,
    refuse_no_root,
    refuse_unbuilt,
    unbuilt_remarks,
)
from legacy_restore.eager.trained_variables import trained_variables
from legacy_restore.eager.variables import LiveVariable, live_variables, own_name
from legacy_restore.eager.walking import walk
from legacy_restore.mapping import waivers
from legacy_restore.mapping.model_rules import (
    Rule,
    check_model_rules,
    packs_of,
    remaps_of,
    renames_of,
)
from legacy_restore.mapping.partial import ShapeWaivers, check_partial, check_weights
from legacy_restore.mapping.vocabulary import read_row_maps
from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.plan import ModelPlan, Plan
from legacy_restore.planning.spec import ModelSpec
from legacy_restore.planning.text import plan_text
from legacy_restore.planning.unopened import input_findings
from legacy_restore.report.findings import Finding
from legacy_restore.restoring.opened import Opened, open_for_plan

ROOT = "root"
"""What a root without a name of its own is called in plans and reports."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ObjectPlan(Plan):
    """A plan together with the object that it was made for.

    Attributes:
      root: The object.
      variables: Those of its variables that are in the plan, by name.
      opened: The checkpoint, by the root's name; empty where it cannot be opened.
      optimizer: What the optimizer gets; None where none was asked for, or where it is
        already known that nothing can be restored.
    """

    HAS_COMMAND = False
    root: Any
    variables: Mapping[str, LiveVariable]
    opened: Mapping[str, Opened]
    optimizer: Optional[OptimizerPlan] = None

    def to_json(self) -> Dict[str, Any]:
        """Returns the plan as JSON-ready data, with that of the optimizer."""
        optimizer = self.optimizer and self.optimizer.to_json()
        return {**super().to_json(), "optimizer": optimizer}

    def __str__(self) -> str:
        """Returns the tables of variables and optimizer, and all findings, as text."""
        return plan_text(self, self.optimizer.lines() if self.optimizer else ())


def plan_object(
    root: Any,
    location: LocationLike,
    *,
    rules: Sequence[Rule] = (),
    optimizer: Any = None,
    trained_with: Optional[Mapping[str, float]] = None,
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
    allow_shape: ShapeWaivers = (),
    cast: Optional[Mapping[str, Any]] = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    weights: str = "raw",
) -> ObjectPlan:
    """Matches the variables of an eager model with a checkpoint; touches none.

    Object-based checkpoints are matched by their objects, as TensorFlow does, others by
    the names of variables. Patterns match these names: of Keras 3 ``variable.path``, of
    others the name, both without the root's own. What stands in the way of a restore is
    in the plan's ``findings``; ``plan.ok`` says whether anything does.

    Args:
      root: A Keras model or layer (Keras 3, ``tf_keras``, ``tf.keras``), a
        ``tf.Module``, a ``tf.train.Checkpoint``, or a list or a dictionary of variables
        or of such objects. It has to be built: to have its variables.
      location: A location as ``open_checkpoint`` takes it.
      rules: As for ``Model``, to which the other arguments belong too.
      optimizer: An optimizer of ``tf.compat.v1.train``, ``tf_keras`` or Keras 3 that is
        to go on where that of the checkpoint stopped: ``model.optimizer``, one that the
        root holds, or another one, of the same library or not. It need not be built.
        None touches no optimizer, also not that of a compiled model.
      trained_with: Hyperparameters of the optimizer in the checkpoint, by their names
        in Keras, such as ``{"learning_rate": 0.1, "epsilon": 1e-8}``, as far as they
        are known: most are in no checkpoint. They are compared with those of
        ``optimizer``.
      allow_missing: Patterns of variables that may be missing in the checkpoint. These
        keep the value that they have, where a graph would run the initialiser.
      allow_unused: Patterns of weights that may be left in the checkpoint.
      allow_shape: What to do where shapes differ.
      cast: The dtypes to which stored tensors are cast.
      only: Patterns of the variables that are restored; others keep their values.
      exclude: Patterns of variables that are not restored.
      weights: ``"raw"``, or ``"ema"`` for the moving averages of the weights.

    Returns:
      The plan; printing it shows every variable, its key, and every finding.

    Raises:
      BuildError: The root has not made its variables yet.
      UsageError: An argument cannot be meant, or a graph is being built.
    """
    refuse_graph_mode()
    refuse_no_root(root)
    asked = ask_optimizer(optimizer, trained_with, weights)
    name = own_name(root) or ROOT
    own_rules = check_model_rules(rules)
    partial = check_partial(allow_shape, cast, only, exclude)
    spec = ModelSpec(
        name=name,
        scope="",
        variables=(),
        rules=renames_of(own_rules),
        packs=packs_of(own_rules),
        allow_missing=waivers.check_patterns("allow_missing", allow_missing),
        allow_unused=waivers.check_patterns("allow_unused", allow_unused),
        weights=check_weights(name, weights),
    )
    live = walk(root)
    variables = live_variables(root, live)
    refuse_unbuilt(name, live, variables)
    trained = trained_variables(optimizer, live, variables) if asked else {}
    row_maps = read_row_maps(name, remaps_of(own_rules))
    spec = dataclasses.replace(
        spec, partial=dataclasses.replace(partial, remaps=row_maps.maps)
    )
    findings: List[Finding] = [*row_maps.findings, *unbuilt_remarks(name, live)]
    opened: Dict[str, Opened] = {}
    try:
        opened[name] = open_for_plan(location)
    except (errors.CheckpointError, errors.MissingDependencyError) as error:
        findings += input_findings(name, location, error)
    source = opened[name].source if opened else None
    paired = Paired() if source is None else pair_objects(spec, source, live, variables)
    planned = [
        one for one in variables if one.role is Role.WEIGHT or one.name in paired.keys
    ]
    findings += recomputed_remarks(name, planned)
    findings += kept_remarks(
        name, live, [one for one in variables if one not in planned], optimizer
    )
    spec = dataclasses.replace(
        spec, variables=tuple(one.spec for one in planned), own=paired.table()
    )
    pure = make_plan([PlanInput(spec, source, tuple(findings))])
    (model,) = pure.models
    more = paired.findings(name, model)
    if source is not None:
        known = {one.name: one for one in planned}
        more += settings_findings(model, known, source.keras_datasets)
    model = dataclasses.replace(model, findings=(*model.findings, *more))
    state: Optional[OptimizerPlan] = None
    if asked is not None and opened:
        found = plan_optimizer(asked, trained, model, opened[name])
        state, model = found.plan, _with_optimizer(model, found)
    return ObjectPlan(
        models=(model,),
        findings=model.findings,
        root=root,
        variables={one.name: one for one in planned},
        opened=opened,
        optimizer=state,
    )


def _with_optimizer(model: ModelPlan, found: PlannedOptimizer) -> ModelPlan:
    """Adds what was found for an optimizer; what it takes is not left behind."""
    taken = found.plan.transfer.keys_used if found.plan else frozenset()
    findings = [
        one
        for one in model.findings
        if one.id != "unused-training-state" or one.subject not in taken
    ]
    return dataclasses.replace(model, findings=(*findings, *found.findings))
