"""``legacy-restore restore``: restore models, prove it, and run them if asked to."""

from __future__ import annotations

import argparse
import os
from typing import Any, Dict, List

from legacy_restore import errors
from legacy_restore.cli import models, output

NAME = "restore"
HELP = "Restore models into one session, check every variable, and run them."
EXAMPLE = (
    "legacy-restore restore --model=encoder=runs/encoder "
    "--builder=encoder=nets:encoder \\\n"
    "      --feed=encoder:images=images.npy --output=codes.npz"
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    models.add_model_flags(parser)
    parser.add_argument(
        "--feed",
        action="append",
        default=[],
        type=models.named(":"),
        metavar="NAME:INPUT=FILE.npy",
        help="an array for an input of a model; repeat it for more",
    )
    parser.add_argument(
        "--verify",
        choices=("read", "session"),
        default="session",
        help="read: rely on the checksums compared while reading; session (the "
        "default): also compare every restored variable with its checkpoint",
    )
    parser.add_argument(
        "--memory_limit",
        metavar="SIZE",
        help="refuse what takes more than that for its variables, such as 12GiB",
    )
    parser.add_argument(
        "--output",
        metavar="FILE.npz",
        help="where the outputs go, under the keys NAME/PATH-IN-THE-NEST",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output if it exists"
    )
    parser.add_argument(
        "--allow_soft_placement",
        action="store_true",
        help="run elsewhere what asks for a device that is not there",
    )
    parser.add_argument(
        "--target",
        metavar="grpc://HOST:PORT",
        help="a task of a cluster, which makes the session there",
    )
    parser.add_argument(
        "--state",
        choices=("isolated", "shared", "reset"),
        help="whose the variables in the cluster are: the session's alone (the "
        "default), those of all sessions, or so after the cluster was cleared",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="what the cluster has for each step; 300 unless given",
    )


def run(args: argparse.Namespace) -> int:
    """Restores, checks, runs what is fed, and prints the reports."""
    if args.output == "":
        raise errors.UsageError("--output: the name is empty")
    if args.feed and not args.output:
        raise errors.UsageError("--feed needs --output=FILE.npz")
    if args.output and os.path.exists(args.output) and not args.overwrite:
        raise errors.UsageError(
            f"--output: {args.output} exists", hint="--overwrite, or another name"
        )
    feeds = _feeds_of(args)
    described = models.models_of(args)
    from legacy_restore.graph.restore import restore

    with restore(
        described,
        shared=models.shared_of(args),
        connect=models.connections_of(args),
        config=_config_of(args),
        verify=args.verify,
        memory_limit=args.memory_limit,
        target=args.target,
        state=args.state,
        timeout=args.timeout,
    ) as restored:
        written: List[str] = []
        if args.output:
            from legacy_restore.cli import arrays

            outputs = _compute(restored, feeds)
            arrays.write_npz(args.output, outputs)
            written = sorted(outputs)
        if args.json:
            report = restored.report.to_json()
            output.print_json(
                {
                    "ok": True,
                    "check": report.pop("check"),
                    "restore": report,
                    "output": {"file": args.output, "keys": written},
                }
            )
            return 0
        texts = [str(restored.report)]
        if args.output:
            texts.append(f"wrote {args.output}: {', '.join(written)}")
        output.print_text("\n".join(texts))
    return 0


def _config_of(args: argparse.Namespace) -> Any:
    if not args.allow_soft_placement:
        return None
    from legacy_restore.tf import tf

    is_isolated = bool(args.target) and args.state in (None, "isolated")
    return tf.ConfigProto(allow_soft_placement=True, isolate_session_state=is_isolated)


def _feeds_of(args: argparse.Namespace) -> Dict[str, Dict[str, Any]]:
    # It loads NumPy, which the other commands do without.
    from legacy_restore.cli import arrays

    names = [one.name for one in args.model]
    feeds: Dict[str, Dict[str, Any]] = {}
    for one in args.feed:
        if one.name not in names:
            raise errors.UsageError(f"--feed: there is no model {one.name!r}")
        name, found, path = one.value.partition("=")
        if not found:
            raise errors.UsageError(
                f"--feed: {one.value!r} is not of the form INPUT=FILE.npy"
            )
        if name in feeds.setdefault(one.name, {}):
            raise errors.UsageError(f"--feed: {one.name}:{name} is given twice")
        feeds[one.name][name] = arrays.read_npy(path)
    return feeds


def _compute(restored: Any, feeds: Dict[str, Dict[str, Any]]) -> Dict[str, Any]:
    """Outputs of all models that are fed, and of those that need no feed."""
    from legacy_restore.cli import arrays

    outputs: Dict[str, Any] = {}
    for name in restored:
        model = restored[name]
        if name not in feeds and model.required_inputs:
            output.log(f"model {name!r} is not run: nothing is fed to it")
            continue
        if name not in feeds and model.outputs is None:
            continue
        outputs.update(arrays.flatten(name, model(feeds.get(name, {}))))
    if not outputs:
        raise errors.UsageError(
            "--output: no model is fed", hint="--feed=NAME:INPUT=FILE.npy"
        )
    return outputs
