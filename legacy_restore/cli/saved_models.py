"""The flags for models whose graph is in a file, and not made by a builder.

A model without builder is what its location names: a directory with a SavedModel, a
TF-Hub module or a session bundle; a checkpoint, whose graph is in the ``.meta`` file
beside it unless ``--graph`` names another; or a frozen graph.
"""

from __future__ import annotations

import argparse
import os
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
)

from legacy_restore import errors

if TYPE_CHECKING:
    from legacy_restore.graph.model import Model

FLAGS = (
    "graph",
    "input",
    "output_tensor",
    "signature",
    "tag",
    "asset",
    "op_library",
    "variables",
    "trust",
    "no_prune",
)
"""The names of the flags, each with the model's name in front of its value."""

_SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt", "export.meta")


class Named(NamedTuple):
    """A flag's value for one model.

    Attributes:
      name: The model's name.
      value: What stands behind the separator.
    """

    name: str
    value: str


def add_flags(
    parser: argparse.ArgumentParser, add: Callable[[str, str, str, str], None]
) -> None:
    """Adds the flags.

    Args:
      parser: Where they go.
      add: Takes a flag, what separates model and value, its form and its help.
    """
    add(
        "--graph",
        "=",
        "NAME=FILE",
        "the graph of a checkpoint, PREFIX.meta unless given",
    )
    add(
        "--input",
        ":",
        "NAME:KEY=TENSOR",
        "an input of a saved graph, by its name there",
    )
    add(
        "--output_tensor",
        ":",
        "NAME:KEY=TENSOR",
        "an output of a saved graph, likewise",
    )
    add("--signature", "=", "NAME=SIGNATURE", "what a call of a SavedModel computes")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        type=_tag,
        metavar="NAME:TAG",
        help="a tag of the graph that is meant in a SavedModel, NAME: for the one "
        "without tags; repeat it for more",
    )
    add(
        "--asset", ":", "NAME:FILE=PATH", "what to read in place of a file of that name"
    )
    add("--op_library", ":", "NAME:PATH", "a library of operations TensorFlow lacks")
    add("--variables", ":", "NAME:KIND", "keep (the default), or resource: no ref ones")
    for flag, help in (
        ("--trust", "let the graph call Python, libraries and files; see audit"),
        ("--no_prune", "import also what the outputs do not need"),
    ):
        parser.add_argument(
            flag,
            action="append",
            default=[],
            type=lambda name: Named(name, ""),
            metavar="NAME",
            help=f"{help}; repeat it for more",
        )


def _tag(text: str) -> Named:
    name, found, tag = text.partition(":")
    if not found or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME:TAG")
    return Named(name, tag)


def check_has_none(args: argparse.Namespace, name: str) -> None:
    """Demands that no flag for saved graphs is about a model that has a builder.

    Raises:
      UsageError: One is.
    """
    for flag in FLAGS:
        if any(one.name == name for one in getattr(args, flag)):
            raise errors.UsageError(
                f"--{flag} is about saved graphs, and model {name!r} has a builder",
                hint=f"leave --builder={name}=... or --{flag}={name}... out",
            )


def model_of(
    name: str, location: str, args: argparse.Namespace, arguments: Dict[str, Any]
) -> Model:
    """Returns the model that a location and the flags describe.

    Args:
      name: Its name.
      location: Its location.
      args: The flags.
      arguments: Keyword arguments of every model.

    Raises:
      UsageError: The flags cannot be meant, or there is no graph.
    """
    from legacy_restore.graph.model import Model

    graph = _only(name, args, "graph")
    signature = _only(name, args, "signature")
    tags = _values(name, args, "tag")
    more = {
        **arguments,
        "inputs": _pairs(name, args, "input", "KEY=TENSOR") or None,
        "outputs": _pairs(name, args, "output_tensor", "KEY=TENSOR") or None,
        "op_libraries": _values(name, args, "op_library"),
        "assets": _pairs(name, args, "asset", "FILE=PATH"),
        "variables": _only(name, args, "variables") or "keep",
        "trust": bool(_values(name, args, "trust")),
        "prune": not _values(name, args, "no_prune"),
    }
    if graph is None and _is_saved_model(location):
        more["tags"] = [tag for tag in tags if tag] if tags else None
        return Model.from_saved_model(name, location, signature=signature, **more)
    for flag, value in (("signature", signature), ("tag", tags)):
        if value:
            raise errors.UsageError(
                f"--{flag} is about SavedModels, and {location} is none"
            )
    if graph is None and _is_frozen(location):
        return Model.from_graph_def(name, location, **more)
    if graph is None:
        _check_has_graph(name, location)
    return Model.from_meta_graph(name, location, meta_graph=graph, **more)


def _is_saved_model(location: str) -> bool:
    from legacy_restore.graphdef.locating import find_graph_file

    found = find_graph_file(location)
    return found is not None and os.path.basename(found) in _SAVED_MODELS


def _is_frozen(location: str) -> bool:
    from legacy_restore.checkpoint.graph_files import graph_without_tensors

    if not os.path.isfile(location) or location.endswith(".meta"):
        return False
    is_named_so = location.endswith((".pb", ".pbtxt"))
    return is_named_so or graph_without_tensors(location) is not None


def _check_has_graph(name: str, location: str) -> None:
    """Demands that a graph lies beside a checkpoint; what else is wrong comes later."""
    from legacy_restore.checkpoint.location import resolve_location
    from legacy_restore.checkpoint.v1_files import stem_of

    try:
        prefix = stem_of(resolve_location(location).prefix)
    except errors.LegacyRestoreError:
        return
    if not os.path.isfile(f"{prefix}.meta"):
        raise errors.UsageError(
            f"model {name!r} has no builder, and there is no graph {prefix}.meta",
            hint=f"--builder={name}=MODULE:FUNCTION, or --graph={name}=FILE",
        )


def _values(name: str, args: argparse.Namespace, flag: str) -> List[str]:
    return [one.value for one in getattr(args, flag) if one.name == name]


def _only(name: str, args: argparse.Namespace, flag: str) -> Optional[str]:
    found = _values(name, args, flag)
    if len(found) > 1:
        raise errors.UsageError(f"--{flag} is given twice for {name!r}")
    return found[0] if found else None


def _pairs(name: str, args: argparse.Namespace, flag: str, form: str) -> Dict[str, str]:
    return _split(flag, _values(name, args, flag), form)


def _split(flag: str, values: Sequence[str], form: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for value in values:
        key, equals, right = value.partition("=")
        if not equals or not key or not right:
            raise errors.UsageError(f"--{flag}: {value!r} is not of the form {form}")
        if key in found:
            raise errors.UsageError(f"--{flag}: {key!r} is given twice")
        found[key] = right
    return found
