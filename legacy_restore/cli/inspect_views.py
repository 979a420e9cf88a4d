"""The flags of ``inspect``, and the view of a checkpoint that they ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Union

from legacy_restore import errors

# Each is for some views alone, and none for the other commands.
if TYPE_CHECKING:
    from legacy_restore.checkpoint import Checkpoint
    from legacy_restore.examining.contents import Contents
    from legacy_restore.examining.view import View

_VIEWS = ("tree", "classes", "stats", "values")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that choose tensors, and those that choose a view of them."""
    which = parser.add_argument_group("which tensors")
    which.add_argument(
        "--grep",
        metavar="PATTERN",
        action="append",
        default=[],
        help="those in whose key this regular expression is found; repeated: any of "
        "them. One that is found in no key ends with 1",
    )
    which.add_argument(
        "--key",
        metavar="KEY",
        action="append",
        default=[],
        help="the one with this key (repeated: these), and all that the files say "
        "about it: every slice, where it is stored, its checksum",
    )
    view = parser.add_argument_group("what to show of them, else one line for each")
    view.add_argument(
        "--tree",
        action="store_true",
        help="how much each scope holds, by class",
    )
    view.add_argument(
        "--depth",
        metavar="N",
        type=int,
        help="with --tree: levels of scopes, 1 to 64; 3 if not given",
    )
    view.add_argument(
        "--classes", action="store_true", help="only the totals of each class"
    )
    view.add_argument(
        "--stats",
        action="store_true",
        help="min, max, mean and standard deviation of the finite values, and how "
        "many are NaN, infinite, zero; of complex numbers the magnitudes, of strings "
        "the lengths. Reads the tensors",
    )
    view.add_argument(
        "--values",
        action="store_true",
        help="with --key, or with a --grep that finds few: the values, large arrays "
        "summarised. Reads the tensors",
    )


def are_asked_for(args: argparse.Namespace) -> bool:
    """Returns whether a flag chooses tensors, or a view of them."""
    chosen = args.grep or args.key
    return bool(chosen) or any(getattr(args, name) for name in _VIEWS)


def check_flags(args: argparse.Namespace) -> None:
    """Refuses flags that cannot be meant together, before a file is opened.

    Raises:
      UsageError: It says which, and why.
    """
    views = [f"--{name}" for name in _VIEWS if getattr(args, name)]
    if len(views) > 1:
        raise errors.UsageError(
            f"{' and '.join(views)} are different views of the tensors: give one"
        )
    if args.key and args.grep:
        raise errors.UsageError(
            "--key names tensors and --grep looks for them: give one"
        )
    if args.key and (args.tree or args.classes):
        raise errors.UsageError(
            f"{views[0]} adds up many tensors; --key shows one: use --grep with it"
        )
    if args.depth is not None and not args.tree:
        raise errors.UsageError("--depth is the depth of --tree: give that too")
    if args.depth is not None:
        from legacy_restore.examining.scope_tree import check_depth

        check_depth(args.depth)
    if args.values and not (args.key or args.grep):
        raise errors.UsageError(
            "--values shows the values of a few tensors: name them by --key or --grep"
        )
    if args.grep:
        from legacy_restore.examining.choosing import compile_patterns

        compile_patterns(args.grep)


def view_of(
    checkpoint: Checkpoint, contents: Contents, args: argparse.Namespace
) -> Union[Contents, View]:
    """Returns the view that the flags ask for.

    Raises:
      KeyNotFoundError: The checkpoint lacks one of the keys.
      UsageError: The values of too many tensors are asked for.
    """
    if args.key or args.grep:
        from legacy_restore.examining.choosing import choose_keys, choose_matching

        if args.key:
            contents = choose_keys(checkpoint, contents, args.key)
        contents = choose_matching(contents, args.grep)
    if args.tree:
        from legacy_restore.examining.scope_tree import DEFAULT_DEPTH, scope_tree

        depth = DEFAULT_DEPTH if args.depth is None else args.depth
        return scope_tree(contents, depth)
    if args.classes:
        from legacy_restore.examining.class_totals import ClassTotals

        return ClassTotals(contents)
    if args.stats:
        # It imports NumPy, which takes longer than to list a checkpoint.
        from legacy_restore.examining.tensor_statistics import tensor_statistics

        return tensor_statistics(checkpoint, contents)
    if args.values or args.key:
        from legacy_restore.examining import details

        if args.values:
            return details.tensor_details_and_values(checkpoint, contents)
        return details.tensor_details(checkpoint, contents)
    return contents
