"""Where the files lie that a saved graph reads.

What stands inside of a file never leads out of its directory: the name of an asset is
looked up beside the graph only if it is relative and does not climb.
"""

from __future__ import annotations

import os
from typing import List, Optional, Tuple

_FOLDERS = ("assets", "assets.extra", "")
_SCHEME = "://"


def file_beside(directory: str, names: Tuple[str, ...]) -> Optional[str]:
    """Returns the absolute path of a file beside a graph, or None.

    Args:
      directory: The directory of the graph.
      names: What the file may be called, the likeliest first.
    """
    for name in names:
        if not stays_inside(name):
            continue
        for folder in _FOLDERS:
            path = os.path.join(os.path.abspath(directory), folder, name)
            if os.path.isfile(path):
                return path
    return None


def places_beside(directory: str) -> List[str]:
    """Returns the directories in which files are looked for, as they are shown."""
    return [os.path.join(directory, folder) for folder in _FOLDERS if folder] + [
        directory or os.curdir
    ]


def stays_inside(name: str) -> bool:
    """Returns whether a name is one of a file in a directory, or further down in it."""
    if not name or "\0" in name or os.path.isabs(name) or _SCHEME in name:
        return False
    return os.pardir not in name.replace("\\", "/").split("/")


def is_there(path: str) -> bool:
    """Returns whether a path that somebody named can be read, if it is on this machine.

    Of other file systems (``gs://...``) nobody knows before TensorFlow asks them.
    """
    return _SCHEME in path or os.path.isfile(path)


def as_absolute(path: str) -> str:
    """Returns a path that means the same in every working directory."""
    return path if _SCHEME in path else os.path.abspath(path)
