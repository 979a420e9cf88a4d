"""``legacy-restore verify``: whether a checkpoint is undamaged."""

from __future__ import annotations

import argparse

from legacy_restore.cli import output
from legacy_restore.errors import exit_code_of

NAME = "verify"
HELP = "Compare everything in a checkpoint with its checksums, and name every fault."
EXAMPLE = "legacy-restore verify runs/encoder@latest"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "location",
        metavar="LOCATION",
        help="a prefix, any file of the checkpoint, a directory, DIR@latest, DIR@STEP, "
        "a state file or a SavedModel directory; it may be damaged",
    )


def run(args: argparse.Namespace) -> int:
    """Prints what is damaged, what is not, and what can be saved."""
    # The other commands do without it.
    from legacy_restore.checkpoint.verifying import verify_checkpoint

    report = verify_checkpoint(args.location)
    if args.json:
        output.print_json(report.to_json())
    else:
        output.print_text(str(report))
    return exit_code_of(report.findings)
