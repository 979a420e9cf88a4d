"""Names of Keras' recurrent layers.

Until TensorFlow 1.15 and 2.0 a layer's variables stand in the layer's scope,
``lstm/kernel``; later in that of the cell that it makes, ``lstm/lstm_cell/kernel``, as
in tf_keras and Keras 3; some releases in between number the cells
(``keras/layers/rnn/lstm.py``). Which cell it is says the ``recurrent_kernel``,
whose columns are four, three or one times its rows; a layer without one is not
recurrent. ``tf.nn.rnn_cell`` has none.

With the names a default changed: the gates of LSTM and GRU are ``hard_sigmoid`` in
``tf.keras`` 1.x and ``sigmoid`` since. No checkpoint shows which it was, and code that
does not say it computes something else. What Keras 3 calls ``hard_sigmoid`` has another
slope (``keras/src/backend/tensorflow/nn.py``).
"""

from __future__ import annotations

import re
from typing import Dict, Mapping, Optional, Sequence

from legacy_restore.mapping.packs.pack import NameChange, RulePack, TypedName
from legacy_restore.mapping.packs.slots import renamed_with_slots

_VARIABLES = ("kernel", "recurrent_kernel", "bias")
_CELLS = {4: "lstm_cell", 3: "gru_cell", 1: "simple_rnn_cell"}
_CELL = re.compile(r"(?:lstm|gru|simple_rnn)_cell(?:_\d+)?")

_CAUTION = (
    "LSTM and GRU need the recurrent_activation that they were trained with: by "
    "default 'hard_sigmoid' in TensorFlow 1 and 'sigmoid' since; in Keras 3 "
    "'hard_sigmoid' is another function, x / 6 + 0.5 instead of 0.2 * x + 0.5"
)


def _rename_into_cells(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    layers = _scopes_of_recurrent_kernels(keys)
    cells = {}
    for layer, kernel in layers.items():
        cell = _wanted_cell(layer, wanted) or _cell_of(kernel)
        if cell is not None and not _CELL.fullmatch(layer.rpartition("/")[2]):
            cells[layer] = f"{layer}/{cell}"
    return _moved(keys, cells)


def _rename_out_of_cells(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    del wanted  # The names say it all.
    layers = {}
    for scope in _scopes_of_recurrent_kernels(keys):
        layer, _, cell = scope.rpartition("/")
        if layer and _CELL.fullmatch(cell):
            layers[scope] = layer
    targets = list(layers.values())
    # Cells that are stacked in one layer would lose what tells them apart.
    return _moved(
        keys, {old: new for old, new in layers.items() if targets.count(new) == 1}
    )


def _scopes_of_recurrent_kernels(keys: Sequence[TypedName]) -> Dict[str, TypedName]:
    found = {}
    for key in keys:
        scope, _, last = key.name.rpartition("/")
        if scope and last == "recurrent_kernel":
            found[scope] = key
    return found


def _wanted_cell(layer: str, wanted: Sequence[TypedName]) -> Optional[str]:
    """Returns what the model calls the cell of the layer of that name, if of one."""
    last = layer.rpartition("/")[2]
    found = set()
    for variable in wanted:
        parts = variable.name.split("/")
        if len(parts) > 2 and parts[-1] == "recurrent_kernel" and parts[-3] == last:
            found.add(parts[-2])
    if len(found) != 1:
        return None
    cell = found.pop()
    return cell if _CELL.fullmatch(cell) else None


def _cell_of(kernel: TypedName) -> Optional[str]:
    if len(kernel.shape) != 2:
        return None
    rows, columns = kernel.shape
    if not isinstance(rows, int) or not isinstance(columns, int) or not rows:
        return None
    return _CELLS.get(columns // rows) if columns % rows == 0 else None


def _moved(keys: Sequence[TypedName], scopes: Mapping[str, str]) -> Mapping[str, str]:
    """Returns new names of the recurrent variables of scopes, and of their slots."""
    variables = {
        f"{old}/{last}": f"{new}/{last}"
        for old, new in scopes.items()
        for last in _VARIABLES
    }
    return renamed_with_slots(keys, variables)


def _example(what: str, old: str, new: str, columns: int) -> NameChange:
    scope = old.rpartition("/")[0]
    kernel = TypedName(f"{scope}/recurrent_kernel", "float32", (2, 2 * columns))
    return NameChange(what, old, new, keys=(TypedName(old), kernel))


KERAS_LSTM_CELL = RulePack(
    name="keras-lstm-cell",
    version=1,
    title="recurrent layers of Keras, TensorFlow 1.15 -> tf_keras, Keras 3",
    source="https://github.com/tensorflow/tensorflow/issues/33776",
    changes=(
        _example("LSTM", "lstm/kernel", "lstm/lstm_cell/kernel", 4),
        _example("GRU", "gru_1/bias", "gru_1/gru_cell/bias", 3),
        _example(
            "SimpleRNN", "simple_rnn/kernel", "simple_rnn/simple_rnn_cell/kernel", 1
        ),
        _example(
            "Bidirectional",
            "bidirectional/forward_lstm_1/kernel",
            "bidirectional/forward_lstm_1/lstm_cell/kernel",
            4,
        ),
    ),
    rename=_rename_into_cells,
    caution=_CAUTION,
)

KERAS_LSTM = RulePack(
    name="keras-lstm",
    version=1,
    title="recurrent layers of Keras, tf_keras, Keras 3 -> TensorFlow 1.15",
    source="https://github.com/tensorflow/tensorflow/issues/33776",
    changes=(
        _example("LSTM", "lstm/lstm_cell/kernel", "lstm/kernel", 4),
        _example("GRU, a numbered cell", "gru_1/gru_cell_3/bias", "gru_1/bias", 3),
        _example(
            "SimpleRNN", "simple_rnn/simple_rnn_cell/kernel", "simple_rnn/kernel", 1
        ),
    ),
    rename=_rename_out_of_cells,
    caution=_CAUTION,
)
