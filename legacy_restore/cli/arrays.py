"""Arrays in files: what is fed to models, and what they give."""

from __future__ import annotations

import os
import tempfile
import zipfile
from typing import IO, Any, Dict

import numpy as np

from legacy_restore import errors


def read_npy(path: str) -> np.ndarray:
    """Reads an array.

    Raises:
      FileError: The file is missing or holds no array.
    """
    try:
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise errors.FileError(f"{path} cannot be read: {error}") from error


def flatten(name: str, nest: Any) -> Dict[str, np.ndarray]:
    """Returns the arrays of a nest by ``name/path``; absent ones are left out."""
    from legacy_restore.graph.nest import leaves

    found = {}
    for leaf in leaves(nest):
        key = f"{name}/{leaf.path}" if leaf.path else name
        if leaf.value is None:
            continue
        if not isinstance(leaf.value, (np.ndarray, np.generic, bytes)):
            kind = type(leaf.value).__name__
            raise errors.FileError(f"{key} is a {kind}, which .npz files cannot hold")
        found[key] = np.asarray(leaf.value)
    return found


def write_npz(path: str, arrays: Dict[str, np.ndarray]) -> None:
    """Writes arrays under a temporary name, reads them back, and renames the file.

    Raises:
      FileError: It cannot be written, or an array has a dtype that such files lack.
    """
    storable = {key: _storable(key, array) for key, array in arrays.items()}
    directory = os.path.dirname(os.path.abspath(path))
    try:
        descriptor, temporary = tempfile.mkstemp(suffix=".npz", dir=directory)
    except OSError as error:
        raise errors.FileError(f"{path} cannot be written: {error}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            _write_members(file, storable)
        _compare(temporary, storable)
        # mkstemp makes files that only their owner may read.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise errors.FileError(f"{path} cannot be written: {error}") from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _write_members(file: IO[bytes], arrays: Dict[str, np.ndarray]) -> None:
    # As np.savez does it, which takes the arrays as arguments: none can be "file".
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _storable(key: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "O":  # Strings: of fixed width, or they would be pickled.
        fixed = np.array([bytes(item) for item in array.reshape(-1)]).reshape(
            array.shape
        )
        if [bytes(item) for item in fixed.reshape(-1)] != list(array.reshape(-1)):
            raise errors.FileError(f"{key}: strings that end in a zero byte")
        return fixed
    if array.dtype.kind == "V":  # bfloat16 and its kin come back as bytes.
        return array.astype(np.float32)
    return array


def _compare(path: str, expected: Dict[str, np.ndarray]) -> None:
    with np.load(path, allow_pickle=False) as found:
        for key, array in expected.items():
            same = found[key].dtype == array.dtype and found[key].shape == array.shape
            if not same or found[key].tobytes() != array.tobytes():
                raise errors.FileError(f"{key} was not written as it is")
