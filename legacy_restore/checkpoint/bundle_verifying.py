"""What the verdicts on tensors say about the data files that they lie in.

One tensor that does not match is a damaged tensor. If hardly any does in a file of the
right size, the file is another one: of another step, copied beside this index.
"""

from __future__ import annotations

import os
from typing import Dict, Iterable, List, Optional

from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.data_files import (
    Need,
    counts_beside,
    lookalike_at,
    size_finding,
    stray_findings,
    surplus_finding,
)
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.lookalikes import Lookalike
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.verify_report import VerifyRow, VerifyStatus

# Tensors that keep their values from step to step match in any file.
_MIN_SHARE_OF_OTHERS = 0.9
_MIN_TENSORS = 2
# A shorter run of zeros at the end says nothing.
_MIN_ZERO_TAIL = 4096


def findings_of_data(bundle: Bundle, rows: Iterable[VerifyRow]) -> List[Finding]:
    """Returns what is the matter with data files whose tensors were verified.

    Args:
      bundle: The checkpoint.
      rows: The verdicts on all of its tensors.
    """
    by_key = {row.key: row for row in rows}
    findings: List[Finding] = []
    for shard, need in bundle.needs().items():
        found = _finding_of(bundle, shard, need, by_key)
        if found is not None:
            findings.append(found)
    return [*findings, *stray_findings(bundle.prefix, bundle.header.num_shards)]


def surplus_findings(bundle: Bundle) -> List[Finding]:
    """Returns remarks on data files with bytes that no tensor is in."""
    found = (
        surplus_finding(bundle.shard_path(shard), need)
        for shard, need in bundle.needs().items()
    )
    return [finding for finding in found if finding is not None]


def findings_without_index(prefix: str) -> List[Finding]:
    """Returns what can be said of data files of which the index is lost."""
    found: List[Finding] = []
    for paths in counts_beside(prefix).values():
        for path in paths:
            lookalike = lookalike_at(path)
            if lookalike is not None and lookalike.is_certain:
                found.append(_other_file(path, lookalike))
    return found


def _finding_of(
    bundle: Bundle, shard: int, need: Need, rows: Dict[str, VerifyRow]
) -> Optional[Finding]:
    path = bundle.shard_path(shard)
    keys = [key for key in dict.fromkeys(need.keys) if rows[key].nbytes]
    if all(rows[key].is_sound for key in keys) or size_finding(path, need) is not None:
        return None  # Where the size is wrong, that has been said.
    lookalike = bundle.lookalike(shard)
    if lookalike is not None:
        return _other_file(path, lookalike)
    corrupt = [key for key in keys if rows[key].status is VerifyStatus.CORRUPT]
    tail = _zero_tail(path) if corrupt else 0
    if tail >= _MIN_ZERO_TAIL:
        size = os.path.getsize(path)
        reason = f"its last {tail} of {size} bytes are zero, and tensors in it damaged"
        hint = "it was not written or copied to its end: copy it again"
        return Finding(KINDS["corrupt"], path, reason, hint=hint)
    if len(corrupt) < _MIN_TENSORS or len(corrupt) < _MIN_SHARE_OF_OTHERS * len(keys):
        return None
    return Finding(
        KINDS["index-data-mismatch"],
        path,
        f"{len(corrupt)} of the {len(keys)} tensors in it do not match their "
        "checksums, though its size fits: it is probably of another step",
        hint="copy index and data files again, all of them from one step",
    )


def _other_file(path: str, found: Lookalike) -> Finding:
    hint = found.hint
    return Finding(KINDS["not-a-checkpoint"], path, f"it is {found}", hint=hint)


def _zero_tail(path: str) -> int:
    """The number of zeros that a file ends with."""
    chunk = 1 << 20
    try:
        file = PositionedFile(path)
    except (OSError, FormatError):
        return 0
    count = 0
    try:
        while count < file.size:
            size = min(chunk, file.size - count)
            data = file.read(file.size - count - size, size)
            kept = len(data.rstrip(b"\0"))
            count += size - kept
            if kept:
                break
        return count
    except FormatError:
        return 0
    finally:
        file.close()
