"""The flags that describe models, shared by the commands that build them."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from legacy_restore import errors
from legacy_restore.cli import partial, saved_models
from legacy_restore.cli.saved_models import Named

# What they load is not for the commands that only read files.
if TYPE_CHECKING:
    from legacy_restore.graph.model import Model
    from legacy_restore.mapping.rules import Rename
    from legacy_restore.planning.shared import Shared

_PER_MODEL = (
    "builder",
    "scope",
    "rename",
    "rules",
    "allow_missing",
    "allow_unused",
    "allow_shape",
    "cast",
    "only",
    "exclude",
    "vocabulary",
    "weights",
    "device",
    *saved_models.FLAGS,
)


def named(separator: str) -> Callable[[str], Named]:
    """Returns a parser of ``NAME<separator>VALUE``, split at the first separator."""

    def parse(text: str) -> Named:
        name, found, value = text.partition(separator)
        if not found or not name or not value:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not of the form NAME{separator}VALUE"
            )
        return Named(name, value)

    return parse


def pack_for(text: str) -> Named:
    """Parses ``NAME:PACK``, or ``PACK`` for all models: its name is empty then."""
    name, _, pack = text.rpartition(":")
    if not pack or text.startswith(":"):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form [NAME:]PACK")
    return Named(name, pack)


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags from which ``models_of`` makes models."""

    def add(flag: str, separator: str, metavar: str, help: str, **more: Any) -> None:
        parser.add_argument(
            flag,
            action="append",
            default=[],
            type=named(separator),
            metavar=metavar,
            help=f"{help}; repeat it for more",
            **more,
        )

    add(
        "--model",
        "=",
        "NAME=LOCATION",
        "a model and its checkpoint; or, without builder, a saved graph",
        required=True,
    )
    add("--builder", "=", "NAME=MODULE:FUNCTION", "the function that builds the model")
    add("--scope", "=", "NAME=SCOPE", "the variable scope, NAME unless given")
    add("--rename", ":", "NAME:PATTERN=>TEXT", "a rule that renames checkpoint keys")
    add_rules_flag(parser)
    add("--allow_missing", ":", "NAME:PATTERN", "variables the checkpoint may lack")
    add("--allow_unused", ":", "NAME:PATTERN", "weights that may stay behind")
    partial.add_flags(add)
    add("--weights", ":", "NAME:KIND", "raw (the default), or ema: moving averages")
    add("--device", ":", "NAME:DEVICE", "where the model runs, such as NAME:/gpu:0")
    saved_models.add_flags(parser, add)
    add("--connect", "=", "B/INPUT=A/OUTPUT", "output of model A as input of model B")
    parser.add_argument(
        "--shared",
        action="append",
        default=[],
        metavar="[OWNER:]A/B=SCOPE",
        help="models A and B (and more) have one storage for the variables below a "
        "scope inside of each one's own, from the checkpoint of OWNER or from "
        "checkpoints that agree; repeat it for more",
    )


def add_rules_flag(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that names rule packs."""
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        type=pack_for,
        metavar="[NAME:]PACK",
        help="a rule pack for names of another time (legacy-restore rules lists them), "
        "without NAME: for all models; repeat it for more",
    )


def models_of(args: argparse.Namespace) -> List[Model]:
    """Returns the models that the flags describe.

    Raises:
      UsageError: A flag is about a model that there is not, or a model has neither
        builder nor graph.
    """
    names = [one.name for one in args.model]
    for flag in _PER_MODEL:
        check_names(flag, getattr(args, flag), names)
    builders = _single(args.builder, "builder")
    scopes = _single(args.scope, "scope")
    weights = _single(args.weights, "weights")
    devices = _single(args.device, "device")
    found = []
    for name, location in args.model:
        arguments = {
            "scope": scopes.get(name),
            "rules": [
                *(rule_of(text) for text in values_of(name, args.rename)),
                *partial.remaps_of(values_of(name, args.vocabulary)),
                *packs_for(name, args.rules),
            ],
            "allow_missing": values_of(name, args.allow_missing),
            "allow_unused": values_of(name, args.allow_unused),
            "allow_shape": partial.shapes_of(values_of(name, args.allow_shape)),
            "cast": partial.casts_of(values_of(name, args.cast)),
            "only": values_of(name, args.only),
            "exclude": values_of(name, args.exclude),
            "weights": weights.get(name, "raw"),
            "device": devices.get(name),
        }
        found.append(_model(name, location, builders.get(name), args, arguments))
    return found


def _model(
    name: str,
    location: str,
    builder: Optional[str],
    args: argparse.Namespace,
    arguments: Dict[str, Any],
) -> Model:
    if builder is None:
        return saved_models.model_of(name, location, args, arguments)
    from legacy_restore.graph.model import Model

    saved_models.check_has_none(args, name)
    return Model(name, load_builder(builder), location, **arguments)


def connections_of(args: argparse.Namespace) -> Dict[str, str]:
    """Returns the connections that the flags describe.

    Raises:
      UsageError: An input is connected twice.
    """
    return _single(args.connect, "connect")


def shared_of(args: argparse.Namespace) -> List[Shared]:
    """Returns what the models share, as the flags describe it.

    Raises:
      UsageError: A flag is not of the form, or cannot be meant.
    """
    from legacy_restore.planning.shared import Shared

    found = []
    for text in args.shared:
        left, separator, scope = text.partition("=")
        owner, has_owner, names = left.rpartition(":")
        if not separator or (has_owner and not owner):
            raise errors.UsageError(
                f"--shared: {text!r} is not of the form [OWNER:]A/B=SCOPE"
            )
        models = tuple(names.split("/"))
        found.append(Shared(scope, models, owner if has_owner else None))
    return found


def check_names(flag: str, values: Sequence[Named], names: Sequence[str]) -> None:
    """Checks that the values of a flag are about models that there are.

    Args:
      flag: The flag.
      values: Its values; one without a name is about all models.
      names: The models.

    Raises:
      UsageError: There is no such model.
    """
    for one in values:
        if one.name and one.name not in names:
            raise errors.UsageError(
                f"--{flag}: there is no model {one.name!r}",
                hint=f"--model={one.name}=LOCATION",
            )


def packs_for(name: str, values: Sequence[Named]) -> List[str]:
    """Returns the names of the rule packs that ``--rules`` gives one model.

    Args:
      name: The model; empty for what has none.
      values: The values of the flag.
    """
    return [one.value for one in values if one.name in ("", name)]


def values_of(name: str, values: List[Named]) -> List[str]:
    """Returns what a repeated flag gives one model, in that order."""
    return [one.value for one in values if one.name == name]


def _single(values: List[Named], flag: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for one in values:
        if one.name in found:
            raise errors.UsageError(f"--{flag} is given twice for {one.name!r}")
        found[one.name] = one.value
    return found


def rule_of(text: str) -> Rename:
    """Returns the rule that a flag's value, ``PATTERN=>TEXT``, stands for.

    Raises:
      UsageError: It stands for none.
    """
    from legacy_restore.mapping.rules import Rename

    pattern, found, replacement = text.rpartition("=>")
    if not found:
        raise errors.UsageError(f"--rename: {text!r} is not of the form PATTERN=>TEXT")
    return Rename(pattern, replacement)


def load_builder(target: str) -> Callable[[], Any]:
    """Imports a builder, also from the current directory.

    Args:
      target: ``module:function``.

    Raises:
      UsageError: There is no such module or function.
      BuildError: The module cannot be imported.
    """
    module_name, _, function = target.partition(":")
    if not function:
        raise errors.UsageError(
            f"--builder: {target!r} is not of the form MODULE:FUNCTION"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _import_failure(target, error) from error
        raise errors.UsageError(
            f"--builder: there is no module {module_name!r} in {os.getcwd()} or among "
            "the installed packages"
        ) from error
    except (Exception, SystemExit) as error:
        raise _import_failure(target, error) from error
    for part in function.split("."):
        if not hasattr(found, part):
            raise errors.UsageError(f"--builder: {module_name} has no {function!r}")
        found = getattr(found, part)
    return found  # type: ignore[return-value]


def _import_failure(target: str, error: BaseException) -> errors.BuildError:
    return errors.BuildError(
        f"--builder: {target} cannot be imported: {type(error).__name__}: {error}"
    )
