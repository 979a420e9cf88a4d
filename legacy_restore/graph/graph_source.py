"""Where the graph of a model comes from whose code is lost, and what to make of it."""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import enum
import inspect
import os
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.importing.saved_graph import ImportOptions

_VARIABLES = ("keep", "resource")
_OPTIONS = frozenset(field.name for field in dataclasses.fields(ImportOptions))


class SourceForm(enum.Enum):
    """What a path names."""

    META_GRAPH = "meta_graph"
    SAVED_MODEL = "saved_model"
    GRAPH_DEF = "graph_def"


@dataclasses.dataclass(frozen=True)
class GraphSource:
    """A saved graph that takes the place of a builder.

    Attributes:
      form: What the path names.
      path: A file, or the directory of a SavedModel; None for the ``.meta`` that lies
        beside the checkpoint.
      options: What is asked of it.
    """

    form: SourceForm
    path: Optional[str]
    options: ImportOptions

    def __str__(self) -> str:
        """Names it as messages do."""
        return self.path or "the .meta beside the checkpoint"


def split_arguments(
    arguments: Mapping[str, Any],
) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Returns the arguments that are about a saved graph, and all others."""
    of_graph = {key: value for key, value in arguments.items() if key in _OPTIONS}
    others = {key: value for key, value in arguments.items() if key not in _OPTIONS}
    return of_graph, others


def check_keywords(
    form: SourceForm, given: Iterable[str], describes: Callable[..., Any]
) -> None:
    """Raises for a keyword argument that nothing takes.

    Args:
      form: What the path of the graph names: tells which function was called.
      given: The arguments that are not about the graph.
      describes: What takes them.

    Raises:
      TypeError: Nothing takes one of them, as where Python itself finds that.
    """
    parameters = inspect.signature(describes).parameters.values()
    known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    for one in given:
        if one in known:
            continue
        near = difflib.get_close_matches(one, [*known, *_OPTIONS], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(
            f"Model.from_{form.value}() got an unexpected keyword argument {one!r}"
            f"{hint}"
        )


def make_source(
    model: str,
    form: SourceForm,
    path: Optional[LocationLike],
    options: Mapping[str, Any],
) -> GraphSource:
    """Returns where a model's graph comes from.

    Args:
      model: The model's name, for messages.
      form: What the path names.
      path: A path, or None.
      options: What is asked of the graph, as ``ImportOptions`` calls it.

    Raises:
      UsageError: An argument cannot be meant.
    """
    where = f"model {model!r}"
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise errors.UsageError(f"{where}: {path!r} is no path")
    found = dict(options)
    for name in ("inputs", "outputs"):
        if found.get(name) is not None:
            found[name] = _names(where, name, found[name])
    for name in ("op_replacements", "py_functions"):
        found[name] = _functions(where, name, found.get(name))
    found["assets"] = _paths_by_name(where, found.get("assets"))
    found["op_libraries"] = _paths(where, found.get("op_libraries"))
    if found.get("tags") is not None and form is not SourceForm.SAVED_MODEL:
        raise errors.UsageError(
            f"{where}: tags= says which graph of a SavedModel is meant",
            hint="Model.from_saved_model(name, directory, tags=...)",
        )
    found["tags"] = _tags(where, found.get("tags"))
    signature = found.get("signature")
    if signature is not None and not isinstance(signature, str):
        raise errors.UsageError(f"{where}: signature has to be a name")
    for name in ("prune", "trust"):
        if not isinstance(found.get(name, True), bool):
            raise errors.UsageError(f"{where}: {name} has to be True or False")
    if found.get("variables", "keep") not in _VARIABLES:
        raise errors.UsageError(
            f"{where}: variables cannot be {found['variables']!r}",
            hint=" or ".join(f'variables="{one}"' for one in _VARIABLES),
        )
    given = None if path is None else os.fspath(path)
    return GraphSource(form, given, ImportOptions(**found))


def _mapping(where: str, name: str, value: Any, example: str) -> Mapping[str, Any]:
    is_mapping = isinstance(value, collections.abc.Mapping)
    if not is_mapping or not all(isinstance(key, str) and key for key in value):
        raise errors.UsageError(
            f"{where}: {name} has to be a dictionary from names, not {value!r}",
            hint=f"{name}={example}",
        )
    found: Mapping[str, Any] = dict(value)
    return found


def _names(where: str, name: str, value: Any) -> Mapping[str, str]:
    example = '{"probabilities": "softmax:0"}'
    found = _mapping(where, name, value, example)
    if not all(isinstance(one, str) and one for one in found.values()):
        raise errors.UsageError(
            f"{where}: {name} names tensors of the file, as texts",
            hint=f"{name}={example}",
        )
    return found


def _functions(where: str, name: str, value: Any) -> Mapping[str, Any]:
    found = _mapping(where, name, {} if value is None else value, '{"...": function}')
    for key, one in found.items():
        if not callable(one):
            raise errors.UsageError(f"{where}: {name}[{key!r}] is no function")
    return found


def _paths_by_name(where: str, value: Any) -> Mapping[str, str]:
    example = '{"vocab.txt": "new/vocab.txt"}'
    found = _mapping(where, "assets", {} if value is None else value, example)
    for one in found.values():
        if not isinstance(one, (str, os.PathLike)):
            raise errors.UsageError(f"{where}: {one!r} in assets is no path")
    return {key: os.fspath(one) for key, one in found.items()}


def _paths(where: str, value: Any) -> Tuple[str, ...]:
    if value is None:
        return ()
    is_list = isinstance(value, collections.abc.Sequence)
    if not is_list or isinstance(value, (str, bytes)):
        raise errors.UsageError(
            f"{where}: op_libraries has to be a list of paths",
            hint='op_libraries=["ops.so"]',
        )
    for one in value:
        if not isinstance(one, (str, os.PathLike)):
            raise errors.UsageError(f"{where}: {one!r} in op_libraries is no path")
    return tuple(os.fspath(one) for one in value)


def _tags(where: str, value: Any) -> Optional[Tuple[str, ...]]:
    if value is None:
        return None
    is_list = isinstance(value, (collections.abc.Sequence, collections.abc.Set))
    if isinstance(value, (str, bytes)) or not is_list:
        raise errors.UsageError(
            f"{where}: tags has to be a list of names", hint='tags=["serve"]'
        )
    names: Sequence[Any] = sorted(value, key=str)
    if not all(isinstance(one, str) for one in names):
        raise errors.UsageError(f"{where}: tags has to be a list of names")
    return tuple(names)
