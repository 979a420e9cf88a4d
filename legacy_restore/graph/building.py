"""Running builders: one graph, each model in its own variable scope."""

from __future__ import annotations

import dataclasses
import logging
import os
import traceback
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from legacy_restore.graph import variables as variables_lib
from legacy_restore.graph.collections import own_collections
from legacy_restore.graph.keras_names import own_layer_names
from legacy_restore.graph.model import Model
from legacy_restore.graph.nest import leaves
from legacy_restore.graph.ownership import Ownership
from legacy_restore.graph.tf import tf
from legacy_restore.planning.spec import ModelSpec
from legacy_restore.report.findings import KINDS, Finding

_log = logging.getLogger("legacy_restore")

_PLACEHOLDERS = {"Placeholder": True, "PlaceholderWithDefault": False}


@dataclasses.dataclass(frozen=True)
class Input:
    """A placeholder of a model.

    Attributes:
      tensor: The tensor to feed.
      is_required: Whether it has no default.
    """

    tensor: Any
    is_required: bool


@dataclasses.dataclass(frozen=True)
class BuiltModel:
    """A model whose part of the graph exists.

    Attributes:
      model: The description that it was built from.
      spec: What the plan needs to know of it.
      variables: The ``tf.Variable`` objects by the names of their operations, in the
        order of creation.
      inputs: The placeholders that the builder created, by name without the scope.
      outputs: Exactly what the builder returned.
      table_initializers: The operations that fill the model's lookup tables.
      findings: What was found while it was built.
    """

    model: Model
    spec: ModelSpec
    variables: Mapping[str, Any]
    inputs: Mapping[str, Input]
    outputs: Any
    table_initializers: Tuple[Any, ...]
    findings: Tuple[Finding, ...]


class BuilderFailure(Exception):
    """A builder failed; the cause is what it raised, if it raised."""

    def __init__(self, finding: Finding, cause: Optional[BaseException] = None) -> None:
        """Takes the finding and what the builder raised."""
        super().__init__(finding.message)
        self.finding = finding
        self.cause = cause


def build_model(graph: Any, model: Model, ownership: Ownership) -> BuiltModel:
    """Runs a model's builder in the model's scope of the graph.

    Args:
      graph: The graph to build in.
      model: The model.
      ownership: The variables of the models that were built before; those of this one
        are added.

    Raises:
      BuilderFailure: The builder raised, its scope was taken, or it returned what
        cannot be computed.
    """
    before = len(graph.get_operations())
    with graph.as_default(), own_collections(graph):
        with variables_lib.recorded_variables() as created, own_layer_names(graph):
            outputs = _run_builder(model)
        _check_outputs(graph, model, outputs)
        operations = graph.get_operations()[before:]
        objects = variables_lib.objects_by_operation(
            graph, [*created, *_collected_variables()]
        )
        local_names = _local_names()
        tables = tuple(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
        findings = _saveable_findings(model)
    variable_names = [
        operation.name
        for operation in operations
        if variables_lib.is_variable_operation(operation)
    ]
    findings += _orphans(model, variable_names, objects)
    owned = {name: objects[name] for name in variable_names if name in objects}
    findings += ownership.claims(
        model.name, operations, [leaf.value for leaf in leaves(outputs)]
    )
    findings += _vocabulary_findings(model, tables)
    findings += ownership.shared_storage(model.name, owned.values())
    ownership.add(model.name, owned.values(), operations)
    findings += _partition_findings(model, owned)
    findings += _escape_findings(model, owned)
    _log.debug("built model %r: %d variables", model.name, len(owned))
    return BuiltModel(
        model=model,
        spec=_spec(model, owned, local_names),
        variables=owned,
        inputs=_inputs(model, operations, outputs),
        outputs=outputs,
        table_initializers=tables,
        findings=tuple(findings),
    )


def _run_builder(model: Model) -> Any:
    with tf.variable_scope(model.scope) as scope:
        # Names of operations follow the name scope, those of tf.get_variable the
        # variable scope: only where both agree is a model all in one place.
        if scope.original_name_scope != model.scope + "/":
            raise BuilderFailure(
                Finding(
                    KINDS["scope-in-use"],
                    model.scope,
                    "another model's builder has used it for operations of its own",
                    model=model.name,
                    hint="give the model another scope",
                )
            )
        try:
            outputs = model.build()
            if tf.get_default_graph().finalized:
                raise RuntimeError("it finalised the graph: variables need operations")
            return outputs
        except (Exception, SystemExit) as error:
            raise BuilderFailure(_builder_finding(model, error), error) from error


def _builder_finding(model: Model, error: BaseException) -> Finding:
    text = str(error).strip().splitlines()
    return Finding(
        KINDS["builder-failed"],
        getattr(model.build, "__qualname__", repr(model.build)),
        f"{_place(error)}{type(error).__name__}: {text[0] if text else ''}"[:300],
        model=model.name,
    )


def _place(error: BaseException) -> str:
    """File and line of the innermost code that is no installed package."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "site-packages" not in one.filename]
    if len(own) < 2:  # Our own call of the builder is always there.
        return ""
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}: "


def _check_outputs(graph: Any, model: Model, outputs: Any) -> None:
    try:
        found = leaves(outputs)
    except TypeError as error:
        text = f"what it returned is no nest of tensors: {error}"
        raise _bad_outputs(model, text, error) from error
    paths = [leaf.path for leaf in found]
    if len(set(paths)) < len(paths):
        text = f"two of its outputs have the path {_first_twice(paths)!r}"
        raise _bad_outputs(model, text, ValueError(text))
    for leaf in found:
        if leaf.value is None:
            continue
        try:
            if isinstance(leaf.value, (str, bytes)):
                raise TypeError("a text is no tensor")
            for part in tf.nest.flatten(leaf.value, expand_composites=True):
                graph.as_graph_element(part)
        except (TypeError, ValueError, AttributeError) as error:
            where = f"its output {leaf.path!r}" if leaf.path else "what it returned"
            kind = type(leaf.value).__name__
            text = f"{where} is a {kind}, which this graph cannot compute"
            raise _bad_outputs(model, text, error) from error


def _first_twice(names: Sequence[str]) -> str:
    return next(name for place, name in enumerate(names) if name in names[:place])


def _bad_outputs(model: Model, message: str, cause: Exception) -> BuilderFailure:
    finding = Finding(
        KINDS["builder-failed"],
        getattr(model.build, "__qualname__", repr(model.build)),
        message,
        model=model.name,
        hint="return tensors that the builder made, in any nest",
    )
    return BuilderFailure(finding, cause)


def _collected_variables() -> List[Any]:
    """Variables that were made past the creators, as ``import_meta_graph`` does."""
    keys = (
        tf.GraphKeys.GLOBAL_VARIABLES,
        tf.GraphKeys.LOCAL_VARIABLES,
        tf.GraphKeys.TRAINABLE_VARIABLES,
        tf.GraphKeys.MODEL_VARIABLES,
    )
    return [item for key in keys for item in tf.get_collection(key)]


def _local_names() -> Set[str]:
    local = {v.op.name for v in tf.get_collection(tf.GraphKeys.LOCAL_VARIABLES)}
    return local - {v.op.name for v in tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)}


def _spec(model: Model, owned: Mapping[str, Any], local_names: Set[str]) -> ModelSpec:
    return ModelSpec(
        name=model.name,
        scope=model.scope,
        variables=tuple(
            variables_lib.describe(variable, model.scope, local_names)
            for variable in owned.values()
        ),
        rules=model.rules,
        allow_missing=model.allow_missing,
        allow_unused=model.allow_unused,
    )


def _inputs(model: Model, operations: Sequence[Any], outputs: Any) -> Dict[str, Input]:
    found = {}
    needed = _needed_for(outputs)
    for operation in operations:
        if operation.type in _PLACEHOLDERS:
            name = operation.name
            if variables_lib.is_under(name, model.scope):
                name = name[len(model.scope) + 1 :]
            # Labels, say, are no input of what the builder returned.
            is_required = _PLACEHOLDERS[operation.type] and operation.name in needed
            found[name] = Input(operation.outputs[0], is_required)
    return found


def _needed_for(outputs: Any) -> Set[str]:
    """The names of all operations on which a nest of tensors depends."""
    parts = tf.nest.flatten(outputs, expand_composites=True)
    stack = [one.op for one in parts if hasattr(one, "op")]
    seen: Set[str] = set()
    while stack:
        operation = stack.pop()
        if operation.name not in seen:
            seen.add(operation.name)
            stack.extend(tensor.op for tensor in operation.inputs)
            stack.extend(operation.control_inputs)
    return seen


def _saveable_findings(model: Model) -> List[Finding]:
    return [
        Finding(
            KINDS["saveable-object"],
            str(getattr(item, "name", item)),
            f"{type(item).__name__} objects have values that are not restored here",
            model=model.name,
        )
        for item in tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
    ]


def _vocabulary_findings(model: Model, tables: Sequence[Any]) -> List[Finding]:
    """Finds vocabulary files that are not there before a table asks for them."""
    findings = []
    for operation in tables:
        if not operation.type.startswith("InitializeTableFromTextFile"):
            continue
        name = tf.get_static_value(operation.inputs[1])
        path = "" if name is None else os.fsdecode(name.item())
        if path and not os.path.isfile(path):
            findings.append(
                Finding(
                    KINDS["vocabulary-missing"],
                    path,
                    f"{operation.name} reads it",
                    model=model.name,
                    hint="the builder names the file: give it one that is there",
                )
            )
    return findings


def _orphans(
    model: Model, names: Sequence[str], objects: Mapping[str, Any]
) -> List[Finding]:
    return [
        Finding(
            KINDS["variable-without-object"],
            name,
            "no tf.Variable stands for it: imported, or made by a raw operation?",
            model=model.name,
        )
        for name in names
        if name not in objects
    ]


def _partition_findings(model: Model, owned: Mapping[str, Any]) -> List[Finding]:
    owners = [variables_lib.partition_owner(variable) for variable in owned.values()]
    return [
        Finding(
            KINDS["partitioned-variable"],
            name,
            f"it has {owners.count(name)} parts; such variables are not restored",
            model=model.name,
            hint="build the model without a partitioner",
        )
        for name in sorted(set(owners) - {""})
    ]


def _escape_findings(model: Model, owned: Mapping[str, Any]) -> List[Finding]:
    return [
        Finding(
            KINDS["scope-escaped"],
            name,
            f"it is not in the scope {model.scope}/: matched by its whole name",
            model=model.name,
        )
        for name in owned
        if not variables_lib.is_under(name, model.scope)
    ]
