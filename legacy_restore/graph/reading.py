"""Running what reads, assigns and initialises; and what is said when that fails."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Callable, List, Mapping, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint import open_prefix
from legacy_restore.graph.alias import readable_prefixes
from legacy_restore.graph.visibility import refuse_unseen
from legacy_restore.planning.plan import Action, ModelPlan
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import human_bytes
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.tf import tf

_log = logging.getLogger("legacy_restore")


@dataclasses.dataclass(frozen=True)
class Reading:
    """What is to be read: some models, each from its checkpoint.

    Attributes:
      models: Their plans; each has rows to restore.
      opened: Their checkpoints, by model name.
      consequence: What a failure leaves behind, for the error's text.
      devices: The devices that read each of them, by model name.
    """

    models: Sequence[ModelPlan]
    opened: Mapping[str, Opened]
    consequence: str
    devices: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


def run_reads(
    session: Any,
    reading: Reading,
    operations: Sequence[Any],
    feeds_of: Callable[[Mapping[str, str]], Mapping[Any, Any]],
) -> None:
    """Runs restore operations, all in one ``session.run``.

    Args:
      session: The session.
      reading: What is read.
      operations: The operations to run.
      feeds_of: Gives what to feed from the prefixes, by model name.

    Raises:
      RestoreError: The checkpoints cannot be read; its findings name what is damaged.
    """
    prefixes = {
        model.name: reading.opened[model.name].prefix for model in reading.models
    }
    files = {model.name: reading.opened[model.name].paths for model in reading.models}
    rows = [row for model in reading.models for row in model.rows]
    size = sum(row.stored_bytes for row in rows)
    _log.debug("reading %s from %d checkpoints", human_bytes(size), len(prefixes))
    refuse_unseen(session, reading.opened, reading.devices)
    try:
        with readable_prefixes(files, prefixes) as readable:
            session.run(operations, feeds_of(readable))
    except (tf.errors.OpError, OSError) as error:
        findings = _faults(reading) or [
            Finding(KINDS["restore-failed"], type(error).__name__, reason_of(error))
        ]
        text = f"the restore failed; {reading.consequence}"
        raise errors.RestoreError(
            refusal_text(text, findings), findings=findings
        ) from error


def _faults(reading: Reading) -> List[Finding]:
    """Reads every planned tensor once more to name the ones that are damaged."""
    findings: List[Finding] = []
    for model in reading.models:
        prefix = reading.opened[model.name].prefix
        keys = [str(row.key) for row in model.rows_to(Action.RESTORE)]
        found = _faults_of(prefix, keys)
        findings += [dataclasses.replace(one, model=model.name) for one in found]
    return findings


def _faults_of(prefix: str, keys: List[str]) -> List[Finding]:
    try:
        with open_prefix(prefix) as checkpoint:
            found = list(errors_of(checkpoint.findings))
            for key in keys:
                try:
                    checkpoint.verify_tensor(key)
                except errors.LegacyRestoreError as error:
                    found += error.findings
            return found
    except errors.LegacyRestoreError as error:
        return [Finding(KINDS["corrupt"], prefix, error.message)]


def run_initializers(session: Any, operations: List[Any], consequence: str) -> None:
    """Runs initialisers of variables or tables.

    Args:
      session: The session.
      operations: What to run, at once.
      consequence: What a failure leaves behind, for the error's text.

    Raises:
      RestoreError: One of them failed.
    """
    if not operations:
        return
    _log.debug("running %d initialisers", len(operations))
    try:
        session.run(operations)
    except tf.errors.OpError as error:
        finding = Finding(
            KINDS["initializer-failed"], _culprit(error, operations), reason_of(error)
        )
        raise errors.RestoreError(
            refusal_text(f"an initialiser failed; {consequence}", [finding]),
            findings=[finding],
        ) from error


def _culprit(error: Any, operations: List[Any]) -> str:
    """The operation that failed; TensorFlow 2 does not tell one inside a function."""
    if error.op is not None:
        return str(error.op.name)
    first, rest = operations[0].name, len(operations) - 1
    return f"{first} or one of {rest} more" if rest else str(first)
