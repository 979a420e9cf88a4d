"""``legacy-restore inspect``: what is in a checkpoint or a saved graph."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from legacy_restore.cli import inspect_views, output, text_graphs
from legacy_restore.errors import exit_code_of

if TYPE_CHECKING:
    from legacy_restore.examining.inspection import Inspection

NAME = "inspect"
HELP = "Show what is in a checkpoint or graph: keys, shapes, classes, totals, values."
EXAMPLE = "legacy-restore inspect runs/encoder@latest"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "location",
        metavar="LOCATION",
        help="a prefix, any file of the checkpoint, a directory, DIR@latest, DIR@STEP, "
        "a state file, a SavedModel directory, or a graph: .meta, saved_model.pb, a "
        "frozen GraphDef, .pbtxt",
    )
    inspect_views.add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Prints a graph and its checkpoint, or the view that was asked for."""
    inspect_views.check_flags(args)
    inspection = _inspection(args)
    if args.json:
        output.print_json(inspection.to_json())
    else:
        output.print_text(str(inspection))
    return exit_code_of(inspection.findings)


def _inspection(args: argparse.Namespace) -> Inspection:
    # The other commands do without them.
    from legacy_restore.checkpoint import open_checkpoint
    from legacy_restore.examining.contents import contents_of
    from legacy_restore.examining.inspection import Inspection, inspect_location

    if not inspect_views.are_asked_for(args):
        return inspect_location(args.location, text_graphs.read_text)
    # Who asks for some tensors did not ask for the graph.
    with open_checkpoint(args.location) as checkpoint:
        view = inspect_views.view_of(checkpoint, contents_of(checkpoint), args)
    return Inspection(args.location, None, view)
