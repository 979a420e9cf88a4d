"""``legacy-restore salvage``: a good checkpoint of what is left of a bad one."""

from __future__ import annotations

import argparse

from legacy_restore.cli import output

NAME = "salvage"
HELP = "Write a checkpoint of the undamaged tensors of a damaged one; list the others."
EXAMPLE = "legacy-restore salvage runs/encoder@latest saved/model.ckpt"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "location",
        metavar="IN",
        help="a prefix, any file of the checkpoint, a directory, DIR@latest, DIR@STEP, "
        "a state file or a SavedModel directory; it is not written to",
    )
    parser.add_argument(
        "prefix", metavar="OUT", help="prefix of the checkpoint that is written"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the checkpoint that OUT is, with all of its files",
    )
    parser.add_argument(
        "--allow_undecided",
        metavar="PATTERN",
        action="append",
        default=[],
        help="take tensors whose whole key matches although nobody can tell whether "
        "they are right; repeated",
    )
    parser.add_argument(
        "--allow_incomplete",
        metavar="PATTERN",
        action="append",
        default=[],
        help="keep the sound slices of damaged tensors whose whole key matches; they "
        "then count as incomplete; repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Prints what was saved: 0 all of it, 1 some is lost, 3 nothing to save."""
    # It imports NumPy, which the other commands can do without.
    from legacy_restore.examining.salvage import salvage

    report = salvage(
        args.location,
        args.prefix,
        overwrite=args.overwrite,
        allow_undecided=args.allow_undecided,
        allow_incomplete=args.allow_incomplete,
    )
    if args.json:
        output.print_json(report.to_json())
    else:
        output.print_text(str(report))
    return report.exit_code
