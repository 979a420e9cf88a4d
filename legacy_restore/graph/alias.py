"""Other names for checkpoints whose paths TensorFlow cannot restore from.

``RestoreV2`` looks for the index by a glob pattern (``RestoreTensorsV2`` in
``tensorflow/core/kernels/save_restore_tensor.cc``), so that a directory called
``run[1]`` is never found; escaping does not help. A temporary directory with symbolic
links to the files does. V1 files are found by a glob pattern too: that of their shards
is meant as one, but must not match anything else.
"""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from typing import Dict, Iterator, List, Mapping, Sequence

from legacy_restore.checkpoint.v1_files import stem_of

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
    odd = odd_names(files, prefixes)
    with contextlib.ExitStack() as stack:
        found = dict(prefixes)
        for name in odd:
            directory = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="legacy_restore-")
            )
            found[name] = _link(files[name], prefixes[name], directory)
        yield found


def odd_names(
    files: Mapping[str, Sequence[str]], prefixes: Mapping[str, str]
) -> List[str]:
    """Returns the names of the prefixes that TensorFlow cannot restore from.

    Args:
      files: The paths of the files of each checkpoint, by model name.
      prefixes: The prefixes, by model name.
    """
    return [name for name, prefix in prefixes.items() if _is_odd(prefix, files[name])]


def _is_odd(prefix: str, paths: Sequence[str]) -> bool:
    stem = _stem_of(prefix, paths)
    if _GLOB_CHARACTERS & set(stem):
        return True
    if stem == prefix:
        return False
    # A pattern: of an index under that name TensorFlow would think that it is V2.
    return set(glob.glob(prefix)) != set(paths) or bool(glob.glob(prefix + ".index"))


def _stem_of(prefix: str, paths: Sequence[str]) -> str:
    """What the paths of all files begin with."""
    return prefix if paths[0].startswith(prefix) else stem_of(prefix)


def _link(paths: Sequence[str], prefix: str, directory: str) -> str:
    alias = os.path.join(directory, "checkpoint")
    stem = _stem_of(prefix, paths)
    for path in paths:
        os.symlink(os.path.abspath(path), alias + path[len(stem) :])
    return alias + prefix[len(stem) :]
