"""What is wrong with a saved graph, so that nobody can import it.

``import_graph_def`` tells of the first of these, in words of its own. Versions: a graph
says which TensorFlow may read it (``tensorflow/core/framework/versions.proto``).
"""

from __future__ import annotations

import collections
from typing import AbstractSet, Any, Dict, Iterable, List

from legacy_restore.importing.handle_uses import is_handle
from legacy_restore.importing.nodes import all_bodies, node_of
from legacy_restore.importing.op_defs import registered
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names
from legacy_restore.tf import tf


def find_faults(meta_graph: Any) -> List[Finding]:
    """Returns what concerns the whole file: versions and names."""
    return [*_version_faults(meta_graph.graph_def), *_doubled_names(meta_graph)]


def find_open_ends(meta_graph: Any) -> List[Finding]:
    """Returns an error for inputs that name nothing.

    To be asked when the graph is pruned: others do not matter.
    """
    arguments: Dict[str, AbstractSet[str]] = {
        function.signature.name: {one.name for one in function.signature.input_arg}
        for function in meta_graph.graph_def.library.function
    }
    findings = []
    for body, nodes in all_bodies(meta_graph):
        names = {node.name for node in nodes} | arguments.get(body, set())
        for node in nodes:
            gone = [one for one in node.input if node_of(one) not in names]
            if gone:
                findings.append(
                    Finding(
                        KINDS["corrupt"],
                        _where(body, node.name),
                        f"its inputs are not in the graph: {cut_names(gone)}",
                        hint="take the file anew from where it came from, or name "
                        "outputs that do not need this operation",
                    )
                )
    return findings


def find_empty_constants(meta_graph: Any) -> List[Finding]:
    """Returns an error for each constant without a value in a function.

    Of those in the graph itself the import tells. TensorFlow's graph optimiser ends the
    process for one in a function. To be asked when the graph is pruned.
    """
    return [
        Finding(
            KINDS["corrupt"],
            _where(body, node.name),
            "a constant without a value",
            hint="take the file anew from where it came from",
        )
        for body, nodes in all_bodies(meta_graph)
        for node in nodes
        if body and node.op == "Const" and "value" not in node.attr
    ]


def find_handles(meta_graph: Any) -> List[Finding]:
    """Returns an error for what stands for resources under names of its own choice.

    With such a node a graph could reach what another model holds in the session.
    TensorFlow makes them while it runs (``tensorflow/core/ops/
    resource_variable_ops.cc``), and nobody saves them. To be asked when the graph is
    pruned.
    """
    return [
        Finding(
            KINDS["import-failed"],
            _where(body, node.name),
            "it stands for resources of the session, whichever model they belong to",
            hint="name outputs that do not need it, or take the file anew from where "
            "it came from",
        )
        for body, nodes in all_bodies(meta_graph)
        for node in nodes
        if is_handle(node)
    ]


def find_removed(meta_graph: Any) -> List[Finding]:
    """Returns an error for each operation that its own TensorFlow had given up.

    To be asked when the graph is pruned. TensorFlow runs an operation that it has given
    up for graphs from before that alone
    (``tensorflow/core/framework/op_def_util.cc``, ``CheckOpDeprecation``).
    """
    producer = meta_graph.graph_def.versions.producer
    findings = []
    seen = set()
    for body, nodes in all_bodies(meta_graph):
        for node in nodes:
            definition = None if node.op in seen else registered(node.op)
            seen.add(node.op)
            if definition is None:
                continue
            removed = definition.deprecation.version
            if 0 < removed <= producer:
                findings.append(
                    Finding(
                        KINDS["unsupported"],
                        _where(body, node.name),
                        f"{node.op} was removed in version {removed} of graphs, and "
                        f"the graph is of version {producer}: "
                        f"{definition.deprecation.explanation}",
                        hint=f"op_replacements={{{node.op!r}: builder}}",
                    )
                )
    return findings


def find_old_functions(meta_graph: Any) -> List[Finding]:
    """Returns an error for each function as TensorFlow wrote them until 0.12.

    Their nodes are in a field of their own (``node``, with number 2, where today's have
    ``node_def``), which to today's message is unknown. To be asked when the
    graph is pruned.
    """
    return [
        Finding(
            KINDS["unsupported"],
            function.signature.name,
            "a function in the format of TensorFlow before 0.12, which no later "
            "TensorFlow reads",
            hint="name outputs that do not call it",
        )
        for function in meta_graph.graph_def.library.function
        if not function.node_def and not function.ret and function.signature.output_arg
    ]


def _version_faults(graph: Any) -> List[Finding]:
    versions = graph.versions
    current = tf.GRAPH_DEF_VERSION
    reason = None
    if versions.min_consumer > current:
        reason = (
            f"it can be read from graph version {versions.min_consumer} on, and "
            f"TensorFlow {tf.VERSION} reads up to {current}"
        )
    elif current in versions.bad_consumers:
        reason = (
            f"its writer says that graph version {current}, that of TensorFlow "
            f"{tf.VERSION}, misreads it"
        )
    if reason is None:
        return []
    hint = "use a newer TensorFlow"
    return [Finding(KINDS["unsupported"], "the graph", reason, hint=hint)]


def _doubled_names(meta_graph: Any) -> List[Finding]:
    findings = []
    for body, nodes in all_bodies(meta_graph):
        findings += [
            _doubled(_where(body, name), "operations")
            for name in _more_than_once(node.name for node in nodes)
        ]
    functions = meta_graph.graph_def.library.function
    findings += [
        _doubled(name, "functions")
        for name in _more_than_once(one.signature.name for one in functions)
    ]
    return findings


def _doubled(name: str, what: str) -> Finding:
    return Finding(
        KINDS["corrupt"],
        name,
        f"two {what} of one name",
        hint="take the file anew from where it came from",
    )


def _more_than_once(names: Iterable[str]) -> List[str]:
    return [name for name, count in collections.Counter(names).items() if count > 1]


def _where(body: str, name: str) -> str:
    return f"{body}/{name}" if body else name
