"""Everything that a checkpoint says about some of its tensors, and their values."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Dict, List, Mapping, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, TensorSlice
from legacy_restore.checkpoint.tensor_entry import StoredPart
from legacy_restore.examining.contents import Contents, ContentsRow
from legacy_restore.examining.contents_text import class_text, stored_type
from legacy_restore.examining.unreadable import READ_ERRORS, unreadable_findings
from legacy_restore.examining.view import View
from legacy_restore.report.findings import Finding
from legacy_restore.report.table import align, human_bytes, printable

_INDENT = "  "
# As many arrays as one looks at on a screen.
MAX_VALUES = 20


@dataclasses.dataclass(frozen=True)
class PartValues:
    """The values of a part of a tensor.

    Attributes:
      part: Which part; all of the tensor where it is stored whole.
      text: The values as NumPy prints them; see ``value_text``.
    """

    part: TensorSlice
    text: str

    def to_json(self) -> Dict[str, Any]:
        """Returns the values as JSON-ready data."""
        return {**_extent_json(self.part), "text": self.text}


@dataclasses.dataclass(frozen=True)
class TensorDetails(View):
    """All that a checkpoint says about some tensors.

    Attributes:
      contents: The tensors, with a finding for each that was to be read and cannot be.
      stored: Where each part of each tensor is, by key.
      values: The values of those that were read, by key; None if none was to be read.
    """

    stored: Mapping[str, Tuple[StoredPart, ...]]
    values: Optional[Mapping[str, Tuple[PartValues, ...]]] = None

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data: ``stored``, and ``values``, of each tensor."""
        data = self.contents.to_json()
        for tensor in data["tensors"]:
            key = tensor["key"]
            tensor["stored"] = [_part_json(one) for one in self.stored[key]]
            if self.values is not None:
                read = self.values.get(key)
                tensor["values"] = read and [one.to_json() for one in read]
        return data

    def blocks(self) -> List[List[str]]:
        """Returns a block for each tensor."""
        return [self._lines(row) for row in self.contents.rows]

    def _lines(self, row: ContentsRow) -> List[str]:
        entry = row.entry
        told = [
            ("type", stored_type(entry)),
            ("size", f"{human_bytes(entry.nbytes)}, {entry.num_stored:,} elements"),
            ("class", f"{class_text(row.classified)}: {row.classified.reason}"),
        ]
        lines = [printable(entry.key), *align(told, _INDENT)]
        lines += align(list(map(_stored_cells, self.stored[entry.key])), _INDENT)
        for one in (self.values or {}).get(entry.key, ()):
            if not entry.is_complete:
                lines.append(f"{_INDENT}{extent_text(one.part)}")
            lines += [_INDENT + line for line in one.text.splitlines()]
        return lines


def _part_json(stored: StoredPart) -> Dict[str, Any]:
    return {
        **_extent_json(stored.part),
        "shard": stored.shard,
        "path": stored.path,
        "offset": stored.offset,
        "nbytes": stored.nbytes,
        "crc32c": stored.crc32c,
    }


def _extent_json(part: TensorSlice) -> Dict[str, Any]:
    return {"start": list(part.start), "shape": list(part.shape)}


def extent_text(part: TensorSlice) -> str:
    """Returns a part as the index that selects it: ``[0:2,0:3]``."""
    ranges = (f"{start}:{start + size}" for start, size in zip(part.start, part.shape))
    return f"[{','.join(ranges)}]"


def _stored_cells(stored: StoredPart) -> Tuple[str, ...]:
    def cell(text: str, value: Optional[int]) -> str:
        return f"{text} not told" if value is None else f"{text} {value}"

    path = "place not told" if stored.path is None else os.path.basename(stored.path)
    crc = "none" if stored.crc32c is None else f"{stored.crc32c:#010x} (masked)"
    return (
        "stored",
        extent_text(stored.part),
        path,
        cell("offset", stored.offset),
        cell("bytes", stored.nbytes),
        f"crc32c {crc}",
    )


def tensor_details(checkpoint: Checkpoint, contents: Contents) -> TensorDetails:
    """Returns all that a checkpoint says about the tensors of ``contents``."""
    stored = {
        row.entry.key: tuple(checkpoint.stored_parts(row.entry.key))
        for row in contents.rows
    }
    return TensorDetails(contents, stored)


def tensor_details_and_values(
    checkpoint: Checkpoint, contents: Contents
) -> TensorDetails:
    """Returns all that a checkpoint says about tensors, and their values.

    Of a tensor of which slices are missing, each slice that is there is shown. One
    that cannot be read makes a finding, and the others are shown.

    Raises:
      UsageError: They are more tensors than one looks at.
      ClosedError: The checkpoint was closed.
    """
    if len(contents.rows) > MAX_VALUES:
        raise errors.UsageError(
            f"the values of at most {MAX_VALUES} tensors are shown at a time; these "
            f"are {len(contents.rows):,}"
        )
    values: Dict[str, Tuple[PartValues, ...]] = {}
    findings: List[Finding] = []
    for row in contents.rows:
        key = row.entry.key
        try:
            values[key] = tuple(_read(checkpoint, row))
        except READ_ERRORS as error:
            findings += unreadable_findings(error, key, checkpoint.prefix)
    found = dataclasses.replace(contents, findings=(*contents.findings, *findings))
    details = tensor_details(checkpoint, contents)
    return dataclasses.replace(details, contents=found, values=values)


def _read(checkpoint: Checkpoint, row: ContentsRow) -> List[PartValues]:
    from legacy_restore.examining.value_text import value_text

    entry = row.entry
    if entry.is_complete:
        whole = TensorSlice((0,) * len(entry.shape), entry.shape)
        return [PartValues(whole, value_text(checkpoint[entry.key]))]
    parts = checkpoint.read_parts(entry.key)
    return [PartValues(part, value_text(values)) for part, values in parts]
