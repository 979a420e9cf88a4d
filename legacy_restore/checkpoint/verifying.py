"""Verifying a checkpoint: every block, size, slice and checksum, all faults in one run.

A tensor is read a chunk at a time and never as a whole. Where ``open_checkpoint``
refuses, this goes on with whatever can be made out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from typing import Dict, Iterable, Iterator, List, Mapping, Optional

from legacy_restore import errors
from legacy_restore.checkpoint import bundle_verifying
from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.directory import list_candidates
from legacy_restore.checkpoint.index_survey import IndexSurvey, survey_index
from legacy_restore.checkpoint.keras_files import keras_format_of
from legacy_restore.checkpoint.location import LocationLike, resolve_location
from legacy_restore.checkpoint.opening import open_located
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.resolved import Location
from legacy_restore.checkpoint.slices import gap_in
from legacy_restore.checkpoint.state_file import is_state_file
from legacy_restore.checkpoint.tensor_entry import TensorEntry
from legacy_restore.checkpoint.v1 import V1Files
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import human_bytes
from legacy_restore.report.verify_report import VerifyReport, VerifyRow, VerifyStatus

_log = logging.getLogger("legacy_restore")

# How much is read from one line of progress to the next.
_PROGRESS_BYTES = 256 << 20

_STATUSES: Mapping[str, VerifyStatus] = {
    "tensor-missing": VerifyStatus.MISSING,
    "tensor-undecided": VerifyStatus.UNDECIDED,
    "unsupported": VerifyStatus.UNDECIDED,
    "missing-dependency": VerifyStatus.UNDECIDED,
}
_IN_DOUBT = (
    "its bytes match; the block of the index that lists it is damaged, so its name, "
    "dtype or shape may be wrong"
)
_WITHOUT_HEADER = (
    "its bytes match; the header of the index is in a damaged block, so their byte "
    "order may be another"
)


def verify_checkpoint(location: LocationLike) -> VerifyReport:
    """Verifies a checkpoint, also one that ``open_checkpoint`` refuses.

    Everything is read once, a chunk at a time, and no fault ends it: the report has
    them all.

    Args:
      location: What ``open_checkpoint`` takes. Of a directory in which no checkpoint
        is complete, the one with the highest step is verified.

    Raises:
      LocationError: No checkpoint is there, or several could be meant.
      UnsupportedCheckpointError: What is there is no checkpoint that is read.
    """
    with examine_checkpoint(location, locate_damaged(location)) as examined:
        return examined.report


def verify_located(found: Location) -> VerifyReport:
    """Verifies the checkpoint with a prefix to which a location was resolved before.

    Raises:
      LocationError: It is not there.
    """
    with examine_checkpoint(found.prefix, found) as examined:
        return examined.report


@dataclasses.dataclass(frozen=True)
class Examined:
    """A checkpoint that was verified and is open still.

    Attributes:
      report: What is damaged.
      reader: What has its tensors; None where nothing says which there are.
      doubtful: What has those that only damaged blocks of an index list, or None.
    """

    report: VerifyReport
    reader: Optional[TensorReader] = None
    doubtful: Optional[TensorReader] = None

    @property
    def opens(self) -> bool:
        """Whether what lists the tensors is undamaged, as ``open_checkpoint`` asks."""
        if isinstance(self.reader, V1Files):
            return not (self.reader.lost or self.reader.lost_files)
        return self.reader is not None and self.doubtful is None


@contextlib.contextmanager
def examine_checkpoint(given: LocationLike, found: Location) -> Iterator[Examined]:
    """Verifies a checkpoint and keeps it open.

    Args:
      given: What to look for if it is deleted while it is opened.
      found: What ``locate_damaged`` gives.

    Raises:
      LocationError: It is not there any more.
    """
    with contextlib.ExitStack() as stack:
        try:
            opened = open_located(given, found)
        except errors.LocationError:
            raise
        except errors.LegacyRestoreError as error:
            yield _examine_refused(found, error, stack)
            return
        stack.callback(opened.reader.close)
        report = verify_reader(opened.reader, opened.location)
        yield Examined(report, opened.reader)


def _examine_refused(
    location: Location,
    refusal: errors.LegacyRestoreError,
    stack: contextlib.ExitStack,
) -> Examined:
    """Verifies what can be made out of a checkpoint that is not opened."""
    if not os.path.isfile(location.prefix + ".index"):
        keras = keras_format_of(location.prefix)
        if keras is not None:
            return Examined(_report(location, keras, (), refusal.findings))
        return _examine_refused_v1(location, refusal, stack)
    try:
        survey = survey_index(location.prefix)
    except errors.LocationError:
        raise
    except errors.LegacyRestoreError as error:
        findings = bundle_verifying.findings_without_index(location.prefix)
        return Examined(_report(location, "V2", (), [*error.findings, *findings]))
    sound = Bundle.of_index(location.prefix, survey.sound)
    stack.callback(sound.close)
    doubtful = Bundle.of_index(location.prefix, survey.doubtful)
    stack.callback(doubtful.close)
    report = _verify_survey(location, survey, sound, doubtful)
    return Examined(report, sound, None if survey.is_sound else doubtful)


def _examine_refused_v1(
    location: Location,
    refusal: errors.LegacyRestoreError,
    stack: contextlib.ExitStack,
) -> Examined:
    try:
        reader = V1Files.tolerantly(location.prefix)
    except errors.LocationError:
        raise
    except errors.LegacyRestoreError:
        return Examined(_report(location, "V1", (), refusal.findings))
    stack.callback(reader.close)
    return Examined(verify_reader(reader, location), reader)


def verify_reader(reader: TensorReader, location: Location) -> VerifyReport:
    """Verifies an open checkpoint, every tensor of it.

    Args:
      reader: The checkpoint.
      location: Where it was found.
    """
    rows = _rows_of(reader)
    findings = list(reader.findings())
    if isinstance(reader, V1Files):
        rows = [_unless_files_lack(reader, row) for row in rows]
        rows += _lost_rows(reader.lost)
    if isinstance(reader, Bundle):
        findings += bundle_verifying.findings_of_data(reader, rows)
        told = {finding.subject for finding in findings}
        surplus = bundle_verifying.surplus_findings(reader)
        findings += [one for one in surplus if one.subject not in told]
    return _report(location, reader.format, rows, findings)


def _verify_survey(
    location: Location, survey: IndexSurvey, sound: Bundle, doubtful: Bundle
) -> VerifyReport:
    """Verifies what stands in an index, the doubtful too."""
    if survey.is_sound:
        return verify_reader(sound, location)
    rows = _rows_of(sound)
    findings = [*survey.findings, *sound.findings()]
    findings += bundle_verifying.findings_of_data(sound, rows)
    reason = _IN_DOUBT if survey.has_header else _WITHOUT_HEADER
    rows += [_doubted(row, reason) for row in _rows_of(doubtful)]
    return _report(location, "V2", [*rows, *_lost_rows(survey.lost)], findings)


def _lost_rows(lost: Mapping[str, str]) -> List[VerifyRow]:
    return [
        VerifyRow(key, VerifyStatus.CORRUPT, reason) for key, reason in lost.items()
    ]


def _doubted(row: VerifyRow, reason: str) -> VerifyRow:
    if not row.is_sound:
        return row
    return dataclasses.replace(row, status=VerifyStatus.UNDECIDED, reason=reason)


def _report(
    location: Location,
    format: str,
    rows: Iterable[VerifyRow],
    findings: Iterable[Finding],
) -> VerifyReport:
    return VerifyReport(
        location=location.given,
        prefix=location.prefix,
        format=format,
        rows=tuple(sorted(rows, key=lambda row: row.key)),
        file_findings=(*location.findings, *findings),
    )


def _rows_of(reader: TensorReader) -> List[VerifyRow]:
    entries = reader.tensor_entries()
    total = sum(entry.nbytes for entry in entries.values())
    done = told = 0
    rows: List[VerifyRow] = []
    if entries:
        _log.debug("verifying %d tensors, %s", len(entries), human_bytes(total))
    for entry in entries.values():
        rows.append(_row_of(reader, entry))
        done += entry.nbytes
        if done - told >= _PROGRESS_BYTES:
            told = done
            _log.debug("verified %s of %s", human_bytes(done), human_bytes(total))
    return rows


def _row_of(reader: TensorReader, entry: TensorEntry) -> VerifyRow:
    try:
        reader.verify(entry.key)
    except errors.LegacyRestoreError as error:
        finding = error.findings[0]
        status = _STATUSES.get(finding.id, VerifyStatus.CORRUPT)
        return VerifyRow(entry.key, status, finding.message, entry.nbytes, error.hint)
    if entry.is_complete:
        return VerifyRow(entry.key, VerifyStatus.OK, nbytes=entry.nbytes)
    gap = gap_in(entry.shape, entry.slices)
    reason = (
        f"{entry.num_stored:,} of {entry.num_elements:,} elements are stored; "
        f"no slice has {gap}"
    )
    return VerifyRow(entry.key, VerifyStatus.INCOMPLETE, reason, entry.nbytes)


def _unless_files_lack(reader: V1Files, row: VerifyRow) -> VerifyRow:
    """A file of V1 alone lists its slices: what is not there may be in a lost one."""
    if row.status is not VerifyStatus.INCOMPLETE or not reader.lacks_files:
        return row
    reason = f"{row.reason}; a file that is missing or damaged may have the rest"
    return dataclasses.replace(row, status=VerifyStatus.MISSING, reason=reason)


def locate_damaged(location: LocationLike) -> Location:
    """Finds a checkpoint that may be damaged; arguments as ``verify_checkpoint``.

    Raises:
      LocationError: No checkpoint is there, or several could be meant.
      UnsupportedCheckpointError: What is there is no checkpoint that is read.
    """
    given = os.fsdecode(os.fspath(location))
    try:
        return resolve_location(given)
    except errors.LocationError:
        directory = _directory_of(given)
        prefix = None if directory is None else _newest_in(directory)
        if prefix is None:
            raise
        why = f"using {prefix}: it has the highest step, and none is complete"
        return Location(
            given, prefix, (Finding(KINDS["location-resolved"], given, why),)
        )


def _directory_of(given: str) -> Optional[str]:
    """The directory whose newest checkpoint a location means, or None."""
    if os.path.isdir(given):
        return given
    directory, at, selector = given.rpartition("@")
    if at and selector == "latest" and os.path.isdir(directory):
        return directory
    if os.path.isfile(given) and is_state_file(given):
        return os.path.dirname(given) or os.curdir
    return None


def _newest_in(directory: str) -> Optional[str]:
    """The prefix with the highest step, None where several names are."""
    newest: Dict[str, str] = {}
    for one in list_candidates(directory):
        newest[one.stem] = one.prefix
    return next(iter(newest.values())) if len(newest) == 1 else None
