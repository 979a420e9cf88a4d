"""``legacy-restore inspect``: what is in a checkpoint."""

from __future__ import annotations

import argparse

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.cli import output
from legacy_restore.errors import exit_code_of
from legacy_restore.examining.contents import contents_of

NAME = "inspect"
HELP = "Show what is in a checkpoint: keys, dtypes, shapes, classes, totals."
EXAMPLE = "legacy-restore inspect runs/encoder@latest"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "location",
        metavar="LOCATION",
        help="a prefix, any file of the checkpoint, a directory, DIR@latest, DIR@STEP, "
        "a state file or a SavedModel directory",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the checkpoint's contents; no value is read."""
    with open_checkpoint(args.location) as checkpoint:
        contents = contents_of(checkpoint)
    if args.json:
        output.print_json(contents.to_json())
    else:
        output.print_text(str(contents))
    return exit_code_of(contents.findings)
