"""``legacy-restore inspect``: what is in a checkpoint."""

from __future__ import annotations

import argparse

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.cli import inspect_views, output
from legacy_restore.errors import exit_code_of
from legacy_restore.examining.contents import contents_of

NAME = "inspect"
HELP = "Show what is in a checkpoint: keys, dtypes, shapes, classes, totals, values."
EXAMPLE = "legacy-restore inspect runs/encoder@latest"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "location",
        metavar="LOCATION",
        help="a prefix, any file of the checkpoint, a directory, DIR@latest, DIR@STEP, "
        "a state file or a SavedModel directory",
    )
    inspect_views.add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the view that was asked for; values are read only for some."""
    inspect_views.check_flags(args)
    with open_checkpoint(args.location) as checkpoint:
        view = inspect_views.view_of(checkpoint, contents_of(checkpoint), args)
    if args.json:
        output.print_json(view.to_json())
    else:
        output.print_text(str(view))
    return exit_code_of(view.findings)
