"""Which TensorFlow wrote a checkpoint, as far as what is in it proves it.

Only a ``.meta`` file or a SavedModel says so. Else there is the format: Savers write V2
since 0.12 (``tensorflow/python/training/saver.py``, ``write_version``), and wrote V1
before; later ones do too when they are asked to, so V1 alone proves nothing. And there
are names: what the cells of recurrent networks call their variables has changed with
0.12 to 1.0 and again with 1.1 to 1.2 (``tensorflow/python/ops/rnn_cell_impl.py``), and
only object-based checkpoints have ``/.ATTRIBUTES/`` in their keys
(``tensorflow/python/training/checkpointable/util.py``). Dense layers and convolutions
of slim have had the same names at all times.

Whoever renames the keys of a checkpoint makes such a proof wrong: it tells of the code
that made the variables.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, Iterable, List, Optional, Pattern, Tuple

UNKNOWN = "unknown"

Release = Tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Something that proves a range of releases.

    Attributes:
      subject: The key, or the format.
      says: What it proves.
      first: The first release that writes so, or None.
      last: The last one, or None.
    """

    subject: str
    says: str
    first: Optional[Release] = None
    last: Optional[Release] = None

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {"subject": self.subject, "says": self.says}


@dataclasses.dataclass(frozen=True)
class Era:
    """The releases of TensorFlow that a checkpoint can be of.

    Attributes:
      releases: Such as ``1.0 to 1.1``, ``0.12 or later``, or ``unknown``.
      evidence: What proves it.
    """

    releases: str
    evidence: Tuple[Evidence, ...]

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {
            "releases": self.releases,
            "evidence": [one.to_json() for one in self.evidence],
        }


@dataclasses.dataclass(frozen=True)
class _Naming:
    """Names that only some releases give.

    Attributes:
      pattern: Found in such a key; behind the name may stand that of a slot.
      says: What they are.
      first: The first release, or None.
      last: The last release, or None.
    """

    pattern: Pattern[str]
    says: str
    first: Optional[Release] = None
    last: Optional[Release] = None


_CELLS = (
    r"(?:basic_lstm_cell|lstm_cell|basic_rnn_cell|layer_norm_basic_lstm_cell"
    r"|gru_cell/(?:gates|candidate))"
)
_NAMINGS = (
    _Naming(
        re.compile(
            r"(?:^|/)(?:(?:BasicLSTMCell|BasicRNNCell|GRUCell/(?:Gates|Candidate))"
            r"/Linear/(?:Matrix|Bias)|LSTMCell/(?:W_0|B|W_[FIO]_diag|W_P_0)"
            r"|LayerNormBasicLSTMCell/linear/weights)(?:/|$)"
        ),
        "a recurrent cell as 0.12 and before name its variables",
        last=(0, 12),
    ),
    _Naming(
        re.compile(rf"(?:^|/){_CELLS}/(?:weights|biases)(?:/|$)"),
        "a recurrent cell as 1.0 and 1.1 name its variables",
        first=(1, 0),
        last=(1, 1),
    ),
    _Naming(
        re.compile(rf"(?:^|/){_CELLS}/(?:kernel|bias)(?:/|$)"),
        "a recurrent cell as 1.2 and later name its variables",
        first=(1, 2),
    ),
    _Naming(
        re.compile(r"/\.ATTRIBUTES/"),
        "object-based: tf.train.Checkpoint is of 1.9, contrib had it before",
        first=(1, 5),
    ),
)


def era_of(format: str, keys: Iterable[str]) -> Era:
    """Returns the releases that a checkpoint can be of.

    Args:
      format: ``"V1"`` or ``"V2"``.
      keys: Its keys.
    """
    found: Dict[int, Evidence] = {}
    for key in keys:
        for number, naming in enumerate(_NAMINGS):
            if number not in found and naming.pattern.search(key):
                found[number] = Evidence(key, naming.says, naming.first, naming.last)
    evidence = [found[number] for number in sorted(found)]
    if format == "V2":
        says = "Savers write V2 since 0.12"
        evidence.append(Evidence("format V2", says, first=(0, 12)))
    releases = _common(evidence)
    if format == "V1":
        says = "Savers wrote V1 up to 0.11, and do later when they are asked to"
        evidence.append(Evidence("format V1", says))
        if releases == UNKNOWN and len(evidence) == 1:
            releases = "0.11 or before, or later with write_version=V1"
    return Era(releases, tuple(evidence))


def _common(evidence: List[Evidence]) -> str:
    """The releases in all ranges; unknown where they contradict each other."""
    first = max((one.first for one in evidence if one.first is not None), default=None)
    last = min((one.last for one in evidence if one.last is not None), default=None)
    if first is not None and last is not None:
        if first > last:
            return UNKNOWN  # Put together of parts, or renamed in part.
        return _text(first) if first == last else f"{_text(first)} to {_text(last)}"
    if first is not None:
        return f"{_text(first)} or later"
    return UNKNOWN if last is None else f"{_text(last)} or before"


def _text(release: Release) -> str:
    return f"{release[0]}.{release[1]}"
