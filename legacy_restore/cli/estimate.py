"""``legacy-restore estimate``: how much memory models take, from their files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, List, Tuple

from legacy_restore import errors
from legacy_restore.cli import models, output, partial

if TYPE_CHECKING:
    from legacy_restore.mapping.packs.pack import RulePack
    from legacy_restore.planning.estimating import Wanted

_WEIGHTS = ("raw", "ema")

NAME = "estimate"
HELP = "Tell how much memory models take, from their checkpoints alone."
EXAMPLE = "legacy-restore estimate runs/encoder runs/decoder --memory_limit=12GiB"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "locations",
        nargs="*",
        metavar="LOCATION",
        help="a checkpoint: a prefix, any of its files, a directory, DIR@STEP",
    )

    def add(flag: str, separator: str, metavar: str, help: str) -> None:
        parser.add_argument(
            flag,
            action="append",
            default=[],
            type=models.named(separator),
            metavar=metavar,
            help=f"{help}; repeat it for more",
        )

    add("--model", "=", "NAME=LOCATION", "a checkpoint under a name of its own")
    add("--rename", ":", "NAME:PATTERN=>TEXT", "a rule that renames checkpoint keys")
    models.add_rules_flag(parser)
    add("--weights", ":", "NAME:KIND", "raw (the default), or ema: moving averages")
    add("--cast", ":", "NAME:PATTERN=>DTYPE", "variables that have this dtype")
    add("--only", ":", "NAME:PATTERN", "these variables are restored, and no others")
    add("--exclude", ":", "NAME:PATTERN", "these variables are not restored")
    parser.add_argument(
        "--memory_limit",
        metavar="SIZE",
        help="end with 1 if the variables of all at once take more, such as 12GiB",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the estimate: 0 it fits, or there is no limit; 1 it does not."""
    from legacy_restore.planning.estimating import estimate_files
    from legacy_restore.planning.fitting import limit_findings
    from legacy_restore.report.refusal import finding_blocks
    from legacy_restore.report.sizes import parse_size

    limit = None
    if args.memory_limit is not None:
        limit = parse_size("--memory_limit", args.memory_limit)
    found = estimate_files(_wanted(args))
    over = [] if limit is None else limit_findings(found, limit, apart=True)
    if args.json:
        data = found.to_json()
        data["findings"] += [finding.to_json() for finding in over]
        output.print_json({"ok": not over, "memory_limit": limit, **data})
    else:
        blocks = [str(found), *("\n".join(lines) for lines in finding_blocks(over))]
        output.print_text("\n\n".join(blocks))
    return errors.exit_code_of(over)


def _wanted(args: argparse.Namespace) -> List[Wanted]:
    from legacy_restore.mapping.partial import check_partial
    from legacy_restore.planning.estimating import Wanted

    names = [one.name for one in args.model]
    if len(set(names)) < len(names):
        raise errors.UsageError("--model: two models have one name")
    for flag in ("rename", "rules", "weights", "cast", "only", "exclude"):
        models.check_names(flag, getattr(args, flag), names)
    weights = {one.name: one.value for one in args.weights}
    for kind in weights.values():
        if kind not in _WEIGHTS:
            raise errors.UsageError(f"--weights: there are no {kind!r} weights")
    wanted = [
        Wanted(location, location, packs=_packs("", args))
        for location in args.locations
    ]
    for one in args.model:
        part = check_partial(
            cast=partial.casts_of(models.values_of(one.name, args.cast)),
            only=models.values_of(one.name, args.only),
            exclude=models.values_of(one.name, args.exclude),
        )
        rules = models.values_of(one.name, args.rename)
        wanted.append(
            Wanted(
                one.name,
                one.value,
                one.name,
                rules=tuple(map(models.rule_of, rules)),
                packs=_packs(one.name, args),
                weights=weights.get(one.name, "raw"),
                only=part.only,
                exclude=part.exclude,
                cast=dict(part.cast),
            )
        )
    if not wanted:
        raise errors.UsageError("name a checkpoint", hint=EXAMPLE)
    return wanted


def _packs(name: str, args: argparse.Namespace) -> Tuple[RulePack, ...]:
    from legacy_restore.mapping.packs.registry import pack_named

    return tuple(pack_named(pack) for pack in models.packs_for(name, args.rules))
