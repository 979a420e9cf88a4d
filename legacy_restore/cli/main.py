"""The command ``legacy-restore``: chooses a command, and turns errors to exit codes.

Exit codes: 0 good, 1 refused, a check failed, two checkpoints differ or a salvage lost
something, 2 usage, 3 an input is missing, corrupt or not supported, 4 a fault of this
program, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from typing import Any, Callable, List, Optional

from legacy_restore import __version__, errors
from legacy_restore.cli import audit as audit_command
from legacy_restore.cli import convert as convert_command
from legacy_restore.cli import diff as diff_command
from legacy_restore.cli import doctor as doctor_command
from legacy_restore.cli import estimate as estimate_command
from legacy_restore.cli import inspect as inspect_command
from legacy_restore.cli import output
from legacy_restore.cli import plan as plan_command
from legacy_restore.cli import restore as restore_command
from legacy_restore.cli import rules as rules_command
from legacy_restore.cli import salvage as salvage_command
from legacy_restore.cli import verify as verify_command
from legacy_restore.cli.progress import progress_on_stderr

_COMMANDS = (
    doctor_command,
    inspect_command,
    audit_command,
    verify_command,
    diff_command,
    salvage_command,
    convert_command,
    estimate_command,
    plan_command,
    restore_command,
    rules_command,
)
_BUILDING_MODELS = (plan_command, restore_command)
_EXIT_FAULT_OF_OURS = 4
_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141


def main(argv: Optional[List[str]] = None) -> None:
    """Runs the command and exits."""
    # TensorFlow's C++ side logs to stderr from its import on; warnings stay.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    output.make_printable(sys.stdout, sys.stderr)
    argv = sys.argv if argv is None else argv
    if _needs_absl(argv):
        from absl import app

        app.run(_run, argv=argv, flags_parser=_parse_with_flags)
    sys.exit(_run(_parsed(_parser(argparse.ArgumentParser), argv)))


def _needs_absl(argv: List[str]) -> bool:
    """Whether absl's flags can matter: its import takes as long as a checkpoint's.

    They stand before the command, a flag file anywhere; and code that builds models may
    define flags of its own.
    """
    others = [one.NAME for one in _COMMANDS if one not in _BUILDING_MODELS]
    has_file = any(one.lstrip("-").startswith("flagfile") for one in argv)
    return has_file or len(argv) < 2 or argv[1] not in others


def _parse_with_flags(argv: List[str]) -> argparse.Namespace:
    from absl import flags
    from absl.flags import argparse_flags

    parser = _parser(argparse_flags.ArgumentParser)
    try:
        return _parsed(parser, argv)
    except flags.Error as error:  # Such as a flag file that is not there.
        return parser.error(str(error))


def _parser(kind: Callable[..., argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = kind(
        prog="legacy-restore",
        description="Restores TensorFlow 1 models and looks into their checkpoints.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    # The global flags of absl, --flagfile among them, belong to the main parser:
    # repeated by every command they would bury its own.
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    for command in _COMMANDS:
        sub = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.HELP,
            epilog=f"example:\n  {command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_flags(sub)
        sub.add_argument(
            "--json", action="store_true", help="print the report as JSON on stdout"
        )
        sub.set_defaults(module=command)
    return parser


def _parsed(parser: argparse.ArgumentParser, argv: List[str]) -> argparse.Namespace:
    args = parser.parse_args(argv[1:])
    if args.command is None:
        parser.error("name a command: " + ", ".join(one.NAME for one in _COMMANDS))
    return args


def _run(args: argparse.Namespace) -> int:
    try:
        with progress_on_stderr():
            return int(args.module.run(args))
    except errors.LegacyRestoreError as error:
        return _say(args, error)
    except KeyboardInterrupt:
        output.log("interrupted; nothing was left half done")
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python flushes stdout once more
        # when it exits, which must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_BROKEN_PIPE
    except Exception:
        traceback.print_exc()
        output.log("this is a fault of legacy-restore; please report it")
        return _EXIT_FAULT_OF_OURS


def _say(args: argparse.Namespace, error: errors.LegacyRestoreError) -> int:
    if args.json and sys.stdout is not None:
        with contextlib.suppress(errors.FileError):
            output.print_json(_error_json(error))
    output.log(f"{type(error).__name__}: {error}")
    return error.exit_code


def _error_json(error: errors.LegacyRestoreError) -> Any:
    return {
        "ok": False,
        "error": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "findings": [finding.to_json() for finding in error.findings],
    }


if __name__ == "__main__":
    main()
