"""What there is to say about one checkpoint: its index is read, its sizes compared."""

from __future__ import annotations

import collections
import hashlib
import logging
import os
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, Location, TensorEntry, open_prefix
from legacy_restore.checkpoint.data_files import (
    counts_beside,
    lookalike_at,
    stray_findings,
)
from legacy_restore.checkpoint.directory import Candidate
from legacy_restore.checkpoint.location import resolve_location
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from legacy_restore.checkpoint.v1_files import is_v1_file, shard_set_of_pattern, typed
from legacy_restore.checkpoint.verifying import verify_located
from legacy_restore.examining.contents import class_totals_of, contents_of, total_of
from legacy_restore.examining.diagnosis import CheckpointRow, Layout, ScopeCount
from legacy_restore.examining.doctor_eras import era_of
from legacy_restore.graphdef.meta_info import read_writer
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.table import human_bytes

_log = logging.getLogger("legacy_restore")

PLAIN = "checkpoint"
"""The packaging of a checkpoint that is in nothing else."""

# TensorFlow takes prefixes for patterns when it looks for the files
# (tensorflow/core/util/tensor_bundle/tensor_bundle.cc, GetMatchingPaths): a bracket or
# a backslash that is meant literally finds nothing.
_PATTERN_CHARACTERS = ("[", "\\")


class Home(NamedTuple):
    """What a checkpoint is packed in.

    Attributes:
      packaging: ``checkpoint``, ``SavedModel``, ``TF-Hub module``, ``session bundle``.
      directory: Where it is; of a SavedModel the directory of its graph.
      graph: Path of its graph, or None.
      writer: Version of TensorFlow as the graph says, or None.
      findings: What there is to say about the graph.
    """

    packaging: str
    directory: str
    graph: Optional[str]
    writer: Optional[str]
    findings: Tuple[Finding, ...] = ()


class Judge:
    """Looks at checkpoints one by one; those of a run list the same, which is kept."""

    def __init__(self, *, read: str) -> None:
        """Begins.

        Args:
          read: ``"index"``, or ``"all"`` to verify all data.
        """
        self._read = read
        self._layouts: Dict[str, Layout] = {}

    def judge(self, candidate: Candidate, home: Home) -> Optional[CheckpointRow]:
        """Returns what there is to say, or None where the checkpoint has vanished."""
        prefix = candidate.prefix
        layout: Optional[Layout] = None
        try:
            with open_prefix(prefix) as checkpoint:
                layout, findings = self._look(checkpoint)
                paths = checkpoint.paths()
        except errors.LegacyRestoreError as error:
            findings = list(error.findings) or [
                Finding(KINDS["unsupported"], prefix, error.message, hint=error.hint)
            ]
            paths = _paths_of(prefix)
        if self._read == "all":
            findings = _verified(prefix, findings)
        if not is_there(prefix):
            return None
        if candidate.step is not None:
            _log.debug("looked at %s", prefix)
        is_v2 = os.path.isfile(prefix + ".index")
        findings = _told_once(findings)
        remarks = [one for one in findings if not one.is_error]
        return CheckpointRow(
            prefix=prefix,
            location=location_of(prefix, home),
            packaging=home.packaging,
            directory=home.directory,
            stem=candidate.stem,
            step=candidate.step,
            format="V2" if is_v2 else "V1",
            nbytes=sum(map(_size, dict.fromkeys(paths))),
            layout=layout,
            writer=home.writer,
            graph=home.graph,
            faults=errors_of(findings),
            remarks=(*remarks, *home.findings, *_name_findings(prefix)),
        )

    def _look(self, checkpoint: Checkpoint) -> Tuple[Layout, List[Finding]]:
        entries = checkpoint.entries()
        identity = _identity(entries)
        findings = list(checkpoint.findings)
        if identity in self._layouts:
            return self._layouts[identity], findings
        contents = contents_of(checkpoint)
        layout = Layout(
            identity=identity,
            is_object_based=checkpoint.is_object_based,
            total=total_of(contents.rows),
            classes=tuple(class_totals_of(contents.rows)),
            scopes=tuple(_scopes(entries)),
            era=era_of(checkpoint.format, checkpoint),
        )
        if len(contents.findings) == len(findings):  # Its objects have nothing to say.
            self._layouts[identity] = layout
        return layout, list(contents.findings)


def is_there(prefix: str) -> bool:
    """Returns whether a file that lists the tensors of a checkpoint is there still."""
    if os.path.lexists(prefix + ".index"):
        return True
    shards = shard_set_of_pattern(prefix)
    paths = [prefix] if shards is None else shards.paths()
    return any(map(os.path.lexists, paths))


def location_of(prefix: str, home: Home) -> str:
    """Returns what to type for a checkpoint: the shortest that leads to it."""
    choices = [typed(prefix), prefix, prefix + ".index"]
    if home.packaging != PLAIN:
        choices.insert(0, home.directory)
    for choice in choices:
        try:
            found = resolve_location(choice).prefix
        except (errors.LegacyRestoreError, OSError):
            continue
        if os.path.realpath(found) == os.path.realpath(prefix):
            return choice
    return prefix


def _identity(entries: Sequence[TensorEntry]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        graph = entry.crc32c if entry.key == OBJECT_GRAPH_KEY else None
        line = f"{entry.key}\0{entry.dtype}\0{list(entry.shape)}\0{graph}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _scopes(entries: Iterable[TensorEntry]) -> List[ScopeCount]:
    counts = collections.Counter(
        entry.key.partition("/")[0] if "/" in entry.key else ""
        for entry in entries
        if entry.key != OBJECT_GRAPH_KEY
    )
    return [ScopeCount(name, counts[name]) for name in sorted(counts)]


def _verified(prefix: str, findings: List[Finding]) -> List[Finding]:
    """What is found by reading all data too; what was found before comes first."""
    _log.debug("verifying %s", prefix)
    try:
        report = verify_located(Location(prefix, prefix))
    except errors.LegacyRestoreError as error:
        return [*findings, *error.findings]
    return [*findings, *report.findings]


def _told_once(findings: Sequence[Finding]) -> List[Finding]:
    found = {(one.id, one.subject): one for one in reversed(findings)}
    return list(found.values())[::-1]


def _name_findings(prefix: str) -> List[Finding]:
    found: List[Finding] = []
    is_v2 = os.path.isfile(prefix + ".index")
    if is_v2 and is_v1_file(prefix):
        message = "it is a V1 checkpoint itself; V2 is taken, as TensorFlow does"
        hint = "to read the V1 checkpoint, give its file another name"
        found.append(Finding(KINDS["format-preferred"], prefix, message, hint=hint))
    if is_v2:
        counts = counts_beside(prefix)
        if len(counts) > 1:
            found += stray_findings(prefix, _count_in_use(prefix, counts))
    absolute = os.path.abspath(prefix)
    odd = [one for one in _PATTERN_CHARACTERS if one in absolute]
    if odd and shard_set_of_pattern(prefix) is None:
        message = (
            f"the path has {' and '.join(odd)}: TensorFlow itself takes it for a "
            "pattern and finds nothing; this toolkit reads it"
        )
        found.append(Finding(KINDS["name-is-pattern"], prefix, message))
    return found


def _count_in_use(prefix: str, counts: Dict[int, List[str]]) -> int:
    """The number of data files that the index is of; the most likely if it is lost."""
    try:
        with open_prefix(prefix) as checkpoint:
            return len(checkpoint.paths()) - 1
    except errors.LegacyRestoreError:
        return max(counts, key=lambda count: len(counts[count]) / max(count, 1))


def _graph_findings(graph: str) -> Tuple[Finding, ...]:
    """A remark on a ``.meta`` that is none; damage further down is left to inspect."""
    found = lookalike_at(graph)
    if found is None:
        return ()
    kind = KINDS["graph-not-read"]
    return (Finding(kind, graph, f"it is {found}", hint=found.hint),)


def _paths_of(prefix: str) -> List[str]:
    """The files of a checkpoint that cannot be opened."""
    shards = shard_set_of_pattern(prefix)
    if shards is not None:
        return [path for path in shards.paths() if os.path.isfile(path)]
    if not os.path.lexists(prefix + ".index"):
        return [prefix]
    data = [path for paths in counts_beside(prefix).values() for path in paths]
    return [prefix + ".index", *data]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def plain_home(candidate: Candidate, metas: Dict[str, str], stem: str) -> Home:
    """Returns the home of a checkpoint that is packed in nothing.

    Args:
      candidate: The checkpoint.
      metas: Paths of the ``.meta`` files of its directory, by prefix.
      stem: What stands before ``.meta`` for it.
    """
    directory = os.path.dirname(candidate.prefix)
    graph = metas.get(stem)
    if graph is None:
        return Home(PLAIN, directory, None, None)
    writer = read_writer(graph)
    findings = () if writer is not None else _graph_findings(graph)
    return Home(PLAIN, directory, graph, writer, findings)


# What the slowest disks in use read in a second.
_DISK_BYTES_PER_SECOND = 150e6


def reading_text(nbytes: int) -> str:
    """Returns how long reading takes at the speed of a hard disk, the slowest."""
    seconds = max(round(nbytes / _DISK_BYTES_PER_SECOND), 1)
    time = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    return f"{human_bytes(nbytes)}, about {time} from a hard disk"
