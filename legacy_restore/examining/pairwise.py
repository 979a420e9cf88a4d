"""Comparing one tensor of a checkpoint with one of another."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Dict, Optional, Tuple

from legacy_restore.checkpoint import Checkpoint, TensorEntry, TensorSlice
from legacy_restore.examining.compare import Comparison, Tolerance, ValueDifference
from legacy_restore.examining.diff_report import ComparedBy, DiffStatus
from legacy_restore.examining.unreadable import READ_ERRORS, unreadable_findings
from legacy_restore.report.findings import Finding

if TYPE_CHECKING:
    import numpy as np


class Reading(enum.Enum):
    """Whose values are read.

    ``NEEDED``: not where both files store checksums that agree. ``ALL``: everyone's.
    """

    NEEDED = "needed"
    ALL = "all"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a comparison of two tensors came to.

    Attributes:
      status: Equal, or the first thing in which they differ.
      compared_by: What that rests on; None where contents were not compared.
      values: How far apart the values are, where they were compared.
      findings: Why they could not be read.
    """

    status: DiffStatus
    compared_by: Optional[ComparedBy] = None
    values: Optional[ValueDifference] = None
    findings: Tuple[Finding, ...] = ()


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """A tensor and the open checkpoint that it is in.

    Attributes:
      checkpoint: The checkpoint.
      entry: What it says about the tensor.
    """

    checkpoint: Checkpoint
    entry: TensorEntry

    def crcs(self) -> Optional[Dict[TensorSlice, int]]:
        """Returns the stored CRC32C of each part, unmasked; None if there are none."""
        is_stored = bool(self.entry.slices) or self.entry.crc32c is not None
        if not is_stored or not self.checkpoint.has_crcs:
            return None
        return self.checkpoint.slice_crcs(self.entry.key)

    def read(self) -> Dict[TensorSlice, np.ndarray]:
        """Reads all values in one part if they are there, else those that are."""
        entry = self.entry
        if not entry.is_complete:
            return dict(self.checkpoint.read_parts(entry.key))
        whole = TensorSlice((0,) * len(entry.shape), entry.shape)
        return {whole: self.checkpoint[entry.key]}

    def findings_of(self, error: Exception) -> Tuple[Finding, ...]:
        """Returns what an error that reading raised says about the tensor."""
        assert isinstance(error, READ_ERRORS)
        prefix = self.checkpoint.prefix
        return tuple(unreadable_findings(error, self.entry.key, prefix))


def compare_tensors(
    a: StoredTensor, b: StoredTensor, tolerance: Tolerance, reading: Reading
) -> Verdict:
    """Compares two tensors: shape, dtype, what is stored of them, contents.

    Both are in memory at once, and nothing else but chunks of them.

    Raises:
      ClosedError: A checkpoint was closed.
    """
    if a.entry.shape != b.entry.shape:
        return Verdict(DiffStatus.SHAPE)
    if a.entry.dtype != b.entry.dtype:
        return Verdict(DiffStatus.DTYPE)
    is_whole = a.entry.is_complete and b.entry.is_complete
    if not is_whole and set(a.entry.parts) != set(b.entry.parts):
        return Verdict(DiffStatus.SLICES)
    if reading is Reading.NEEDED:
        crcs = a.crcs()
        if crcs is not None and crcs == b.crcs():
            return Verdict(DiffStatus.EQUAL, ComparedBy.CHECKSUMS)
    return _compare_values(a, b, tolerance)


def _compare_values(a: StoredTensor, b: StoredTensor, tolerance: Tolerance) -> Verdict:
    read = []
    findings: Tuple[Finding, ...] = ()
    for one in (a, b):  # Damage to the one must not hide damage to the other.
        try:
            read.append(one.read())
        except READ_ERRORS as error:
            findings += one.findings_of(error)
    if findings:
        return _compare_crcs(a, b, findings)
    values_a, values_b = read
    comparison = Comparison(a.entry.dtype, tolerance)
    for part, values in values_a.items():
        comparison.add(values, values_b[part])
    found = comparison.result()
    status = DiffStatus.VALUES
    if not found.differing:
        status = DiffStatus.EQUAL
    elif not found.beyond:
        status = DiffStatus.WITHIN
    return Verdict(status, ComparedBy.VALUES, found)


def _compare_crcs(
    a: StoredTensor, b: StoredTensor, why_not_read: Tuple[Finding, ...]
) -> Verdict:
    """Compares tensors that NumPy cannot hold: their bytes and checksums tell enough.

    Args:
      a: The one.
      b: The other.
      why_not_read: Findings, for where there are no checksums either.
    """
    findings: Tuple[Finding, ...] = ()
    for one in (a, b):
        try:
            one.checkpoint.verify_tensor(one.entry.key)
        except READ_ERRORS as error:
            findings += one.findings_of(error)
    if findings:
        return Verdict(DiffStatus.UNREAD, findings=findings)
    crcs_a, crcs_b = a.crcs(), b.crcs()
    if crcs_a is None or crcs_b is None or set(crcs_a) != set(crcs_b):
        return Verdict(DiffStatus.UNREAD, findings=why_not_read)
    status = DiffStatus.EQUAL if crcs_a == crcs_b else DiffStatus.VALUES
    return Verdict(status, ComparedBy.CHECKSUMS)
