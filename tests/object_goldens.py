"""The checkpoints in ``tests/golden/objects``, with what belongs to them."""

import pathlib
from typing import Dict, NamedTuple

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "golden" / "objects"

NAMES = sorted(path.name for path in FOLDER.iterdir())


class ObjectGolden(NamedTuple):
    """A checkpoint that TensorFlow saved of an eager model.

    Attributes:
      prefix: The checkpoint.
      x: An input of the model.
      y: What the model gave for it.
      values: Its variables by one of their paths, which is not escaped.
    """

    prefix: str
    x: np.ndarray
    y: np.ndarray
    values: Dict[str, np.ndarray]


def object_golden(name: str) -> ObjectGolden:
    """Returns the checkpoint of a folder."""
    with np.load(str(FOLDER / name / "golden.npz")) as arrays:
        found = {key.replace("|", "/"): arrays[key] for key in arrays.files}
    x, y = found.pop("in:x"), found.pop("out:y")
    return ObjectGolden(str(FOLDER / name / "ckpt-1"), x, y, found)
