"""``legacy-restore plan``: what a restore would do, without doing it."""

from __future__ import annotations

import argparse

from legacy_restore.cli import models, output
from legacy_restore.errors import exit_code_of

NAME = "plan"
HELP = "Show which variable comes from which key, and what stands in the way."
EXAMPLE = (
    "legacy-restore plan --model=encoder=runs/encoder --builder=encoder=nets:encoder"
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    models.add_model_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the plan."""
    described = models.models_of(args)
    from legacy_restore.graph.plan import plan

    shared = models.shared_of(args)
    found = plan(described, shared=shared, connect=models.connections_of(args))
    if args.json:
        output.print_json(found.to_json())
    else:
        output.print_text(str(found))
    return exit_code_of(found.findings)
