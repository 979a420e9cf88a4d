"""``legacy-restore rules``: the rule packs, and the names that they know."""

from __future__ import annotations

import argparse

from legacy_restore.cli import output

NAME = "rules"
HELP = "List the rule packs: historical names of variables, and what became of them."
EXAMPLE = "legacy-restore rules rnn-1.2"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "packs", nargs="*", metavar="PACK", help="the packs to show with their names"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print docs/names.md: all of them"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the packs: 0."""
    # The other commands do without it.
    from legacy_restore.mapping.packs.listing import (
        listing_page,
        listing_text,
        listing_to_json,
    )
    from legacy_restore.mapping.packs.registry import PACKS, pack_named

    chosen = [pack_named(name) for name in dict.fromkeys(args.packs)]
    packs = list(PACKS.values())
    if args.json:
        output.print_json(listing_to_json(chosen or packs))
    elif args.markdown:
        output.print_text(listing_page(packs).rstrip())
    else:
        output.print_text(listing_text(chosen, packs))
    return 0
