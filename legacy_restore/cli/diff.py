"""``legacy-restore diff``: in what two checkpoints differ."""

from __future__ import annotations

import argparse

from legacy_restore.cli import models, output
from legacy_restore.errors import exit_code_of

NAME = "diff"
HELP = "Compare the keys, shapes, dtypes and values of two checkpoints."
EXAMPLE = "legacy-restore diff runs/encoder@100 runs/encoder@200"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    where = (
        "a prefix, any file of the checkpoint, a directory, DIR@latest, DIR@STEP, a "
        "state file or a SavedModel directory"
    )
    parser.add_argument("a", metavar="A", help=where)
    parser.add_argument("b", metavar="B", help="the same of the other checkpoint")
    parser.add_argument(
        "--grep",
        metavar="PATTERN",
        action="append",
        default=[],
        help="compare only keys in which this regular expression is found; repeated: "
        "any of them",
    )
    parser.add_argument(
        "--rename",
        metavar="PATTERN=>TEXT",
        action="append",
        default=[],
        help="a rule that renames keys of A before they are compared; repeated: the "
        "first that matches a key wins",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="read and verify also those tensors of which both files store the same "
        "checksum",
    )
    parser.add_argument(
        "--atol",
        metavar="NUMBER",
        type=float,
        default=0.0,
        help="permit elements to be this far apart, plus --rtol",
    )
    parser.add_argument(
        "--rtol",
        metavar="NUMBER",
        type=float,
        default=0.0,
        help="permit elements to be this part of the larger magnitude apart",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the comparison: 0 nothing differs, 1 something does, 3 files at fault."""
    rules = [models.rule_of(text) for text in args.rename]
    # It imports NumPy, which the other commands can do without.
    from legacy_restore.examining.diff import diff

    report = diff(
        args.a,
        args.b,
        grep=args.grep,
        rules=rules,
        read="all" if args.full else "needed",
        atol=args.atol,
        rtol=args.rtol,
    )
    if args.json:
        output.print_json(report.to_json())
    else:
        output.print_text(str(report))
    return exit_code_of(report.findings)
