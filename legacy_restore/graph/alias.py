"""Other names for checkpoints whose paths TensorFlow cannot restore from.

``RestoreV2`` looks for the index by a glob pattern (``RestoreTensorsV2`` in
``tensorflow/core/kernels/save_restore_tensor.cc``), so that a directory called
``run[1]`` is never found; escaping does not help. A temporary directory with symbolic
links to the files does.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Dict, Iterator, Mapping, Sequence

_GLOB_CHARACTERS = frozenset("*?[\\")


@contextlib.contextmanager
def readable_prefixes(
    files: Mapping[str, Sequence[str]], prefixes: Mapping[str, str]
) -> Iterator[Dict[str, str]]:
    """Gives for each prefix one that TensorFlow can restore from.

    Args:
      files: The paths of the files of each checkpoint, by model name.
      prefixes: The prefixes, by model name.

    Raises:
      OSError: The links cannot be made.
    """
    odd = [name for name, prefix in prefixes.items() if _GLOB_CHARACTERS & set(prefix)]
    with contextlib.ExitStack() as stack:
        found = dict(prefixes)
        for name in odd:
            directory = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="legacy_restore-")
            )
            found[name] = _link(files[name], prefixes[name], directory)
        yield found


def _link(paths: Sequence[str], prefix: str, directory: str) -> str:
    alias = os.path.join(directory, "checkpoint")
    for path in paths:
        os.symlink(os.path.abspath(path), alias + path[len(prefix) :])
    return alias
