"""``legacy-restore inspect``: what is in a checkpoint."""

from __future__ import annotations

import argparse
from typing import Any, Dict

from legacy_restore.checkpoint import Checkpoint, TensorEntry, open_checkpoint
from legacy_restore.cli import output
from legacy_restore.errors import exit_code_of
from legacy_restore.report.refusal import finding_lines
from legacy_restore.report.table import align, human_bytes

NAME = "inspect"
HELP = "Show what is in a checkpoint: keys, dtypes, shapes, totals."
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
        if args.json:
            output.print_json(_as_json(checkpoint))
        else:
            output.print_text(_as_text(checkpoint))
        return exit_code_of(checkpoint.findings)


def _as_json(checkpoint: Checkpoint) -> Dict[str, Any]:
    return {
        "location": checkpoint.location.given,
        "prefix": checkpoint.prefix,
        "format": checkpoint.format,
        "tensors": [_entry_json(entry) for entry in checkpoint.entries()],
        "totals": _totals(checkpoint),
        "findings": [finding.to_json() for finding in checkpoint.findings],
    }


def _entry_json(entry: TensorEntry) -> Dict[str, Any]:
    return {
        "key": entry.key,
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "nbytes": entry.nbytes,
        "shard": entry.shard,
        "num_slices": len(entry.slices),
        "crc32c": entry.crc32c,
    }


def _totals(checkpoint: Checkpoint) -> Dict[str, int]:
    entries = checkpoint.entries()
    return {
        "tensors": len(entries),
        "elements": sum(entry.num_elements for entry in entries),
        "nbytes": sum(entry.nbytes for entry in entries),
    }


def _as_text(checkpoint: Checkpoint) -> str:
    rows = [("key", "dtype", "shape", "")]
    for entry in checkpoint.entries():
        note = f"{len(entry.slices)} slices" if entry.slices else ""
        rows.append((entry.key, entry.dtype, str(list(entry.shape)), note))
    totals = _totals(checkpoint)
    lines = [f"{checkpoint.prefix} ({checkpoint.format})", *align(rows)]
    lines.append(
        f"{totals['tensors']} tensors, {totals['elements']:,} elements, "
        f"{human_bytes(totals['nbytes'])}"
    )
    for finding in checkpoint.findings:
        lines += ["", f"{finding.severity.value}: {finding.kind.title}"]
        lines += finding_lines([finding], "  ")
    return "\n".join(lines)
