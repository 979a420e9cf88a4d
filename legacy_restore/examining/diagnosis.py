"""What a directory holds, what is wrong with it, and what to type next."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from typing import Any, Dict, List, Optional, Tuple

from legacy_restore.errors import exit_code_of
from legacy_restore.examining.contents import ClassTotal, Total
from legacy_restore.examining.doctor_eras import Era
from legacy_restore.report.findings import Finding, errors_of

# Raised whenever a field of the JSON changes its meaning or goes.
JSON_VERSION = 1

_UNREAD = {"unsupported", "missing-dependency", "tensor-undecided"}


@dataclasses.dataclass(frozen=True)
class ScopeCount:
    """How many tensors are in a scope at the top.

    Attributes:
      name: The scope; empty for keys without scope.
      tensors: Number of tensors.
    """

    name: str
    tensors: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a checkpoint lists.

    Attributes:
      identity: The same for checkpoints of the same keys, dtypes and shapes.
      is_object_based: Whether it says which objects were saved.
      total: Over all tensors.
      classes: The same by class.
      scopes: The scopes at the top, sorted.
      era: The releases of TensorFlow that it can be of.
    """

    identity: str
    is_object_based: bool
    total: Total
    classes: Tuple[ClassTotal, ...]
    scopes: Tuple[ScopeCount, ...]
    era: Era


@dataclasses.dataclass(frozen=True)
class CheckpointRow:
    """One checkpoint.

    Attributes:
      prefix: What TensorFlow's functions take.
      location: What to type for it.
      packaging: ``checkpoint``, ``SavedModel``, ``TF-Hub module`` or ``session
        bundle``.
      directory: Where it is; of a SavedModel the directory of its graph.
      stem: Its name without the step.
      step: The step that its name ends in, or None.
      format: ``"V2"`` or ``"V1"``.
      nbytes: Size of all of its files.
      layout: What it lists, or None where that cannot be read.
      writer: Version of TensorFlow as the graph beside it says, or None.
      graph: Path of that graph, or None.
      faults: What is missing or damaged of it, or keeps it from being read.
      remarks: What else there is to say, about its graph too.
    """

    prefix: str
    location: str
    packaging: str
    directory: str
    stem: str
    step: Optional[int]
    format: str
    nbytes: int
    layout: Optional[Layout]
    writer: Optional[str]
    graph: Optional[str]
    faults: Tuple[Finding, ...]
    remarks: Tuple[Finding, ...]

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """Everything there is to say about it."""
        return (*self.faults, *self.remarks)

    @property
    def is_complete(self) -> bool:
        """Whether nothing of it is missing or damaged, as far as was looked."""
        return not self.faults

    @property
    def is_unread(self) -> bool:
        """Whether nothing is known to be wrong, but it cannot be read here."""
        return bool(self.faults) and {one.id for one in self.faults} <= _UNREAD

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        layout = self.layout
        classes = () if layout is None else layout.classes
        scopes = () if layout is None else layout.scopes
        return {
            "prefix": self.prefix,
            "location": self.location,
            "packaging": self.packaging,
            "directory": self.directory,
            "stem": self.stem,
            "step": self.step,
            "format": self.format,
            "is_object_based": None if layout is None else layout.is_object_based,
            "is_complete": self.is_complete,
            "nbytes_on_disk": self.nbytes,
            "tensorflow_version": self.writer,
            "graph": self.graph,
            "era": None if layout is None else layout.era.to_json(),
            "total": None if layout is None else layout.total.to_json(),
            "classes": [one.to_json() for one in classes],
            "scopes": [dataclasses.asdict(one) for one in scopes],
            "findings": [one.to_json() for one in self.findings],
        }


@dataclasses.dataclass(frozen=True)
class GraphRow:
    """One graph that is not that of a checkpoint beside it.

    Attributes:
      path: Its file.
      kind: ``GraphDef``, ``MetaGraphDef``, ``SavedModel``, ``TF-Hub module``, ``session
        bundle``, or ``text``.
      writer: Version of TensorFlow as it says, or None.
      needs_checkpoint: Whether it is of no use without a checkpoint.
      nodes: Number of nodes, or None where it is not read.
      findings: What there is to say about it.
    """

    path: str
    kind: str
    writer: Optional[str]
    needs_checkpoint: bool
    nodes: Optional[int]
    findings: Tuple[Finding, ...]

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "path": self.path,
            "kind": self.kind,
            "tensorflow_version": self.writer,
            "needs_checkpoint": self.needs_checkpoint,
            "nodes": self.nodes,
            "findings": [one.to_json() for one in self.findings],
        }


class StateStatus(enum.Enum):
    """What became of the checkpoint that a state file names.

    ``COMPLETE``: it is there. ``ELSEWHERE``: it is, in another directory. ``MOVED``: it
    is not, and one of that name is beside the state file. ``INCOMPLETE``: files of it
    are missing or damaged. ``MISSING``: nothing of it is there. ``UNREADABLE``: the
    file is no state file, or names nothing.
    """

    COMPLETE = "complete"
    ELSEWHERE = "elsewhere"
    MOVED = "moved"
    INCOMPLETE = "incomplete"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclasses.dataclass(frozen=True)
class StateRow:
    """One state file.

    Attributes:
      path: The file.
      named: The checkpoint that it names, as it stands there, or None.
      status: What became of that.
      is_foreign: Whether the name is a whole path of which the directory is not here.
      taken: The prefix that is used for the directory, or None where none can be.
      findings: What there is to say about it.
    """

    path: str
    named: Optional[str]
    status: StateStatus
    is_foreign: bool
    taken: Optional[str]
    findings: Tuple[Finding, ...]

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "path": self.path,
            "named": self.named,
            "status": self.status.value,
            "is_foreign": self.is_foreign,
            "taken": self.taken,
            "findings": [one.to_json() for one in self.findings],
        }


@dataclasses.dataclass(frozen=True)
class NextCommand:
    """A command that helps here.

    Attributes:
      text: The whole line, quoted for a shell.
      arguments: The same as a list.
      why: What it is for.
      to_fill_in: Words in it that only the user knows.
    """

    text: str
    arguments: Tuple[str, ...]
    why: str
    to_fill_in: Tuple[str, ...] = ()

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {
            "text": self.text,
            "arguments": list(self.arguments),
            "why": self.why,
            "to_fill_in": list(self.to_fill_in),
        }


@dataclasses.dataclass(frozen=True)
class Group:
    """Checkpoints of one directory and stem: a run, by step.

    Attributes:
      directory: Where they are.
      stem: Their name without the step.
      rows: The checkpoints; the newest last.
    """

    directory: str
    stem: str
    rows: Tuple[CheckpointRow, ...]

    @property
    def newest(self) -> CheckpointRow:
        """The complete one with the highest step, else the one with the highest."""
        whole = [row for row in self.rows if row.is_complete]
        return (whole or list(self.rows))[-1]


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What is below a path, what is wrong with it, and what to type next.

    Printing it shows a few lines for each run.

    Attributes:
      path: What was looked at, as it was given.
      num_directories: Number of directories that were listed.
      num_files: Number of files in them.
      read: ``"index"``, or ``"all"`` where all data were verified.
      nbytes: What verifying all data reads, or has read.
      checkpoints: The checkpoints, by directory, stem and step.
      graphs: Graphs without a checkpoint of theirs.
      state_files: The state files.
      more_findings: What is said of no one of these.
      commands: What to type next.
    """

    path: str
    num_directories: int
    num_files: int
    read: str
    nbytes: int
    checkpoints: Tuple[CheckpointRow, ...]
    graphs: Tuple[GraphRow, ...]
    state_files: Tuple[StateRow, ...]
    more_findings: Tuple[Finding, ...]
    commands: Tuple[NextCommand, ...]

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """Everything there is to say."""
        of_rows = [
            *(row.findings for row in self.checkpoints),
            *(row.findings for row in self.state_files),
            *(row.findings for row in self.graphs),
        ]
        return (*itertools.chain.from_iterable(of_rows), *self.more_findings)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; remarks are not."""
        return not errors_of(self.findings)

    @property
    def exit_code(self) -> int:
        """What the command ends with: 0, 3 where a file is at fault, else 1."""
        return exit_code_of(self.findings)

    @property
    def groups(self) -> List[Group]:
        """The checkpoints by directory and stem."""
        found: Dict[Tuple[str, str], List[CheckpointRow]] = {}
        for row in self.checkpoints:
            found.setdefault((row.directory, row.stem), []).append(row)
        return [
            Group(directory, stem, tuple(rows))
            for (directory, stem), rows in sorted(found.items())
        ]

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/doctor-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "ok": self.ok,
            "path": self.path,
            "directories": self.num_directories,
            "files": self.num_files,
            "read": self.read,
            "nbytes": self.nbytes,
            "checkpoints": [one.to_json() for one in self.checkpoints],
            "graphs": [one.to_json() for one in self.graphs],
            "state_files": [one.to_json() for one in self.state_files],
            "findings": [one.to_json() for one in self.findings],
            "commands": [one.to_json() for one in self.commands],
        }

    def __str__(self) -> str:
        """Returns it as text for people."""
        from legacy_restore.examining.doctor_text import diagnosis_text

        return diagnosis_text(self)
