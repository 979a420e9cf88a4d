r"""The state file: the text file ``checkpoint`` that a Saver leaves in its directory.

It is a ``CheckpointState`` in protocol-buffer text format
(``tensorflow/python/training/checkpoint_state.proto``)::

    model_checkpoint_path: "model.ckpt-200"
    all_model_checkpoint_paths: "model.ckpt-100"
    all_model_checkpoint_paths: "model.ckpt-200"

Paths are relative to the directory or absolute on the machine that wrote them, and are
quoted with C escapes (``\"``, ``\\``, octal bytes for what is not ASCII).
"""

from __future__ import annotations

import re
from typing import List, Match, Optional, Tuple

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError

# A state file names a handful of paths; Savers that keep everything write a few
# thousand. What is larger is something else.
_MAX_BYTES = 16 << 20

_FIELD = re.compile(
    rb'\s*(?P<name>\w+)\s*:\s*(?:"(?P<double>(?:[^"\\\n]|\\.)*)"'
    rb"|'(?P<single>(?:[^'\\\n]|\\.)*)'|(?P<bare>[^\s\"']+))[ \t,;]*(?:#[^\n]*)?"
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_SIMPLE_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


def read_state_file(path: str) -> Optional[str]:
    """Returns the path of the newest checkpoint as the state file has it.

    Args:
      path: Path of the state file.

    Returns:
      The value of ``model_checkpoint_path``, neither resolved nor checked; None when
      the file does not name one.

    Raises:
      OSError: It cannot be read.
      FormatError: It is no state file.
    """
    # Not by open(): a named pipe would let it wait for ever.
    file = PositionedFile(path)
    try:
        if file.size > _MAX_BYTES:
            raise FormatError(f"{file.size} bytes are too many for a state file")
        data = file.read(0, file.size)
    finally:
        file.close()
    newest = [value for name, value in _fields(data) if name == "model_checkpoint_path"]
    if newest and "\0" in newest[-1]:
        raise FormatError("the path in it holds a NUL byte")
    return newest[-1] if newest else None


def is_state_file(path: str) -> bool:
    """Returns whether the file reads as a state file that names a checkpoint."""
    try:
        return read_state_file(path) is not None
    except (OSError, FormatError):
        return False


def _fields(data: bytes) -> List[Tuple[str, str]]:
    fields: List[Tuple[str, str]] = []
    position = 0
    end = len(data.rstrip())
    while position < end:
        match = _FIELD.match(data, position)
        if match is None:
            raise FormatError(f"byte {position} is not the begin of a field")
        quoted = match["double"] if match["double"] is not None else match["single"]
        raw = _unescape(quoted) if quoted is not None else match["bare"]
        fields.append((match["name"].decode(), raw.decode("utf-8", "surrogateescape")))
        position = match.end()
    return fields


def _unescape(quoted: bytes) -> bytes:
    return _ESCAPE.sub(_escaped_byte, quoted)


def _escaped_byte(match: Match[bytes]) -> bytes:
    octal, hexadecimal, letter = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    return _SIMPLE_ESCAPES.get(letter, letter)
