"""Weights that Keras saved, read as a checkpoint (extra ``h5py``).

``h5py`` reads from a file object over our own positioned reads, also what stands in a
zip archive: nothing is unpacked, and no path that a file names is followed. Links to
other files, values that are stored in other files and virtual datasets are refused.

HDF5 has no checksums of values. A ``.keras`` archive has one of all its weights, which
is verified before the first value is given out.
"""

from __future__ import annotations

import contextlib
import io
import json
import threading
import zlib
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.faults import (
    corrupt,
    corrupt_tensor,
    faults_of,
    not_there,
    undecided_tensor,
    unsupported,
    unsupported_tensor,
)
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.keras_files import (
    HDF5,
    KERAS,
    WindowOfFile,
    read_archive,
)
from legacy_restore.checkpoint.keras_layout import Dataset, keras_layout
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.slices import TensorSlice, count_elements
from legacy_restore.checkpoint.tensor_entry import TensorEntry
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

if TYPE_CHECKING:
    import numpy as np

    from legacy_restore.checkpoint.copied_bytes import CopiedPart

_CHUNK_BYTES = 1 << 20
_MAX_OBJECTS = 1_000_000


class KerasFile(TensorReader):
    """The weights in an HDF5 file or in a ``.keras`` archive."""

    def __init__(self, path: str, format: str) -> None:
        """Opens the file and lists what is in it.

        Args:
          path: Path of the file.
          format: What ``keras_format_of`` says it is.

        Raises:
          LocationError: It is not there.
          CorruptCheckpointError: It is damaged.
          UnsupportedCheckpointError: Keras did not write it, or it reaches beyond
            itself.
          MissingDependencyError: ``h5py`` is not installed.
        """
        self.format = format  # type: ignore[misc]
        self.prefix = path
        self._lock = threading.Lock()
        self._crc32: Optional[int] = None
        h5py = _h5py(path)
        try:
            self._file = PositionedFile(path)
        except OSError as error:
            raise not_there(path, error.strerror or str(error)) from error
        try:
            self._open(h5py)
        except BaseException:
            self.close()
            raise

    def _open(self, h5py: Any) -> None:
        config: Optional[Mapping[str, Any]] = None
        self._start, self._size = 0, self._file.size
        if self.format == KERAS:
            with faults_of(self.prefix):
                archived = read_archive(self._file)
            self._start, self._size = archived.start, archived.size
            self._crc32, config = archived.crc32, archived.config
        window = io.BufferedReader(WindowOfFile(self._file, self._start, self._size))
        with self._faults():
            self._hdf5 = h5py.File(window, "r")
            walked = _Walk(h5py, self._hdf5)
        if walked.reaching:
            reason = f"it reaches into other files: {cut_names(walked.reaching)}"
            raise unsupported(self.prefix, reason)
        if config is None:
            config = _config_in(walked.groups[""])
        paths = sorted(walked.datasets)
        try:
            layout = keras_layout(walked.groups, paths, config)
        except FormatError as error:
            raise unsupported(self.prefix, str(error)) from error
        self._datasets: Dict[str, Dataset] = {one.key: one for one in layout}
        known = {one.path for one in layout}
        self._unknown = [path for path in paths if path not in known]
        self._entries = {
            one.key: _entry_of(one, walked.datasets[one.path]) for one in layout
        }

    def tensor_entries(self) -> Dict[str, TensorEntry]:
        """Returns what the file says about each tensor, by key."""
        return dict(self._entries)

    def paths(self) -> List[str]:
        """Returns the path of the file."""
        return [self.prefix]

    def findings(self) -> List[Finding]:
        """Returns remarks on what is numbered, and on what is not understood."""
        found: List[Finding] = []
        numbered = [
            key
            for key, one in self._datasets.items()
            if one.is_numbered and one.holder is None
        ]
        if numbered:
            text = f"{len(numbered)}: {cut_names(sorted(numbered))}"
            found.append(Finding(KINDS["keras-numbered"], self.prefix, text))
        if self._unknown:
            text = f"{len(self._unknown)}: {cut_names(self._unknown)}"
            found.append(Finding(KINDS["keras-unknown"], self.prefix, text))
        return found

    def keras_datasets(self) -> Tuple[Dataset, ...]:
        """Returns what the file says of its tensors, layers in their order."""
        return tuple(self._datasets.values())

    @property
    def has_crcs(self) -> bool:
        """Always false: HDF5 has no checksums of values."""
        return False

    def stored_crcs(self, key: str) -> Dict[TensorSlice, int]:
        """Raises ``NotImplementedError``: there are none."""
        raise NotImplementedError("HDF5 stores no checksums of tensors")

    def read(self, key: str) -> np.ndarray:
        """Reads a tensor; arguments and errors as ``TensorReader`` says."""
        import numpy as np

        self._verify_archive()
        entry = self._entries[key]
        dtype = dtypes.BY_NAME.get(entry.dtype)
        if dtype is None:
            raise unsupported_tensor(key, self.prefix, f"dtype {entry.dtype}")
        wanted = dtype.to_numpy()
        with self._faults(key):
            read = self._hdf5[self._datasets[key].path][()]
            if dtype.name == "string":
                array = np.empty(entry.shape, object)
                array[...] = read
                flat = [_bytes(one) for one in array.flat]
                for number, one in enumerate(flat):
                    array.flat[number] = one
                return array
            read = np.asarray(read)
            if read.dtype.kind == "V":
                return read.view(wanted).reshape(entry.shape)
            return np.ascontiguousarray(read.astype(wanted)).reshape(entry.shape)

    def read_slices(self, key: str) -> Iterator[Tuple[TensorSlice, np.ndarray]]:
        """Yields the whole: nothing is in slices."""
        yield self._entries[key].parts[0], self.read(key)

    def copied_parts(self, key: str) -> Iterator[CopiedPart]:
        """Yields the whole tensor as a V2 checkpoint stores it."""
        from legacy_restore.checkpoint.copied_bytes import CopiedPart
        from legacy_restore.checkpoint.tensor_bytes import stored_array

        entry = self._entries[key]
        array = self.read(key)
        tensor = stored_array(array, dtypes.BY_NAME[entry.dtype])
        yield CopiedPart(entry.parts[0], 0, tensor)

    def verify(self, key: str) -> None:
        """Reads a tensor; only an archive has a checksum to compare.

        Raises:
          CorruptCheckpointError: It cannot be read, or the archive is damaged.
          UnsupportedCheckpointError: Nobody can tell.
        """
        self.read(key)
        if self.format == HDF5:
            raise undecided_tensor(key, self.prefix, "HDF5 has no checksum of it")

    def close(self) -> None:
        """Closes the file; may be called twice."""
        if hasattr(self, "_hdf5"):
            with contextlib.suppress(Exception):  # Of a damaged file.
                self._hdf5.close()
        self._file.close()

    def _verify_archive(self) -> None:
        """Compares all weights of an archive with their checksum, once."""
        with self._lock:
            if self._crc32 is None:
                return
            crc = 0
            with faults_of(self.prefix):
                for at in range(0, self._size, _CHUNK_BYTES):
                    count = min(_CHUNK_BYTES, self._size - at)
                    crc = zlib.crc32(self._file.read(self._start + at, count), crc)
            if crc != self._crc32:
                raise corrupt(self.prefix, "its weights do not match their checksum")
            self._crc32 = None

    @contextlib.contextmanager
    def _faults(self, key: Optional[str] = None) -> Iterator[None]:
        """Turns whatever the HDF5 library says of a damaged file into our error."""
        try:
            yield
        except errors.LegacyRestoreError:
            raise
        except Exception as error:
            if self._file._file.closed:
                raise ValueError("the file was closed") from error
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            if key is None:
                raise corrupt(self.prefix, f"as HDF5: {reason}") from error
            raise corrupt_tensor(key, self.prefix, f"as HDF5: {reason}") from error


class _Walk:
    """The groups and datasets of a file, without what reaches beyond it."""

    def __init__(self, h5py: Any, file: Any) -> None:
        self._h5py = h5py
        self.groups: Dict[str, Dict[str, Any]] = {}
        self.datasets: Dict[str, Any] = {}
        self.reaching: List[str] = []
        waiting = [("", file)]
        seen = {self._number(file)}
        while waiting:
            path, group = waiting.pop()
            self.groups[path] = dict(group.attrs)
            for name in group:
                below = f"{path}/{name}" if path else name
                found = self._hard(group, name, below)
                if found is None:
                    continue
                if isinstance(found, h5py.Group):
                    if self._number(found) not in seen:  # They may hold each other.
                        seen.add(self._number(found))
                        waiting.append((below, found))
                else:
                    self.datasets[below] = found
            if len(self.groups) + len(self.datasets) > _MAX_OBJECTS:
                raise FormatError(f"more than {_MAX_OBJECTS} groups and datasets")

    def _number(self, group: Any) -> int:
        """What a group is, under whatever path: where it stands in the file."""
        return int(self._h5py.h5o.get_info(group.id).addr)

    def _hard(self, group: Any, name: str, path: str) -> Any:
        link = group.get(name, getlink=True)
        if not isinstance(link, self._h5py.HardLink):
            self.reaching.append(path)
            return None
        found = group[name]
        if isinstance(found, self._h5py.Group):
            return found
        if not isinstance(found, self._h5py.Dataset):
            return None
        if found.external or getattr(found, "is_virtual", False):
            self.reaching.append(path)
            return None
        return found


def _h5py(path: str) -> Any:
    try:
        import h5py
    except ImportError as error:
        hint = "pip install 'legacy_restore[h5py]'"
        reason = "an HDF5 file needs the package h5py"
        finding = Finding(KINDS["missing-dependency"], path, reason, hint=hint)
        raise errors.MissingDependencyError(
            f"{path}: {reason}", findings=[finding], hint=hint
        ) from error
    return h5py


def _config_in(attributes: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The configuration of the model that an HDF5 file has as an attribute."""
    try:
        config = json.loads(attributes["model_config"])
    except (KeyError, ValueError, TypeError):
        return None
    return config if isinstance(config, dict) else None


def _entry_of(one: Dataset, dataset: Any) -> TensorEntry:
    shape = tuple(int(size) for size in dataset.shape or ())
    dtype = _dtype_of(dataset)
    nbytes = count_elements(shape) * int(dataset.dtype.itemsize)
    return TensorEntry(one.key, dtype, shape, nbytes, None, (), None, one.holder)


def _dtype_of(dataset: Any) -> str:
    dtype = dataset.dtype
    if dtype.kind in "OS":
        return "string"
    # Keras stores it as bytes, and says so (H5Entry in saving_lib.py).
    if dtype.kind == "V" and str(dataset.attrs.get("dtype")) == "bfloat16":
        return "bfloat16"
    known = dtypes.BY_NAME.get(dtype.name)
    is_known = known is not None and known.numpy_name == dtype.name
    return str(dtype.name) if is_known else f"unknown({dtype})"


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogateescape")
