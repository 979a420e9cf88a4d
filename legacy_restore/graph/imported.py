"""Importing a saved graph into a model's scope.

The message comes ready from ``importing/``; here it becomes operations, by
``tf.import_graph_def`` alone. ``tf.train.import_meta_graph`` would restore collections
and Savers that name what the graph no longer has, and fails on many files that are
sound (``tensorflow/python/framework/meta_graph.py``).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Mapping, Optional, Tuple

from legacy_restore import errors
from legacy_restore.graph.collections import own_collections
from legacy_restore.graph.constructed import BuiltSignature, Constructed
from legacy_restore.graph.graph_source import GraphSource, SourceForm
from legacy_restore.graph.imported_collections import restore_collections
from legacy_restore.graph.input_mapping import input_map
from legacy_restore.graph.interface import Input, needed_for, parts_of
from legacy_restore.graph.model import Model
from legacy_restore.graph.python_functions import register_python_functions
from legacy_restore.graph.running import BuilderFailure, entered_scope
from legacy_restore.graph.saved_saveables import saveables_for_users, saved_saveables
from legacy_restore.graph.wire_ends import type_text
from legacy_restore.importing.nodes import is_control
from legacy_restore.importing.pipeline import prepare
from legacy_restore.importing.prepared import Prepared
from legacy_restore.importing.python_functions import rewrite_tokens
from legacy_restore.importing.reading import read_graph_file, read_saved_model
from legacy_restore.importing.saved_graph import SavedGraph, Signature, TensorBinding
from legacy_restore.planning.unopened import input_findings
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import get_from_proto_function, tf

_OF_VARIABLES = "variables"

# What comes of a message that contradicts itself, which it may do anywhere.
_CONTRADICTIONS = (
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    tf.errors.OpError,
)


def construct_by_import(
    graph: Any,
    model: Model,
    source: GraphSource,
    prefix: Optional[str],
    wired: Mapping[str, Any],
) -> Constructed:
    """Imports a saved graph in the model's scope of the graph.

    Args:
      graph: The graph to import into.
      model: The model.
      source: The saved graph.
      prefix: The prefix of the model's checkpoint, or None without one.
      wired: Tensors of other models, by the names of the inputs in whose place they
        come. One that does not fit its input is not used.

    Raises:
      BuilderFailure: The file cannot be read, or the graph not be imported; all that
        was found is in it.
    """
    prepared = _prepared(model, source, prefix)
    if not prepared.can_be_imported:
        raise BuilderFailure(*prepared.findings)
    before = len(graph.get_operations())
    with graph.as_default(), own_collections(graph):
        tokens = register_python_functions(
            graph, source.options.py_functions, prepared.python_calls
        )
        meta_graph = rewrite_tokens(prepared.meta_graph, tokens)
        with entered_scope(model):
            used = _import(model, prepared, meta_graph.graph_def, wired)
        operations = graph.get_operations()[before:]
        objects = _objects(model.scope, prepared.definitions)
        saveables = saved_saveables(
            graph, model.name, model.scope, prepared.saved_objects
        )
        findings = restore_collections(
            graph,
            model,
            meta_graph,
            objects,
            saveables_for_users(graph, model.scope, saveables),
        )
    signatures = {
        name: _built(graph, model.scope, one)
        for name, one in prepared.interface.signatures.items()
    }
    main = _built(graph, model.scope, prepared.interface.main)
    return Constructed(
        operations=tuple(operations),
        objects=objects,
        saveables=saveables,
        table_initializers=tuple(
            graph.get_operation_by_name(f"{model.scope}/{name}")
            for name in prepared.initializers
        ),
        inputs=main.inputs,
        outputs=main.outputs,
        average_names=prepared.average_names,
        findings=(*prepared.findings, *findings),
        signatures=signatures,
        own=prepared.own.in_scope(model.scope),
        written=tuple(f"{model.scope}/{name}" for name in prepared.written),
        num_constants=sum(one.type == "Const" for one in operations),
        wired=used,
    )


def _prepared(model: Model, source: GraphSource, prefix: Optional[str]) -> Prepared:
    path = source.path or f"{prefix}.meta"
    try:
        saved = _read(source, prefix)
        return prepare(saved, source.options, model.scope, model.name)
    except (errors.CheckpointError, errors.MissingDependencyError) as error:
        findings = input_findings(model.name, path, error)
        raise BuilderFailure(*findings, cause=error) from error
    except errors.LegacyRestoreError as error:
        found = error.findings or [
            Finding(KINDS["import-failed"], path, error.message, hint=error.hint)
        ]
        findings = [dataclasses.replace(one, model=model.name) for one in found]
        raise BuilderFailure(*findings, cause=error, refusal=error) from error
    except _CONTRADICTIONS as error:
        raise _import_failed(model, path, error) from error


def _import_failed(
    model: Model, path: str, error: Exception, hint: Optional[str] = None
) -> BuilderFailure:
    text = (str(error).strip().splitlines() or [""])[0]
    if not isinstance(error, (ValueError, tf.errors.OpError)):
        text = f"{type(error).__name__}: {text}"
    finding = Finding(KINDS["import-failed"], path, text[:300], model.name, hint=hint)
    return BuilderFailure(finding, cause=error)


def _read(source: GraphSource, prefix: Optional[str]) -> SavedGraph:
    if source.form is SourceForm.SAVED_MODEL:
        return read_saved_model(str(source.path), source.options.tags)
    if source.path is not None:
        return read_graph_file(source.path)
    return read_graph_file(f"{prefix}.meta")


def _import(
    model: Model, prepared: Prepared, graph_def: Any, wired: Mapping[str, Any]
) -> Tuple[Any, ...]:
    """Imports a graph and returns the tensors of other models that it takes."""
    mapped: Dict[str, Any] = {}
    try:
        mapped = input_map(graph_def, prepared.interface.main.inputs, wired)
        # A slash at the end enters the scope as it is.
        tf.import_graph_def(graph_def, mapped, name=f"{model.scope}/")
    except _CONTRADICTIONS as error:
        raise _import_failed(model, prepared.path, error, _wires(mapped)) from error
    return tuple(mapped.values())


def _wires(mapped: Mapping[str, Any]) -> Optional[str]:
    """What to look at where a graph does not take what it was wired to."""
    wires = [
        f"{name} comes from {value.name}, {type_text(value)}"
        for name, value in sorted(mapped.items())
        if not is_control(name)
    ]
    return "; ".join(wires) or None


def _objects(scope: str, definitions: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns a ``tf.Variable`` for each variable operation, by operation name."""
    from_proto = get_from_proto_function(_OF_VARIABLES)
    return {
        f"{scope}/{name}": from_proto(definition, import_scope=scope)
        for name, definition in definitions.items()
    }


def _built(graph: Any, scope: str, signature: Signature) -> BuiltSignature:
    outputs = {
        key: _tensor(graph, scope, one) for key, one in signature.outputs.items()
    }
    needed = needed_for(outputs)
    inputs = {}
    for key, one in signature.inputs.items():
        tensor = _tensor(graph, scope, one)
        fed = [part.op for part in parts_of(tensor)]
        has_default = fed[0].type == "PlaceholderWithDefault"
        is_needed = any(operation in needed for operation in fed)
        inputs[key] = Input(tensor, is_needed and not has_default)
    return BuiltSignature(inputs, outputs)


def _tensor(graph: Any, scope: str, binding: TensorBinding) -> Any:
    def named(name: str) -> Any:
        # An output may be an operation: what assigns a variable gives no tensor.
        return graph.as_graph_element(f"{scope}/{name}")

    if not binding.sparse:
        return named(binding.tensor)
    if len(binding.sparse) != 3:
        return [named(one) for one in binding.sparse]
    values, indices, dense_shape = (named(one) for one in binding.sparse)
    return tf.SparseTensor(indices, values, dense_shape)
