"""``legacy-restore doctor``: what a directory holds, and what is wrong with it."""

from __future__ import annotations

import argparse

from legacy_restore.cli import output

NAME = "doctor"
HELP = "Look at any directory: what it holds, what is wrong with it, what to type next."
EXAMPLE = "legacy-restore doctor runs"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "path",
        metavar="PATH",
        help="a directory, which is looked through; or a file, a prefix, or whatever "
        "else names a checkpoint",
    )
    parser.add_argument(
        "--verify",
        action="store_const",
        const="all",
        default="index",
        dest="read",
        help="read all data and compare them with their checksums, of each checkpoint; "
        "without it the indexes are read and the sizes of files compared",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the diagnosis: ends with 3 where a file is at fault, or none is ours."""
    # The other commands do without it.
    from legacy_restore.examining.doctor import diagnose

    diagnosis = diagnose(args.path, read=args.read)
    if args.json:
        output.print_json(diagnosis.to_json())
    else:
        output.print_text(str(diagnosis))
    return diagnosis.exit_code
