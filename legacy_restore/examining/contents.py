"""What a checkpoint holds: its tensors, what each is there for, and totals."""

from __future__ import annotations

import dataclasses
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Tuple,
)

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, Location, TensorEntry
from legacy_restore.checkpoint.directory import step_of
from legacy_restore.checkpoint.graph_files import META_SUFFIX
from legacy_restore.graphdef.meta_info import read_writer
from legacy_restore.mapping.classify import Classified, TensorClass, classify
from legacy_restore.report.findings import Finding

if TYPE_CHECKING:
    from legacy_restore.checkpoint.objects import ObjectGraph, ObjectTensor

# Raised whenever a field of the JSON changes its meaning or goes.
JSON_VERSION = 1


@dataclasses.dataclass(frozen=True)
class ContentsRow:
    """One tensor of a checkpoint.

    Attributes:
      entry: What the checkpoint says about it.
      classified: What it was taken for.
      object_tensor: Of an object-based checkpoint, what its object graph says of the
        tensor; None where it says nothing.
      other_paths: Further paths under which the object is reached, the shortest first.
    """

    entry: TensorEntry
    classified: Classified
    object_tensor: Optional[ObjectTensor] = None
    other_paths: Tuple[str, ...] = ()

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        tensor = self.object_tensor
        return {
            "key": self.entry.key,
            "object_path": None if tensor is None else tensor.path,
            "other_paths": list(self.other_paths),
            "full_name": None if tensor is None else tensor.full_name,
            "dtype": self.entry.dtype,
            "shape": list(self.entry.shape),
            "parameters": self.entry.num_stored,
            "nbytes": self.entry.nbytes,
            "class": self.classified.tensor_class.value,
            "optimizer": self.classified.optimizer,
            "reason": self.classified.reason,
            "shard": self.entry.shard,
            "num_slices": len(self.entry.slices),
            "is_complete": self.entry.is_complete,
            "crc32c": self.entry.crc32c,
        }


@dataclasses.dataclass(frozen=True)
class Total:
    """How much some tensors are.

    Attributes:
      tensors: Number of tensors; a partitioned one is one.
      parameters: Number of elements of all of them that are stored.
      nbytes: Bytes stored for them; of strings, with their lengths. Of the format V1
        what they take in memory, without strings.
    """

    tensors: int
    parameters: int
    nbytes: int

    def to_json(self) -> Dict[str, int]:
        """Returns the numbers as JSON-ready data."""
        return dataclasses.asdict(self)


def total_of(rows: Iterable[ContentsRow]) -> Total:
    """Adds up some tensors."""
    entries = [row.entry for row in rows]
    return Total(
        tensors=len(entries),
        parameters=sum(entry.num_stored for entry in entries),
        nbytes=sum(entry.nbytes for entry in entries),
    )


@dataclasses.dataclass(frozen=True)
class ClassTotal:
    """How much the tensors of one class are; the slots of each optimizer apart.

    Attributes:
      tensor_class: The class.
      optimizer: Of slots, the name of their optimizer as far as it is known, else None.
      total: Over these tensors.
    """

    tensor_class: TensorClass
    optimizer: Optional[str]
    total: Total

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "class": self.tensor_class.value,
            "optimizer": self.optimizer,
            "is_training_state": self.tensor_class.is_training_state,
            **self.total.to_json(),
        }


def class_totals_of(rows: Iterable[ContentsRow]) -> List[ClassTotal]:
    """Adds up some tensors by class, what a model needs to run first."""
    found: Dict[Tuple[TensorClass, str], List[ContentsRow]] = {}
    for row in rows:
        of = row.classified
        found.setdefault((of.tensor_class, of.optimizer or ""), []).append(row)
    ranks = {tensor_class: rank for rank, tensor_class in enumerate(TensorClass)}
    return [
        ClassTotal(tensor_class, optimizer or None, total_of(of_class))
        for (tensor_class, optimizer), of_class in sorted(
            found.items(), key=lambda item: (ranks[item[0][0]], item[0][1])
        )
    ]


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a checkpoint holds; no value is read for it.

    Printing it shows every tensor, the totals of each class, and every finding.

    Attributes:
      location: Where the checkpoint was found.
      format: Its format, ``"V2"`` or ``"V1"``.
      step: The step that its prefix ends in, or None.
      rows: One for each tensor, sorted by key.
      findings: What there is to say about the location and the files.
      chosen_of: Where the rows are a choice, how much all tensors are, else None.
      tensorflow_version: Of the writer, where a ``.meta`` file beside it says so.
    """

    location: Location
    format: str
    step: Optional[int]
    rows: Tuple[ContentsRow, ...]
    findings: Tuple[Finding, ...]
    chosen_of: Optional[Total] = None
    tensorflow_version: Optional[str] = None

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.is_error for finding in self.findings)

    @property
    def total(self) -> Total:
        """How much all tensors are."""
        return total_of(self.rows)

    @property
    def class_totals(self) -> List[ClassTotal]:
        """How much those of each class are, what a model needs to run first."""
        return class_totals_of(self.rows)

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/inspect-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "ok": self.ok,
            "location": self.location.given,
            "prefix": self.location.prefix,
            "format": self.format,
            "step": self.step,
            "tensorflow_version": self.tensorflow_version,
            "tensors": [row.to_json() for row in self.rows],
            "classes": [one.to_json() for one in self.class_totals],
            "total": self.total.to_json(),
            "chosen_of": None if self.chosen_of is None else self.chosen_of.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Returns tensors, totals and findings as text."""
        from legacy_restore.examining.contents_text import contents_text

        return contents_text(self)


def contents_of(checkpoint: Checkpoint) -> Contents:
    """Returns what an open checkpoint holds.

    Of an object-based checkpoint the object graph is read, and no other value.
    """
    entries = checkpoint.entries()
    objects, findings = _objects_of(checkpoint)
    classes = classify(entries, objects)
    return Contents(
        location=checkpoint.location,
        format=checkpoint.format,
        step=step_of(checkpoint.prefix),
        rows=tuple(_row(entry, classes[entry.key], objects) for entry in entries),
        findings=(*checkpoint.findings, *findings),
        tensorflow_version=read_writer(checkpoint.prefix + META_SUFFIX),
    )


class _Objects(NamedTuple):
    """The object graph, if there is one that can be read, and what it has to say."""

    graph: Optional[ObjectGraph]
    findings: Tuple[Finding, ...]


def _objects_of(checkpoint: Checkpoint) -> _Objects:
    try:
        graph = checkpoint.objects
    except errors.CorruptCheckpointError as error:  # All else can be shown.
        return _Objects(None, tuple(error.findings))
    if graph is None:
        return _Objects(None, ())
    return _Objects(graph, tuple(graph.findings(checkpoint.prefix)))


def _row(
    entry: TensorEntry, classified: Classified, objects: Optional[ObjectGraph]
) -> ContentsRow:
    tensor = None if objects is None else objects.tensors.get(entry.key)
    if objects is None or tensor is None:
        return ContentsRow(entry, classified)
    others = tuple(objects.paths(tensor.node)[1:])
    return ContentsRow(entry, classified, tensor, others)
