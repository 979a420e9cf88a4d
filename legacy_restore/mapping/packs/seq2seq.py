"""Names and structure of the recurrent parts of legacy seq2seq.

``attention_decoder`` has linear layers of its own beside its cell
(``tensorflow/python/ops/seq2seq.py``, then
``tensorflow/contrib/legacy_seq2seq/python/ops/seq2seq.py``). And until 1.1 a wrapper
that has variables - ``EmbeddingWrapper``, ``InputProjectionWrapper``,
``OutputProjectionWrapper`` - made only its own in its scope, and the cell that it wraps
stood beside it. With 1.2 wrappers are layers, and the cell stands in their scope: so in
``embedding_attention_seq2seq``.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.mapping.packs.pack import NameChange, TypedName, substitutions

_LINEAR = r"(attention_decoder(?:/(?:Attention_\d+|AttnOutputProjection))?)"

linear_to_1_0 = substitutions(
    (rf"{_LINEAR}/Linear/Matrix", r"\1/weights"),
    (rf"{_LINEAR}/Linear/Bias", r"\1/biases"),
)
"""Linear layers of an attention decoder, from 0.12 to 1.0."""

linear_to_1_2 = substitutions(
    (rf"{_LINEAR}/weights", r"\1/kernel"),
    (rf"{_LINEAR}/biases", r"\1/bias"),
)
"""The same, from 1.0 to 1.2."""

_OWN = {
    "embedding_wrapper": ("embedding",),
    "input_projection_wrapper": ("kernel", "weights"),
    "output_projection_wrapper": ("kernel", "weights"),
}
_CELL = re.compile(
    r"multi_rnn_cell|attention_cell_wrapper"
    r"|(?:basic_rnn|gru|basic_lstm|lstm|layer_norm_basic_lstm|ugrnn|nas|phased_lstm"
    r"|intersection_rnn|coupled_input_forget_gate_lstm)_cell"
)


def nest_in_wrappers(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    """Puts each cell that stands beside a wrapper into the wrapper's scope.

    Where several wrappers, or several cells, stand in one scope, names do not tell
    which wraps which; they stay.
    """
    del wanted  # The names say it all.
    wrapper_of = _wrappers([key.name for key in keys])
    found: Dict[str, str] = {}
    for key in keys:
        parts = key.name.split("/")
        # From the innermost, whose place no other one moves.
        for position in range(len(parts) - 1, -1, -1):
            wrapper = wrapper_of.get("/".join(parts[:position]))
            if wrapper is not None and _CELL.fullmatch(parts[position]):
                parts.insert(position, wrapper)
        name = "/".join(parts)
        if name != key.name:
            found[key.name] = name
    return found


def _wrappers(names: Sequence[str]) -> Mapping[str, str]:
    """Returns the wrapper of each scope that has one, and one cell beside it."""
    wrappers: Dict[str, List[str]] = {}
    cells: Dict[str, List[str]] = {}
    for name in names:
        parts = name.split("/")
        for position, part in enumerate(parts[:-1]):
            scope = "/".join(parts[:position])
            if parts[position + 1] in _OWN.get(part, ()):
                wrappers.setdefault(scope, []).append(part)
            if _CELL.fullmatch(part):
                cells.setdefault(scope, []).append(part)
    found = {}
    for scope, inside in wrappers.items():
        wrapper = _only(inside)
        if wrapper is not None and _only(cells.get(scope, [])) is not None:
            found[scope] = wrapper
    return found


def _only(parts: Sequence[str]) -> Optional[str]:
    distinct = set(parts)
    return distinct.pop() if len(distinct) == 1 else None


_MODEL = "embedding_attention_seq2seq"
_DECODER = f"{_MODEL}/embedding_attention_decoder/attention_decoder"


def _beside(wrapper: str, old: str, new: str, own: str) -> NameChange:
    """An example of a cell that a wrapper's variable says to be wrapped."""
    return NameChange(
        f"a cell in {wrapper}", old, new, keys=(TypedName(old), TypedName(own))
    )


CHANGES_1_0: Tuple[NameChange, ...] = (
    NameChange("attention_decoder", f"{_DECODER}/Linear/Matrix", f"{_DECODER}/weights"),
    NameChange(
        "attention_decoder",
        f"{_DECODER}/Attention_0/Linear/Bias",
        f"{_DECODER}/Attention_0/biases",
    ),
    NameChange(
        "attention_decoder",
        f"{_DECODER}/AttnOutputProjection/Linear/Matrix",
        f"{_DECODER}/AttnOutputProjection/weights",
    ),
)
CHANGES_1_2: Tuple[NameChange, ...] = (
    NameChange("attention_decoder", f"{_DECODER}/biases", f"{_DECODER}/bias"),
    NameChange(
        "attention_decoder",
        f"{_DECODER}/AttnOutputProjection/biases",
        f"{_DECODER}/AttnOutputProjection/bias",
    ),
    _beside(
        "OutputProjectionWrapper",
        f"{_DECODER}/gru_cell/gates/weights",
        f"{_DECODER}/output_projection_wrapper/gru_cell/gates/kernel",
        f"{_DECODER}/output_projection_wrapper/weights",
    ),
    NameChange(
        "OutputProjectionWrapper",
        f"{_DECODER}/output_projection_wrapper/weights",
        f"{_DECODER}/output_projection_wrapper/kernel",
    ),
    _beside(
        "EmbeddingWrapper",
        f"{_MODEL}/rnn/gru_cell/candidate/biases",
        f"{_MODEL}/rnn/embedding_wrapper/gru_cell/candidate/bias",
        f"{_MODEL}/rnn/embedding_wrapper/embedding",
    ),
)
CHANGES_0_12: Tuple[NameChange, ...] = (
    NameChange("attention_decoder", f"{_DECODER}/Linear/Bias", f"{_DECODER}/bias"),
    _beside(
        "OutputProjectionWrapper",
        f"{_DECODER}/GRUCell/Gates/Linear/Matrix",
        f"{_DECODER}/output_projection_wrapper/gru_cell/gates/kernel",
        f"{_DECODER}/OutputProjectionWrapper/Linear/Matrix",
    ),
    NameChange(
        "OutputProjectionWrapper",
        f"{_DECODER}/OutputProjectionWrapper/Linear/Matrix",
        f"{_DECODER}/output_projection_wrapper/kernel",
    ),
    _beside(
        "EmbeddingWrapper",
        f"{_MODEL}/RNN/GRUCell/Candidate/Linear/Bias",
        f"{_MODEL}/rnn/embedding_wrapper/gru_cell/candidate/bias",
        f"{_MODEL}/RNN/EmbeddingWrapper/embedding",
    ),
)
