"""Findings: everything that a phase has to say, as data.

A finding is one problem or remark about one subject. Its kind has a stable id, which
scripts and tests compare; its texts may change. The catalogue below is the complete
list of kinds, and ``docs/errors.md`` explains each of them.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple


class Severity(enum.Enum):
    """How much a finding weighs.

    ``ERROR`` refuses the whole operation, ``WARNING`` deserves a look, ``REMARK`` says
    what was decided.
    """

    ERROR = "error"
    WARNING = "warning"
    REMARK = "remark"


@dataclasses.dataclass(frozen=True)
class FindingKind:
    """What all findings of one id have in common.

    Attributes:
      id: Stable identifier, lower case with dashes.
      severity: Weight of every finding of this kind.
      title: The heading under which such findings are listed.
      is_input_fault: Whether a file is the cause, which decides the exit code.
    """

    id: str
    severity: Severity
    title: str
    is_input_fault: bool = False


@dataclasses.dataclass(frozen=True)
class Finding:
    """One problem or remark about one subject.

    Attributes:
      kind: The catalogue entry that this finding belongs to.
      subject: The variable, key, path, rule or pattern that it is about.
      message: What is the matter, in one line.
      model: Name of the model, or None when it is about no model or about several.
      expected: What should have been there, such as ``float32[5]``.
      found: What was there instead.
      hint: What to type next, or None.
      waiver: The pair of argument and pattern that would permit it, such as
        ``("allow_missing", "logits/biases")``, or None when nothing does.
    """

    kind: FindingKind
    subject: str
    message: str = ""
    model: Optional[str] = None
    expected: Optional[str] = None
    found: Optional[str] = None
    hint: Optional[str] = None
    waiver: Optional[Tuple[str, str]] = None

    @property
    def id(self) -> str:
        """The stable identifier of the kind."""
        return self.kind.id

    @property
    def severity(self) -> Severity:
        """The weight of the kind."""
        return self.kind.severity

    @property
    def is_error(self) -> bool:
        """Whether this finding refuses the operation."""
        return self.kind.severity is Severity.ERROR

    @property
    def is_input_fault(self) -> bool:
        """Whether this is an error whose cause is a file."""
        return self.is_error and self.kind.is_input_fault

    def to_json(self) -> Dict[str, Any]:
        """Returns the finding as JSON-ready data; absent fields are null."""
        return {
            "id": self.id,
            "severity": self.severity.value,
            "model": self.model,
            "subject": self.subject,
            "message": self.message,
            "expected": self.expected,
            "found": self.found,
            "hint": self.hint,
            "waiver": None if self.waiver is None else list(self.waiver),
        }


def errors_of(findings: Iterable[Finding]) -> Tuple[Finding, ...]:
    """Returns the findings that refuse the operation, in their order."""
    return tuple(finding for finding in findings if finding.is_error)


def _catalogue(*kinds: FindingKind) -> Mapping[str, FindingKind]:
    return {kind.id: kind for kind in kinds}


def _input_error(id: str, title: str) -> FindingKind:
    return FindingKind(id, Severity.ERROR, title, is_input_fault=True)


def _error(id: str, title: str) -> FindingKind:
    return FindingKind(id, Severity.ERROR, title)


def _remark(id: str, title: str) -> FindingKind:
    return FindingKind(id, Severity.REMARK, title)


KINDS = _catalogue(
    # Files.
    _input_error("location-not-found", "no checkpoint there"),
    _input_error("location-ambiguous", "more than one checkpoint could be meant"),
    _input_error("corrupt", "corrupt"),
    _input_error("not-a-checkpoint", "another kind of file"),
    _input_error("unsupported", "not supported"),
    _input_error("missing-dependency", "optional package missing"),
    _input_error("index-missing", "data files without their index"),
    _input_error("shard-missing", "data file missing"),
    _input_error("shard-truncated", "data file too short"),
    _input_error("tensor-corrupt", "tensor does not match its checksum"),
    _input_error("tensor-missing", "tensor whose data are not there"),
    _input_error("tensor-undecided", "tensor that cannot be verified"),
    _input_error("index-data-mismatch", "index and data file do not belong together"),
    _input_error("vocabulary-missing", "vocabulary file missing"),
    _input_error("asset-missing", "asset missing"),
    _input_error("not-visible", "not what a task of the cluster sees"),
    _input_error("path-is-pattern", "a path that a cluster cannot restore from"),
    _input_error("checkpoint-changed", "files changed since the plan was made"),
    # Looking into checkpoints.
    _error("no-match", "pattern that is found in no key"),
    _error("tensor-differs", "differs between the two checkpoints"),
    _error("directory-unreadable", "directory that cannot be listed"),
    # Models and scopes.
    _error("builder-failed", "builder failed"),
    _error("not-built", "without its variables yet"),
    _error("scope-in-use", "scope is in use"),
    _error("import-failed", "graph that cannot be imported"),
    _error("no-checkpoint", "variables, and no checkpoint"),
    _error("variable-claimed", "variable belongs to another model"),
    _error("shared-mismatch", "cannot have one storage"),
    _error("shared-differs", "shared, and the checkpoints differ"),
    _error("unused-shared", "shares nothing"),
    _error("variable-without-object", "variable operation without a tf.Variable"),
    _error("saveable-object", "object that cannot be restored"),
    _error("resource-claimed", "one resource of two models"),
    _error("python-function-missing", "Python function that is not given"),
    _error("python-elsewhere", "Python functions that another process would call"),
    _error("table-mismatch", "not what such a table saves"),
    _error("input-claimed-twice", "two placeholders under one name"),
    # Saved graphs.
    _error("outputs-unknown", "what the graph is to compute has to be said"),
    _error("unknown-tensor", "no such tensor in the graph"),
    _error("input-missing", "input that the outputs need, and inputs= does not name"),
    _error("needs-trust", "the graph reaches beyond itself"),
    _input_error("operation-unknown", "operation that this TensorFlow lacks"),
    _input_error("attribute-unknown", "attribute that this TensorFlow lacks"),
    _error("op-library-failed", "library of operations that cannot be loaded"),
    _error("replacement-failed", "not what takes the place of an operation"),
    _error("unused-replacement", "replacement of an operation that is not there"),
    _error("ref-written", "variable that cannot become a resource"),
    # Matching.
    _error("missing-key", "missing in the checkpoint"),
    _error("shape-mismatch", "shape differs"),
    _error("dtype-mismatch", "dtype differs"),
    _error("unused-weights", "weights left in the checkpoint"),
    _error("graph-mismatch", "graph and checkpoint of different models"),
    _error("saver-conflict", "Savers of the graph disagree"),
    _error("no-initializer", "without a value and an initialiser"),
    _error("key-claimed-twice", "two variables on one key"),
    _error("ambiguous-match", "more than one way to match"),
    _error("missing-shadow", "without a moving average in the checkpoint"),
    _error("ambiguous-shadow", "more than one moving average in the checkpoint"),
    _error("no-shadows", "no moving averages"),
    _error("foreign-prefix", "keys carry the scope of another model"),
    _error("rule-collision", "two keys on one name"),
    _error("vocabulary-mismatch", "vocabulary that does not fit"),
    _error("unused-rule", "rule that matches nothing"),
    _error("unused-waiver", "waiver that permits nothing"),
    # Optimizers.
    _error("optimizer-missing", "optimizer that the checkpoint does not have"),
    _error("optimizer-ambiguous", "more than one optimizer could be meant"),
    _error("optimizer-rule", "state without an exact rule for this optimizer"),
    _error("optimizer-step", "number of steps that cannot be told"),
    _error("hyperparameter-differs", "not what the optimizer had"),
    # Memory, and processes.
    _error("memory-limit", "does not fit into memory"),
    _error("not-picklable", "cannot be handed to another process"),
    _error("child-failed", "failed in a process of its own"),
    _error("child-died", "its process died"),
    # Sessions.
    _error("cast-overflow", "values that the other dtype cannot hold"),
    _error("device-missing", "no such device in the session"),
    _error("task-lost", "task that does not answer"),
    _error("cluster-timeout", "the cluster was not done in time"),
    _error("name-in-cluster", "the cluster has it already"),
    _error("state-left", "left in the cluster"),
    _error("graph-finalized", "the graph takes no more operations"),
    _error("restore-failed", "TensorFlow failed, and no file is at fault"),
    _error("initializer-failed", "initialiser failed"),
    _error("initializer-mixed", "initialiser that does more than initialise"),
    _error("unused-asset", "names no asset of the file"),
    _error("swap-differs", "not what was restored before"),
    _error("swap-half-done", "some weights are new, others old"),
    _error("checkpoint-exists", "there is a checkpoint already"),
    _error("save-failed", "the checkpoint could not be written"),
    _error("value-not-storable", "not what a checkpoint can hold"),
    _error("slices-mismatch", "slices that do not make up the tensor"),
    _error("not-representable", "what the other kind of checkpoint cannot hold"),
    _error("unknown-key", "names no tensor that is written"),
    _error("variable-changed", "no longer equals its checkpoint"),
    # Remarks.
    _remark("location-resolved", "location resolved"),
    _remark("state-file-moved", "state file names another directory"),
    _remark("state-file-stale", "state file names a checkpoint that is not there"),
    _remark("state-file-elsewhere", "state file points elsewhere"),
    _remark("checkpoint-vanished", "checkpoint deleted meanwhile"),
    _remark("format-preferred", "V2 taken before V1 of the same name"),
    _remark("shard-longer", "data file longer than the index says"),
    _remark("stray-data-file", "data file of another set"),
    _remark("several-names", "checkpoints of several names in one directory"),
    _remark("name-is-pattern", "a path that TensorFlow itself cannot restore from"),
    _remark("leftover", "left by a save that did not end"),
    _remark("archive-not-unpacked", "archive, not unpacked"),
    _remark("other-library", "files of another library"),
    _remark("not-looked-at", "not looked at"),
    _remark("graph-without-checkpoint", "graph without its checkpoint"),
    _remark("graph-not-read", "graph not read"),
    _remark("graph-needs-checkpoint", "values are in a checkpoint"),
    _remark("incomplete-tensor", "only part of a tensor in the checkpoint"),
    _remark("tensor-unverified", "taken although nobody can tell, as permitted"),
    _remark("graph-copied", "graph copied as it is"),
    _remark("object-key-missing", "the object graph names what is not there"),
    _remark("object-key-unlisted", "tensors that no object saved"),
    _remark("keras-numbered", "variables without names"),
    _remark("keras-unknown", "not known as something that Keras saves"),
    _remark("keras-file", "weights that Keras saved"),
    _remark("not-converted", "left out of the other kind of checkpoint"),
    _remark("slot-by-path", "slots that no optimizer is given"),
    _remark("named-by-path", "named by their paths"),
    _remark("same-files", "both locations are the same files"),
    _remark("within-tolerance", "different, within the tolerance that was permitted"),
    _remark("ambiguous-rename", "which is the new name of which cannot be told"),
    _remark("rename-proposed", "one rule explains the keys that only one has"),
    _remark("matched-under-prefix", "matched under another scope"),
    _remark("matched-by-place", "matched by the places of layers, as Keras does"),
    _remark(
        "settings-differ", "a layer computes otherwise than the one that was saved"
    ),
    _remark("rule-pack", "matched by names of another time or library"),
    _remark("unused-training-state", "training state left in the checkpoint"),
    _remark("unused-weights-waived", "weights left in the checkpoint, as permitted"),
    _remark("shared-by-one", "in a shared scope, in one model only"),
    _remark("shared-copy-differs", "other values than the owner's, as permitted"),
    _remark("shared-swapped", "swapped for other models too"),
    _remark("left-to-initializer", "left to the initialiser, as permitted"),
    _remark("left-as-it-is", "left as it is, as permitted"),
    _remark("converted", "not as it is stored, as permitted"),
    _remark("optimizer-converted", "state written as another optimizer keeps it"),
    _remark("hyperparameter-unknown", "has to be what it was, and is not stored"),
    _remark("step-unknown", "number of steps not known exactly"),
    _remark("cast-lossy", "precision lost, as the cast permits"),
    _remark("state-kept", "kept as it is"),
    _remark("state-recomputed", "what a layer makes of its variables, made again"),
    _remark("layer-not-built", "layer without its variables yet"),
    _remark("ema-raw-value", "without a moving average: the raw value"),
    _remark("local-variable", "local variable, initialised"),
    _remark("unsaved-variable", "saved by no Saver of the graph, initialised"),
    _remark("variable-unused", "variable that nothing in the graph uses"),
    _remark("not-needed", "in the graph's file, not needed for the outputs"),
    _remark("graph-differs", "graph and checkpoint of different trainings"),
    _remark("collection-dropped", "not all of a collection is restored"),
    _remark("table-not-saved", "table that no checkpoint holds"),
    _remark("not-initialized", "table or iterator that is not initialised"),
    _remark("queue-not-filled", "queue that nothing fills"),
    _remark("init-skipped", "not run of the file's own initialisation"),
    _remark("table-in-common", "one table of two models, filled alike"),
    _remark("scope-escaped", "variable outside its model's scope"),
    _remark("no-variables", "model without variables"),
    _remark("devices-dropped", "devices of another machine"),
    _remark("signature-unavailable", "signature that cannot be called"),
    _remark("size-unknown", "size that the file does not tell"),
    _remark("device-substituted", "device not there, another taken, as permitted"),
    _remark("session-state", "state of the session"),
)
"""Every kind of finding by its id."""
