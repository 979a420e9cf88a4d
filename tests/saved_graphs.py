"""Saved graphs that TensorFlow 1.15.5 wrote, with what it computes with them."""

import dataclasses
import json
import pathlib
from typing import Any, Dict, Optional

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "golden" / "saved_graphs"

# What the Python functions of `py_func` do, by the names that `golden.json` gives them.
PY_FUNCTIONS = {
    "double": lambda value: value * np.float32(2),
    "turn": lambda value: value[::-1],
}


@dataclasses.dataclass(frozen=True)
class SavedCase:
    """One model without its code.

    Attributes:
      name: Its folder, without the release.
      folder: Where it lies.
      described: What ``golden.json`` holds.
      arrays: What ``golden.npz`` holds.
    """

    name: str
    folder: pathlib.Path
    described: Dict[str, Any]
    arrays: Dict[str, np.ndarray]

    @property
    def prefix(self) -> str:
        """The prefix of its checkpoint, beside which the ``.meta`` lies."""
        return str(self.folder / "model.ckpt")

    @property
    def saved_model(self) -> Optional[str]:
        """The directory of its SavedModel, or None."""
        path = self.folder / "saved_model"
        return str(path) if path.exists() else None

    @property
    def graph_file(self) -> str:
        """The file that holds its graph."""
        if self.saved_model:
            return str(self.folder / "saved_model" / "saved_model.pb")
        return self.prefix + ".meta"

    @property
    def inputs(self) -> Dict[str, np.ndarray]:
        """What is fed, by the caller's keys."""
        return self._of_kind("in:")

    @property
    def outputs(self) -> Dict[str, np.ndarray]:
        """What comes out of it."""
        return self._of_kind("out:")

    @property
    def py_functions(self) -> Dict[str, Any]:
        """What its tokens stand for."""
        tokens = self.described.get("py_functions", {})
        return {token: PY_FUNCTIONS[name] for token, name in tokens.items()}

    def _of_kind(self, kind: str) -> Dict[str, np.ndarray]:
        return {
            key[len(kind) :]: value
            for key, value in self.arrays.items()
            if key.startswith(kind)
        }


def names() -> list:
    """The names of all cases."""
    return sorted(path.name[len("tf1_15_") :] for path in FOLDER.glob("tf1_15_*"))


def saved_case(name: str) -> SavedCase:
    """Returns a case by the name of its folder, without the release."""
    folder = FOLDER / ("tf1_15_" + name)
    described = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    with np.load(str(folder / "golden.npz")) as arrays:
        found = {key: arrays[key] for key in arrays.files}
    return SavedCase(name, folder, described, found)
