"""Errors about files, each with the finding that says the same as data."""

from __future__ import annotations

import contextlib
from typing import Iterator, Optional

from legacy_restore import errors
from legacy_restore.checkpoint.wire import FormatError, OtherFileError
from legacy_restore.report.findings import KINDS, Finding


def corrupt(
    path: str, reason: str, hint: Optional[str] = None
) -> errors.CorruptCheckpointError:
    """Returns the error for a file that contradicts its format."""
    finding = Finding(KINDS["corrupt"], path, reason, hint=hint)
    return errors.CorruptCheckpointError(
        f"{path} is corrupt: {reason}", path=path, findings=[finding], hint=hint
    )


def other_file(
    path: str, what: str, hint: Optional[str]
) -> errors.CorruptCheckpointError:
    """Returns the error for another kind of file in the place of a checkpoint's."""
    finding = Finding(KINDS["not-a-checkpoint"], path, f"it is {what}", hint=hint)
    return errors.CorruptCheckpointError(
        f"{path} is {what}", path=path, findings=[finding], hint=hint
    )


def corrupt_tensor(
    key: str, path: str, reason: str, hint: Optional[str] = None
) -> errors.CorruptCheckpointError:
    """Returns the error for a tensor whose data are damaged."""
    finding = Finding(KINDS["tensor-corrupt"], key, reason, hint=hint)
    return errors.CorruptCheckpointError(
        f"tensor {key!r} of {path} is corrupt: {reason}",
        path=path,
        findings=[finding],
        hint=hint,
    )


def missing_tensor(
    key: str, path: str, reason: str, hint: Optional[str] = None
) -> errors.CorruptCheckpointError:
    """Returns the error for a tensor whose data are not there."""
    finding = Finding(KINDS["tensor-missing"], key, reason, hint=hint)
    return errors.CorruptCheckpointError(
        f"tensor {key!r} of {path} is not all there: {reason}",
        path=path,
        findings=[finding],
        hint=hint,
    )


def unsupported_tensor(
    key: str, path: str, reason: str
) -> errors.UnsupportedCheckpointError:
    """Returns the error for a tensor that cannot be made an array."""
    return errors.UnsupportedCheckpointError(
        f"tensor {key!r} of {path}: {reason}",
        path=path,
        findings=[Finding(KINDS["unsupported"], key, reason)],
    )


def undecodable_tensor(
    key: str, path: str, reason: str, hint: Optional[str]
) -> errors.MissingDependencyError:
    """Returns the error for a tensor whose dtype needs a package that is missing."""
    finding = Finding(KINDS["missing-dependency"], key, reason, hint=hint)
    return errors.MissingDependencyError(
        f"tensor {key!r} of {path}: {reason}", findings=[finding], hint=hint
    )


def undecided_tensor(
    key: str, path: str, reason: str
) -> errors.UnsupportedCheckpointError:
    """Returns the error for a tensor that may be sound, and nobody can tell."""
    return errors.UnsupportedCheckpointError(
        f"tensor {key!r} of {path} cannot be verified: {reason}",
        path=path,
        findings=[Finding(KINDS["tensor-undecided"], key, reason)],
    )


def unsupported(
    path: str, reason: str, hint: Optional[str] = None
) -> errors.UnsupportedCheckpointError:
    """Returns the error for a file of a kind that is not read."""
    finding = Finding(KINDS["unsupported"], path, reason, hint=hint)
    return errors.UnsupportedCheckpointError(
        f"{path}: {reason}", path=path, findings=[finding], hint=hint
    )


def incomplete_tensor(
    key: str, path: str, stored: str
) -> errors.UnsupportedCheckpointError:
    """Returns the error for a tensor that is wanted whole and is there in part."""
    return unsupported_tensor(key, path, f"only part of it is in the file: {stored}")


def not_there(path: str, reason: str) -> errors.LocationError:
    """Returns the error for a file that cannot be opened."""
    finding = Finding(KINDS["location-not-found"], path, reason)
    return errors.LocationError(f"{path}: {reason}", path=path, findings=[finding])


@contextlib.contextmanager
def faults_of(path: str) -> Iterator[None]:
    """Turns faults of the format within it into errors that name the file."""
    try:
        with limits_of(path):
            yield
    except OtherFileError as error:
        raise other_file(path, str(error), error.hint) from error
    except FormatError as error:
        raise corrupt(path, str(error), error.hint) from error


@contextlib.contextmanager
def limits_of(path: str) -> Iterator[None]:
    """Lets what is not supported, or needs a package, name the file."""
    try:
        yield
    except errors.UnsupportedCheckpointError as error:
        raise unsupported(path, error.message, error.hint) from error
    except errors.MissingDependencyError as error:
        finding = Finding(
            KINDS["missing-dependency"], path, error.message, hint=error.hint
        )
        raise errors.MissingDependencyError(
            f"{path}: {error.message}", findings=[finding], hint=error.hint
        ) from error


@contextlib.contextmanager
def limits_of_tensor(key: str, path: str) -> Iterator[None]:
    """Lets what no array can hold, or needs a package, name the tensor."""
    try:
        yield
    except errors.UnsupportedCheckpointError as error:
        raise unsupported_tensor(key, path, error.message) from error
    except errors.MissingDependencyError as error:
        raise undecodable_tensor(key, path, error.message, error.hint) from error
