"""What can be made out of the index of a V2 checkpoint that may be damaged.

Every block of an index has a checksum of its own, so a damaged one costs what it lists
and no more. What stands in a damaged block is read too, as far as that is possible: so
that what is lost can be named, and because the checksum of a tensor's bytes may still
bear out what is said of them.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, List, Mapping, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.bundle_index import (
    BundleIndex,
    index_of,
    open_index,
    text_of,
)
from legacy_restore.checkpoint.data_files import counts_beside
from legacy_restore.checkpoint.entries import BundleHeader, parse_header
from legacy_restore.checkpoint.faults import faults_of
from legacy_restore.checkpoint.slices import tensor_of_slice_key
from legacy_restore.checkpoint.table import DataBlock, Pair, read_blocks
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding

_HEADER_KEY = b""
_DOUBTFUL = "the block of the index that lists it is damaged"


@dataclasses.dataclass(frozen=True)
class IndexSurvey:
    """What an index says, as far as it can be made out.

    Attributes:
      sound: What stands in undamaged blocks and contradicts nothing.
      doubtful: What stands in damaged blocks and contradicts nothing: any of it may be
        wrong. Without a header it is everything, as that tells the byte order.
      has_header: Whether the header stands in an undamaged block.
      lost: Why the others cannot be had, by key.
      findings: What is wrong with the file as a whole and with its blocks.
    """

    sound: BundleIndex
    doubtful: BundleIndex
    has_header: bool
    lost: Mapping[str, str]
    findings: Tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.findings or self.lost)


def survey_index(prefix: str) -> IndexSurvey:
    """Reads whatever can be read of an index.

    Args:
      prefix: The checkpoint's path stem.

    Raises:
      LocationError: There is no such file.
      CorruptCheckpointError: Nothing in it can be found.
      UnsupportedCheckpointError: It needs another reader.
      MissingDependencyError: It is compressed and ``cramjam`` is missing.
    """
    path = prefix + ".index"
    survey = _Survey(path)
    with faults_of(path):
        with open_index(path) as file:
            for block in read_blocks(file):
                survey.add(block)
        return survey.finish(prefix)


class _Survey:
    """Collects what the blocks of an index hold."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sound: Dict[bytes, bytes] = {}
        self._doubtful: Dict[bytes, bytes] = {}
        self._lost: Dict[str, str] = {}
        self._findings: List[Finding] = []
        self._last: Optional[bytes] = None

    def add(self, block: DataBlock) -> None:
        """Adds what a block holds, or that it is damaged."""
        if block.fault is None:
            self._sound.update(block.pairs)
        else:
            self._doubtful.update(block.pairs)
            self._findings.append(self._finding(block, block.fault))
        self._last = block.handle.last_key

    def finish(self, prefix: str) -> IndexSurvey:
        """Returns what was found, entries decoded and compared with each other.

        Raises:
          FormatError: There is no header, and nothing else either.
          UnsupportedCheckpointError: The header asks for another reader.
        """
        header = self._header(prefix)
        has_header = _HEADER_KEY in self._sound
        for key in [_HEADER_KEY, *self._sound]:
            self._doubtful.pop(key, None)
        self._sound.pop(_HEADER_KEY, None)
        if not has_header:
            self._doubtful.update(self._sound)
            self._sound.clear()
        sound = index_of(header, _pairs(self._sound), self._lose)
        doubtful = index_of(header, _pairs(self._doubtful), self._lose_doubtful)
        if self._findings:
            sound = self._without_orphans(sound)
            doubtful = self._without_orphans(doubtful)
        for name in [*sound.entries, *doubtful.entries]:
            self._lost.pop(name, None)
        findings = tuple(self._findings)
        return IndexSurvey(sound, doubtful, has_header, self._lost, findings)

    def _header(self, prefix: str) -> BundleHeader:
        value = self._sound.get(_HEADER_KEY)
        if value is not None:
            return parse_header(value)
        if not self._findings:
            raise FormatError("has no header")
        try:
            header = parse_header(self._doubtful.get(_HEADER_KEY, b""))
        except (FormatError, errors.UnsupportedCheckpointError):
            header = BundleHeader(0, is_big_endian=False)
        counts = counts_beside(prefix)
        if header.num_shards in counts or not counts:
            return header
        # The names of the data files say how many there are.
        fullest = max(sorted(counts), key=lambda count: len(counts[count]))
        return dataclasses.replace(header, num_shards=fullest)

    def _lose(self, key: bytes, error: FormatError) -> None:
        name = tensor_of_slice_key(key) or key
        self._lost.setdefault(text_of(name), str(error))

    def _lose_doubtful(self, key: bytes, error: FormatError) -> None:
        name = tensor_of_slice_key(key) or key
        self._lost.setdefault(text_of(name), _DOUBTFUL)

    def _without_orphans(self, index: BundleIndex) -> BundleIndex:
        """Takes slices out whose tensor stands in a damaged block."""
        entries = dict(index.entries)
        for key in index.entries:
            name = tensor_of_slice_key(key.encode("utf-8", "surrogateescape"))
            if name is not None:
                del entries[key]
                self._lost.setdefault(text_of(name), _DOUBTFUL)
        return index._replace(entries=entries)

    def _finding(self, block: DataBlock, fault: Exception) -> Finding:
        if isinstance(fault, errors.MissingDependencyError):
            kind, hint = KINDS["missing-dependency"], fault.hint
        elif isinstance(fault, errors.UnsupportedCheckpointError):
            kind, hint = KINDS["unsupported"], fault.hint
        else:
            kind, hint = KINDS["corrupt"], None
        after = "" if self._last is None else f"from behind {text_of(self._last)!r} "
        lists = f"it lists the keys {after}up to {text_of(block.handle.last_key)!r}"
        return Finding(kind, self._path, f"{fault}; {lists}", hint=hint)


def _pairs(values: Mapping[bytes, bytes]) -> List[Pair]:
    return [Pair(key, value) for key, value in sorted(values.items())]
