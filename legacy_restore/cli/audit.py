"""``legacy-restore audit``: what a saved graph could do, and what it gives away."""

from __future__ import annotations

import argparse

from legacy_restore.cli import output, text_graphs

NAME = "audit"
HELP = "List what a saved graph could do - Python, files, network - and gives away."
EXAMPLE = "legacy-restore audit model.ckpt-1000.meta"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a graph: .meta, saved_model.pb, a frozen GraphDef, .pbtxt, an event "
        "file; or the directory of a SavedModel, TF-Hub module or session bundle; of "
        "a checkpoint the .meta beside it",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the audit: 0 whatever it lists, as it is a restore that needs trust."""
    # The other commands do without it.
    from legacy_restore.examining.audit import audit_file

    audit = audit_file(args.file, text_graphs.read_text)
    if args.json:
        output.print_json(audit.to_json())
    else:
        output.print_text(str(audit))
    return 0
