"""The exceptions of legacy_restore, one tree.

::

    LegacyRestoreError              anything that this toolkit refuses or finds
     |- UsageError                  a call or a flag that cannot be meant (ValueError)
     |- BuildError                  a builder failed, or left a graph we cannot restore
     |- RestoreError                the plan does not add up, or the restore failed
     |- WriteError                  a checkpoint was not written
     |- ChildError                  a process that ran a function failed, or died
     |- CheckError                  what was compared is not equal: a session, a file
     |- InputError                  a model was called with wrong inputs (ValueError)
     |- ClosedError                 used after close() (RuntimeError)
     |- MissingDependencyError      an optional package is not installed (ImportError)
     |- FileError                   a file that is no checkpoint cannot be used
     |- CheckpointError             a checkpoint is the cause
         |- LocationError           no checkpoint there, or several (FileNotFoundError)
         |- KeyNotFoundError        the checkpoint has no such key (KeyError)
         |- CorruptCheckpointError  the bytes contradict the format or their checksums
         |- UnsupportedCheckpointError  sound, but of a kind that is not read

Every exception carries ``findings`` (all problems of the phase, never only the first)
and ``exit_code``, what a command ends with when the exception reaches it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from legacy_restore.report.findings import Finding
    from legacy_restore.report.outcomes import Outcome

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_INPUT = 3


def exit_code_of(findings: Iterable[Finding]) -> int:
    """Returns what a command ends with that has these findings; 0 if none refuses."""
    refusing = [finding for finding in findings if finding.is_error]
    if any(finding.is_input_fault for finding in refusing):
        return EXIT_INPUT
    return EXIT_REFUSED if refusing else 0


class LegacyRestoreError(Exception):
    """Anything that this toolkit refuses or finds.

    Attributes:
      message: The whole text, at most 15 lines.
      findings: Every problem that the failed phase found.
      hint: What to type next, or None.
    """

    exit_code = EXIT_REFUSED

    def __init__(
        self,
        message: str,
        *,
        findings: Sequence[Finding] = (),
        hint: Optional[str] = None,
    ) -> None:
        """Takes the text and the findings that it was made from."""
        super().__init__(message)
        self.message = message
        self.findings: Tuple[Finding, ...] = tuple(findings)
        self.hint = hint

    def __str__(self) -> str:
        if self.hint is None or self.hint in self.message:
            return self.message
        return f"{self.message}\n\n  try: {self.hint}"


class UsageError(LegacyRestoreError, ValueError):
    """A call or a flag that cannot be meant, such as two models with one name."""

    exit_code = EXIT_USAGE


class _ByFindings(LegacyRestoreError):
    """An error whose exit code depends on whether a file is the cause."""

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return exit_code_of(self.findings) or EXIT_REFUSED


class BuildError(_ByFindings):
    """A builder failed, or left a graph that cannot be restored."""


class RestoreError(_ByFindings):
    """The plan does not add up, or the restore failed; no session was left behind."""


class WriteError(_ByFindings):
    """A checkpoint was not written; what was at its place is there still."""


class ChildError(_ByFindings):
    """A function that ran in a process of its own failed, or its process died.

    Attributes:
      outcomes: What became of each model that was run, with the results of the others.
    """

    def __init__(
        self,
        message: str,
        *,
        findings: Sequence[Finding] = (),
        hint: Optional[str] = None,
        outcomes: Sequence[Outcome] = (),
    ) -> None:
        """Takes the text, the findings that it was made from, and the outcomes."""
        super().__init__(message, findings=findings, hint=hint)
        self.outcomes: Tuple[Outcome, ...] = tuple(outcomes)


class CheckError(_ByFindings):
    """A session no longer equals its checkpoints, or two checkpoints differ."""


class InputError(LegacyRestoreError, ValueError):
    """A model was called with missing, unknown or unusable inputs."""


class ClosedError(LegacyRestoreError, RuntimeError):
    """A checkpoint or a restored session was used after it was closed."""


class MissingDependencyError(LegacyRestoreError, ImportError):
    """An optional package is needed for this input and is not installed."""

    exit_code = EXIT_INPUT


class FileError(LegacyRestoreError):
    """A file that is no checkpoint, such as an array to feed, cannot be used."""

    exit_code = EXIT_INPUT


class CheckpointError(LegacyRestoreError):
    """A checkpoint's files are the cause.

    Attributes:
      path: The file or the location that the error is about.
    """

    exit_code = EXIT_INPUT

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        findings: Sequence[Finding] = (),
        hint: Optional[str] = None,
    ) -> None:
        """Takes the text, the path, and the findings that the text was made from."""
        super().__init__(message, findings=findings, hint=hint)
        self.path = path


class LocationError(CheckpointError, FileNotFoundError):
    """No checkpoint is at the location, or more than one could be meant."""


class KeyNotFoundError(CheckpointError, KeyError):
    """The checkpoint has no tensor with this key."""

    # KeyError prints the repr of its argument; ours prints the message.
    __str__ = LegacyRestoreError.__str__


class CorruptCheckpointError(CheckpointError):
    """The bytes contradict the format, the declared sizes or the checksums."""


class UnsupportedCheckpointError(CheckpointError):
    """The input is sound as far as it was read, but of a kind that is not read."""
