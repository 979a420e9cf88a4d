"""What TensorFlow says of a session that was closed, as an error of ours."""

from __future__ import annotations

import contextlib
from typing import Iterator

from legacy_restore import errors
from legacy_restore.tf import tf


@contextlib.contextmanager
def closing_is(closed: errors.ClosedError) -> Iterator[None]:
    """Raises an error in the place of what TensorFlow raises for a closed session."""
    try:
        yield
    except tf.errors.CancelledError as error:
        raise closed from error
    except RuntimeError as error:
        # TensorFlow has no type of its own for it (BaseSession._run).
        if "closed Session" in str(error):
            raise closed from error
        raise
