"""Running a builder, and gathering what it put into the graph."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, List

from legacy_restore.graph import build_findings
from legacy_restore.graph import variables as variables_lib
from legacy_restore.graph.averages import asked_names, average_names
from legacy_restore.graph.collections import own_collections
from legacy_restore.graph.constructed import Constructed
from legacy_restore.graph.interface import inputs_of
from legacy_restore.graph.keras_names import own_layer_names
from legacy_restore.graph.model import Model
from legacy_restore.graph.running import check_outputs, run_builder
from legacy_restore.graph.saveables import find_saveables
from legacy_restore.tf import tf


def construct_by_code(
    graph: Any, model: Model, build: Callable[[], Any]
) -> Constructed:
    """Runs a model's builder in the model's scope of the graph.

    Args:
      graph: The graph to build in.
      model: The model.
      build: Its builder.

    Raises:
      BuilderFailure: The builder raised, its scope was taken, or it returned what
        cannot be computed.
    """
    before = len(graph.get_operations())
    with graph.as_default(), own_collections(graph):
        with contextlib.ExitStack() as stack:
            created = stack.enter_context(variables_lib.recorded_variables())
            stack.enter_context(own_layer_names(graph))
            asked = stack.enter_context(asked_names(graph))
            outputs = run_builder(model, build)
        check_outputs(graph, model, outputs)
        operations = graph.get_operations()[before:]
        objects = variables_lib.objects_by_operation(
            graph, [*created, *_collected_variables()]
        )
        tables = tuple(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
        saveables = find_saveables(
            model.name,
            model.scope,
            tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS),
            operations,
        )
    findings = [
        *build_findings.vocabulary_findings(model.name, tables),
        *build_findings.input_findings(model, operations),
    ]
    here = variables_lib.created_by(operations, objects)
    return Constructed(
        operations=tuple(operations),
        objects=objects,
        saveables=saveables,
        table_initializers=tables,
        inputs=inputs_of(model.scope, operations, outputs),
        outputs=outputs,
        average_names=average_names(operations, here, asked),
        findings=tuple(findings),
    )


def _collected_variables() -> List[Any]:
    """Variables that were made past the creators, as ``import_meta_graph`` does."""
    keys = (
        tf.GraphKeys.GLOBAL_VARIABLES,
        tf.GraphKeys.LOCAL_VARIABLES,
        tf.GraphKeys.TRAINABLE_VARIABLES,
        tf.GraphKeys.MODEL_VARIABLES,
    )
    return [item for key in keys for item in tf.get_collection(key)]
