"""Which saved graphs are imported, how often, and the ways to do so."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Optional, Tuple

COPIES = (1, 8)
"""How many models are made of one file in a session."""

STOCK = "import_meta_graph"
PRUNED = "legacy_restore"
WHOLE = "prune=False"
VARIANTS = (STOCK, PRUNED, WHOLE)

# A public character model with its training graph, 2,755 operations.
_SAMPLE = ("char_rnn", "tf1_2", "model-85340")
_SAMPLE_OUTPUT = "validation/softmax/Softmax:0"
_VARIABLE = "LEGACY_RESTORE_SAMPLES"
_BESIDE = pathlib.Path(__file__).resolve().parents[2] / "shared" / "checkpoints"


@dataclasses.dataclass(frozen=True)
class GraphCase:
    """A ``.meta`` file beside its checkpoint.

    Attributes:
      name: What it is called on the command line.
      output: The tensor that is wanted of it.
      layers: Layers of the training graph that is made for it.
      prefix: Of a public file the prefix of its checkpoint, else empty.
    """

    name: str
    output: str
    layers: int = 0
    prefix: str = ""

    def scaled(self, scale: float) -> GraphCase:
        """Returns it with a share of the layers."""
        return dataclasses.replace(self, layers=max(1, round(self.layers * scale)))


TRAINING = GraphCase("training", "output:0", layers=100)
LARGE = GraphCase("large", "output:0", layers=820)


def sample_case() -> Optional[GraphCase]:
    """Returns the public file, or None where it is not there."""
    root = pathlib.Path(os.environ.get(_VARIABLE, _BESIDE))
    prefix = root.joinpath(*_SAMPLE)
    if not os.path.exists(f"{prefix}.meta"):
        return None
    return GraphCase("sample", _SAMPLE_OUTPUT, prefix=str(prefix))


def usual_cases() -> Tuple[str, ...]:
    """Returns the cases that are measured unless others are named."""
    found = sample_case()
    return (TRAINING.name,) if found is None else (found.name, TRAINING.name)


NAMES = ("sample", TRAINING.name, LARGE.name)


def case_named(name: str) -> Optional[GraphCase]:
    """Returns a case; None of the public file where that is not there."""
    return {TRAINING.name: TRAINING, LARGE.name: LARGE}.get(name) or sample_case()
