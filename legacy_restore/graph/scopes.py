"""The variables of a scope in a graph that is not ours.

A scope is taken by its name: ``name == scope`` or ``name.startswith(scope + "/")``.
``tf.get_collection(scope=...)`` matches the beginning of a regular expression instead:
``model_1`` also finds ``model_10``.
"""

from __future__ import annotations

import collections
import difflib
import threading
from typing import Any, Dict, List, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.graph import variables as variables_lib
from legacy_restore.graph.renamed import RenamedSaveable
from legacy_restore.graph.saveables import (
    FoundSaveables,
    OwnedSaveable,
    find_saveables,
)
from legacy_restore.graph.variables import OwnedVariable
from legacy_restore.planning.candidates import names_without_scope
from legacy_restore.planning.spec import ModelSpec
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names
from legacy_restore.tf import tf

ROOT = "(root)"
"""What the root scope is called in reports."""

# Graphs of all threads: what it guards takes milliseconds, once for each scope.
_making = threading.Lock()


def scope_variables(scope: Any, *, graph: Any = None) -> List[Any]:
    """Returns the variables of a scope: those that a Saver saves.

    Args:
      scope: The scope's name, or a ``tf.compat.v1.VariableScope``; ``""`` is the root,
        which has all variables.
      graph: A ``tf.Graph``; the default graph unless given.

    Returns:
      ``tf.Variable`` objects in the order of their creation; of a partitioned variable
      its parts. Local variables are not among them.

    Raises:
      UsageError: The scope is no name.
    """
    graph = graph_of(graph)
    local = variables_lib.local_names(graph)
    return [
        variable
        for variable in _objects_in(graph, scope_name(scope)).values()
        if variable.op.name not in local
    ]


def scoped_saver(scope: Any, *, graph: Any = None) -> Any:
    """Returns a Saver over the variables of a scope, under their names without it.

    What it saves fits the same code in any other scope. It is made once for the same
    variables: a second call adds no operation.

    Args:
      scope: As for ``scope_variables``.
      graph: A ``tf.Graph``; the default graph unless given.

    Returns:
      A ``tf.compat.v1.train.Saver``. Where TensorFlow executes eagerly, it works only
      inside of ``with graph.as_default()``.

    Raises:
      UsageError: The scope has no variables, or two of them have one name without it,
        or the graph is finalised and there is no such Saver yet.
    """
    graph = graph_of(graph)
    name = scope_name(scope)
    owned = variables_lib.group_parts(scope_variables(name, graph=graph))
    saveables = saveables_in_scope(graph, name)
    if saveables.findings:
        text = refusal_text(f"scope {name!r} cannot be saved", saveables.findings)
        raise errors.UsageError(text, findings=saveables.findings)
    if not owned and not saveables.owned:
        raise no_variables(graph, name)
    keys = _keys_of_a_saver(describe_scope(graph, name, owned, saveables.owned))
    with _making:
        found = graph.get_collection_ref(("legacy_restore/savers", name))
        for variables, saver in found:
            if variables == tuple(keys):
                return saver
        if graph.finalized:
            raise errors.UsageError(
                "the graph is finalised: no Saver can be made",
                hint=f"scoped_saver({name!r}) before the graph is finalised",
            )
        saver = _make_saver(graph, name, keys, owned, saveables.owned)
        found.append((tuple(keys), saver))
    return saver


def _keys_of_a_saver(model: ModelSpec) -> Dict[str, str]:
    # A Saver takes no key twice, also not for different parts: such keep their names.
    keys = names_without_scope(model)
    counts = collections.Counter(keys.values())
    for variable in model.variables:
        if variable.pieces and counts[keys[variable.name]] > 1:
            keys[variable.name] = variable.local_name
    return keys


def _make_saver(
    graph: Any,
    scope: str,
    keys: Dict[str, str],
    owned: Dict[str, OwnedVariable],
    saveables: Sequence[OwnedSaveable],
) -> Any:
    saved: Dict[str, Any] = {
        keys[one.rows[0].name]: RenamedSaveable(
            one, {row.name: keys[row.name] for row in one.rows}
        )
        for one in saveables
    }
    for variable in owned.values():
        key = keys[variable.name]
        if key in saved:
            raise errors.UsageError(
                f"two variables of scope {scope!r} have the name {key!r} without it"
            )
        saved[key] = variable.saveable
    with graph.as_default(), graph.control_dependencies(None), graph.device(None):
        return tf.train.Saver(saved)


def graph_of(graph: Any) -> Any:
    """Returns a graph, the default one for None.

    Raises:
      UsageError: It is no graph.
    """
    if graph is None:
        return tf.get_default_graph()
    if not isinstance(graph, tf.Graph):
        raise errors.UsageError(f"graph has to be a tf.Graph, not {graph!r}")
    return graph


def scope_name(scope: Any) -> str:
    """Returns a scope's name without a slash at its end.

    Raises:
      UsageError: It is no scope.
    """
    name = scope.name if isinstance(scope, tf.VariableScope) else scope
    if not isinstance(name, str) or name == "/":
        raise errors.UsageError(
            f"a scope has to be a text, not {scope!r}", hint='"" is the root'
        )
    return name[:-1] if name.endswith("/") else name


def no_variables(graph: Any, scope: str) -> errors.UsageError:
    """Returns the error for a scope without variables, with those that there are."""
    names = {one.op.name for one in _objects_in(graph, "").values()}
    scopes = sorted(
        {name[:end] for name in names for end, c in enumerate(name) if c == "/"}
    )
    near = difflib.get_close_matches(scope, scopes, n=3)
    there = f"; there are {cut_names(scopes)}" if scopes else "; the graph has none"
    return errors.UsageError(
        f"scope {scope!r} has no variables{there}",
        hint=f"{' or '.join(map(repr, near))}" if near else None,
    )


def owned_in_scope(graph: Any, scope: str) -> Dict[str, OwnedVariable]:
    """Returns all variables of a scope, local ones too, by name."""
    return variables_lib.group_parts(list(_objects_in(graph, scope).values()))


def orphans_in_scope(graph: Any, scope: str) -> List[str]:
    """Returns the variable operations of a scope that no tf.Variable stands for."""
    objects = _objects_in(graph, scope)
    return [
        operation.name
        for operation in graph.get_operations()
        if variables_lib.is_variable_operation(operation)
        and _is_in(operation.name, scope)
        and operation.name not in objects
    ]


def saveables_in_scope(graph: Any, scope: str) -> FoundSaveables:
    """Returns the mutable tables and other saveable objects of a scope."""
    items = [
        item
        for item in graph.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
        if any(_is_in(name, scope) for name in _tensor_names(item))
    ]
    with graph.as_default():
        return find_saveables(scope or ROOT, scope, items, graph.get_operations())


def _tensor_names(saveable: Any) -> List[str]:
    """The names of what a saveable object saves; its own where that is no tensor."""
    tensors = [getattr(one, "_tensor", None) for one in getattr(saveable, "specs", ())]
    names = [one.op.name for one in tensors if isinstance(one, tf.Tensor)]
    return names or [str(getattr(saveable, "name", ""))]


def tables_in_scope(graph: Any, scope: str) -> Tuple[Any, ...]:
    """Returns the operations that fill the lookup tables of a scope."""
    return tuple(
        operation
        for operation in graph.get_collection(tf.GraphKeys.TABLE_INITIALIZERS)
        if _is_in(operation.name, scope)
    )


def describe_scope(
    graph: Any,
    scope: str,
    owned: Dict[str, OwnedVariable],
    saveables: Sequence[OwnedSaveable] = (),
    **more: Any,
) -> ModelSpec:
    """Returns what a plan needs to know of a scope.

    Args:
      graph: The graph.
      scope: The scope's name.
      owned: Its variables.
      saveables: Its saveable objects.
      **more: Rules and waivers.
    """
    described = variables_lib.describe_all(graph, owned.values(), scope)
    return ModelSpec(
        name=scope or ROOT,
        scope=scope,
        variables=(*described, *(row for one in saveables for row in one.rows)),
        **more,
    )


def _objects_in(graph: Any, scope: str) -> Dict[str, Any]:
    """The variables of a scope, by name, in the order of their creation.

    All collections are looked at: old code puts variables into its own.
    """
    candidates = [
        item
        for key in graph.get_all_collection_keys()
        for item in graph.get_collection(key)
    ]
    objects = variables_lib.objects_by_operation(graph, candidates)
    return {
        operation.name: objects[operation.name]
        for operation in graph.get_operations()
        if variables_lib.is_variable_operation(operation)
        and operation.name in objects
        and _is_in(operation.name, scope)
    }


def _is_in(name: str, scope: str) -> bool:
    return not scope or name == scope or variables_lib.is_under(name, scope)
