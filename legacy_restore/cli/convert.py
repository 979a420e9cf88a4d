"""``legacy-restore convert``: one kind of checkpoint file into the other."""

from __future__ import annotations

import argparse

from legacy_restore.cli import output

NAME = "convert"
HELP = "Write a name-based checkpoint as an object-based one, or the other way round."
EXAMPLE = "legacy-restore convert --to=object runs/encoder@latest converted/encoder"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "--to",
        required=True,
        choices=("object", "name"),
        help="object: what tf.train.Checkpoint restores, an attribute for each part of "
        "a name; name: what tf.compat.v1.train.Saver restores",
    )
    parser.add_argument(
        "location",
        metavar="SOURCE",
        help="a prefix, any file of the checkpoint, a directory, DIR@latest, DIR@STEP, "
        "a state file or a SavedModel directory; it is not written to",
    )
    parser.add_argument(
        "prefix", metavar="TARGET", help="prefix of the checkpoint that is written"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the checkpoint that TARGET is, with all of its files",
    )
    parser.add_argument(
        "--allow_unused",
        metavar="PATTERN",
        action="append",
        default=[],
        help="leave out tensors whose whole key matches and that the other kind cannot "
        "hold; repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Prints which key became which; returns 0."""
    # It imports NumPy, which the other commands can do without.
    from legacy_restore.rewriting import kinds

    functions = {"object": kinds.to_object_based, "name": kinds.to_name_based}
    report = functions[args.to](
        args.location,
        args.prefix,
        overwrite=args.overwrite,
        allow_unused=args.allow_unused,
    )
    if args.json:
        output.print_json(report.to_json())
    else:
        output.print_text(str(report))
    return 0
