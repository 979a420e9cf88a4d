"""Planning models: their graph is built, their checkpoints are opened and matched."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Dict, Iterable, List, Mapping, Optional

from legacy_restore import errors
from legacy_restore.graph.building import BuiltModel, build_model
from legacy_restore.graph.connections import (
    Connection,
    build_order,
    parse_connections,
)
from legacy_restore.graph.locations import checkpoint_of, lies_beside_checkpoint
from legacy_restore.graph.model import Model, check_models
from legacy_restore.graph.operations import RestoreOperations
from legacy_restore.graph.ownership import Ownership
from legacy_restore.graph.resources import with_resource_findings
from legacy_restore.graph.running import BuilderFailure
from legacy_restore.graph.shared import link_storage, share_plan, shared_by
from legacy_restore.graph.table_findings import with_table_findings
from legacy_restore.graph.wiring import connect_models, values_for
from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.plan import Plan
from legacy_restore.planning.shared import Shared, Sharing, check_shared, with_sharing
from legacy_restore.planning.unopened import input_findings
from legacy_restore.report.findings import Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.opened import Opened, open_for_graph
from legacy_restore.tf import tf

_log = logging.getLogger("legacy_restore")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GraphPlan(Plan):
    """A plan together with the graph that it was made for.

    Attributes:
      graph: The graph with all models in it.
      built: The models' parts of the graph, by model name.
      inputs: What each model was matched from, by model name.
      opened: The models' checkpoints, by model name.
      operations: The operations that restore them, made when first needed.
      sharing: The variables that they share.
    """

    graph: Any
    built: Mapping[str, BuiltModel]
    inputs: Mapping[str, PlanInput]
    opened: Mapping[str, Opened]
    operations: RestoreOperations
    sharing: Sharing = Sharing()


def plan(
    models: Iterable[Model],
    *,
    shared: Iterable[Shared] = (),
    connect: Optional[Mapping[str, str]] = None,
) -> GraphPlan:
    """Builds all models in a new graph and matches them with their checkpoints.

    No session is made and no variable is touched. What stands in the way of a restore
    is in the plan's ``findings``; ``plan.ok`` says whether anything does.

    Args:
      models: The models, each with a name and a scope of its own.
      shared: Which of their variables are to have one storage: a list of ``Shared``.
      connect: Which output becomes which input inside the graph:
        ``{"b/x": "a/y"}`` makes output ``y`` of model ``a`` the input ``x`` of ``b``.

    Returns:
      The plan; printing it shows every variable, its key, and every finding.

    Raises:
      UsageError: Two models share a name or a scope, or there is no model, or a
        connection or a ``Shared`` names what does not exist.
      BuildError: A builder failed; its exception is the cause.
    """
    found = check_models(models)
    names = [model.name for model in found]
    connections = parse_connections(connect or {}, names)
    asked = check_shared(shared, names)
    opened: Dict[str, Opened] = {}
    findings: Dict[str, List[Finding]] = {model.name: [] for model in found}
    for model in found:
        location = checkpoint_of(model)
        if location is None:
            continue
        try:
            opened[model.name] = open_for_graph(location)
        except (errors.CheckpointError, errors.MissingDependencyError) as error:
            findings[model.name] = input_findings(model.name, location, error)
    graph = tf.Graph()
    prefixes = {name: one.prefix for name, one in opened.items()}
    built = _build_all(graph, found, connections, findings, prefixes)
    sharing = shared_by(asked, built)
    inputs: Dict[str, PlanInput] = {}
    for model in found:
        one = built[model.name]
        source = opened[model.name].source if model.name in opened else None
        own = (
            *findings[model.name],
            *one.findings,
            *sharing.findings_of(model.name),
        )
        graph_file = "" if checkpoint_of(model) is not None else str(model.build)
        inputs[model.name] = PlanInput(
            with_sharing(one.spec, sharing), source, own, graph_file
        )
    pure = share_plan(make_plan(list(inputs.values())), sharing, prefixes)
    if pure.ok:
        link_storage(built, pure)
    planned = [
        with_table_findings(
            model, built[model.name].saveables, prefixes.get(model.name)
        )
        for model in pure.models
    ]
    return GraphPlan(
        models=tuple(planned),
        findings=tuple(finding for model in planned for finding in model.findings),
        graph=graph,
        built=built,
        inputs=inputs,
        opened=opened,
        operations=RestoreOperations(graph, built, pure),
        sharing=sharing,
    )


def _build_all(
    graph: Any,
    models: List[Model],
    connections: List[Connection],
    findings: Mapping[str, List[Finding]],
    prefixes: Mapping[str, str],
) -> Dict[str, BuiltModel]:
    """Builds every model, then raises for all that cannot be built."""
    ownership = Ownership()
    built: Dict[str, BuiltModel] = {}
    failed: Dict[str, BuilderFailure] = {}
    for model in build_order(models, connections):
        if lies_beside_checkpoint(model) and model.name not in prefixes:
            failed[model.name] = BuilderFailure(*findings[model.name])
            continue
        try:
            built[model.name] = build_model(
                graph,
                model,
                ownership,
                prefixes.get(model.name),
                values_for(model.name, built, connections),
            )
        except BuilderFailure as failure:
            failed[model.name] = failure
    if not failed:
        built = {model.name: built[model.name] for model in models}
        return with_resource_findings(graph, connect_models(built, connections))
    failures = [failed[model.name] for model in models if model.name in failed]
    of_files = [finding for own in findings.values() for finding in own]
    if len(failures) == 1 and failures[0].refusal is not None and not of_files:
        raise _of_model(failures[0].refusal, failures[0]) from failures[0].refusal
    own = [finding for failure in failures for finding in failure.findings]
    found = list(dict.fromkeys([*own, *of_files]))
    names = ", ".join(repr(failure.model) for failure in failures)
    text = refusal_text(f"model {names} cannot be built", found)
    raise errors.BuildError(text, findings=found) from failures[0].cause


def _of_model(
    refusal: errors.LegacyRestoreError, failure: BuilderFailure
) -> errors.LegacyRestoreError:
    """Returns a refusal that says which model it is about: files may be alike."""
    text = f"model {failure.model!r}: {refusal.message}"
    return type(refusal)(text, findings=failure.findings, hint=refusal.hint)
