"""The golden checkpoints and what they are expected to hold."""

import json
import pathlib
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "golden"


class Expected(NamedTuple):
    """What a tensor must be; ``contents`` are its bytes, or its strings in a list."""

    dtype: str
    shape: Tuple[int, ...]
    contents: Any


def prefixes(of_format: str = "") -> List[str]:
    """The prefixes of all golden checkpoints, or of a format, relative to their folder.

    Of V1 files in shards it is what their names have in common.
    """
    described = sorted(
        path
        for path in FOLDER.glob("**/expected*.json")
        if path.with_suffix(".npz").exists()  # Else it tells what a model computes.
    )
    found = [
        (path.parent / ("model.ckpt" + path.stem[len("expected") :]))
        .relative_to(FOLDER)
        .as_posix()
        for path in described
    ]
    return [one for one in found if of_format in ("", _format_of(one))]


def _format_of(prefix: str) -> str:
    return "V2" if (FOLDER / (prefix + ".index")).exists() else "V1"


def path_of(prefix: str) -> str:
    """The whole path of a prefix."""
    return str(FOLDER / prefix)


def expected_of(prefix: str) -> Dict[str, Expected]:
    """What stands beside the checkpoint; ``contents`` is None for a variant."""
    folder = (FOLDER / prefix).parent
    suffix = pathlib.Path(prefix).name[len("model.ckpt") :]
    described = json.loads((folder / f"expected{suffix}.json").read_text())
    del described["tensorflow"]
    with np.load(str(folder / f"expected{suffix}.npz")) as arrays:
        return {
            key: Expected(
                fields["dtype"],
                tuple(fields["shape"]),
                _contents(arrays, key.replace("/", "|"), fields),
            )
            for key, fields in described.items()
        }


def contents_of(array: np.ndarray) -> Any:
    """The contents of an array in the form of ``Expected``."""
    return list(array.reshape(-1)) if array.dtype == object else array.tobytes()


def _contents(arrays, name, fields):
    if name not in arrays:
        return None
    array = arrays[name]
    if fields["dtype"] != "string":
        return array.tobytes()
    # A fixed-width array loses trailing NUL bytes; the lengths restore them.
    elements = zip(array.reshape(-1), fields["lengths"])
    return [element.ljust(length, b"\0") for element, length in elements]
