"""What a plan is made from: models, their variables, and their checkpoints' entries."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Dict, FrozenSet, Mapping, Optional, Sequence, Tuple

from legacy_restore.checkpoint import Location, TensorEntry, TensorSlice
from legacy_restore.checkpoint.slices import any_overlap, count_elements, covers
from legacy_restore.mapping.classify import Classified, classify
from legacy_restore.mapping.packs.pack import RulePack
from legacy_restore.mapping.partial import Partial
from legacy_restore.mapping.rules import Rename
from legacy_restore.report.findings import Finding
from legacy_restore.report.table import type_text as type_text

if TYPE_CHECKING:  # Few checkpoints have objects.
    from legacy_restore.checkpoint.keras_layout import Dataset
    from legacy_restore.checkpoint.objects import ObjectGraph

Shape = Optional[Tuple[Optional[int], ...]]
"""A static shape: None where the rank, or one axis, is not known."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a partitioned variable.

    Attributes:
      name: The name of its operation in the graph.
      place: What it is of the whole.
    """

    name: str
    place: TensorSlice


@dataclasses.dataclass(frozen=True)
class VariableSpec:
    """A variable of a model, as far as a plan needs to know it.

    Or a tensor of a saveable object, such as the keys of a mutable table.

    Attributes:
      name: The name of its operation in the graph.
      local_name: The name without its model's scope.
      dtype: TensorFlow's name of the dtype.
      shape: Its static shape.
      kind: ``"ref"`` or ``"resource"``; of a saveable object ``"table"``, when it is a
        mutable table, or ``"saveable"``.
      is_local: Whether it is in the collection of local variables, which no Saver
        saves: it is initialised, never matched.
      is_trainable: Whether an optimizer would train it.
      saver_name: The key that a Saver of the whole graph gives it, where that is not
        its name: what a table is saved under does not follow its scope.
      saved_with: Of a tensor of a saveable object, the name of the object's first;
        all of them are restored, or none.
      has_initializer: Whether there is one to run: of a saved graph, what the outputs
        need may have none.
      holds_path: Whether its value is the path of an asset that the graph reads: no
        weight, so that it counts for no coverage, and of no checkpoint.
      has_value: Whether it is a variable of an eager model: where it gets nothing, it
        keeps what it has, and no initialiser runs.
      pieces: The parts of a partitioned variable that are in the graph, else empty;
        name and shape are those of the whole. They need not make it up: TensorFlow
        gives slots that are made in a scope a name for each part of their variable
        (``tensorflow/python/training/slot_creator.py``).
    """

    name: str
    local_name: str
    dtype: str
    shape: Shape
    kind: str
    is_local: bool = False
    is_trainable: bool = False
    saver_name: str = ""
    saved_with: str = ""
    pieces: Tuple[Part, ...] = ()
    has_initializer: bool = True
    holds_path: bool = False
    has_value: bool = False

    @property
    def stock_key(self) -> str:
        """The key that a Saver of the whole graph gives it."""
        return self.saver_name or self.name

    @property
    def parts(self) -> int:
        """Number of parts of a partitioned variable, else 0."""
        return len(self.pieces)

    @property
    def is_complete(self) -> bool:
        """Whether all of it is in the graph."""
        whole = count_elements([size or 0 for size in self.shape or ()])
        return not self.pieces or self.num_parameters == whole

    @property
    def num_parameters(self) -> int:
        """Number of elements in the graph; an axis of unknown size counts as none."""
        if self.pieces:
            return sum(count_elements(one.place.shape) for one in self.pieces)
        if self.shape is None:
            return 0
        return count_elements([size or 0 for size in self.shape])


@dataclasses.dataclass(frozen=True)
class OwnTable:
    """What the file of a saved graph says about the keys of its variables.

    Attributes:
      keys: The key that it gives each variable, by the variable's name.
      label: Where those come from, in words.
      conflicts: The keys of each variable about which the file's Savers disagree.
      initialised: The names of the variables that no checkpoint has: local ones, and
        those which the file itself gives a value when it is loaded.
      of_paths: The names of the variables that hold the path of an asset, which is
        read: what a checkpoint has under such a name could be any path.
      refused: The keys of which objects are made that cannot be restored, by the names
        of their variables: of these nothing more is to be said.
      not_needed: The keys that it gives variables which were left out of the graph,
        each with the name of such a variable.
      saver_keys: All keys that the file's own Saver reads.
    """

    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
    label: str = "the file's own table"
    conflicts: Mapping[str, Tuple[str, ...]] = dataclasses.field(default_factory=dict)
    initialised: FrozenSet[str] = frozenset()
    of_paths: FrozenSet[str] = frozenset()
    refused: Mapping[str, Tuple[str, ...]] = dataclasses.field(default_factory=dict)
    not_needed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    saver_keys: Tuple[str, ...] = ()

    def in_scope(self, scope: str) -> OwnTable:
        """Returns the same with the names of variables in a scope.

        Args:
          scope: The scope that the graph was imported into.
        """
        return dataclasses.replace(
            self,
            keys={f"{scope}/{name}": key for name, key in self.keys.items()},
            conflicts={
                f"{scope}/{name}": keys for name, keys in self.conflicts.items()
            },
            initialised=frozenset(f"{scope}/{name}" for name in self.initialised),
            of_paths=frozenset(f"{scope}/{name}" for name in self.of_paths),
        )


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A model whose graph is built.

    Attributes:
      name: The model's name.
      scope: Its variable scope.
      variables: The variables that its builder created, in that order.
      rules: How checkpoint keys are renamed.
      packs: The rule packs that are applied to what the rules give, in this order.
      allow_missing: Patterns of variables that may be missing in the checkpoint.
      allow_unused: Patterns of keys that may be left in the checkpoint.
      weights: ``"raw"``, or ``"ema"`` where each variable takes its moving average.
      average_names: The names of the ``ExponentialMovingAverage`` objects of which the
        graph gives evidence; where there is none, TensorFlow's own name counts.
        It is among them if the graph updates others but asks for none.
      shared: The local names of variables that other models share, whose checkpoints
        may have them in the place of this model's.
      owned_elsewhere: Those of them that come from a model that was named: what this
        model's checkpoint has of them need not even fit.
      partial: What of the model is restored, and what may be made of other tensors.
      own: Of a saved graph, what its file says about keys.
      num_constants: Of a saved graph, the number of its constants.
    """

    name: str
    scope: str
    variables: Tuple[VariableSpec, ...]
    rules: Tuple[Rename, ...] = ()
    packs: Tuple[RulePack, ...] = ()
    allow_missing: Tuple[str, ...] = ()
    allow_unused: Tuple[str, ...] = ()
    weights: str = "raw"
    average_names: Tuple[str, ...] = ()
    shared: FrozenSet[str] = frozenset()
    owned_elsewhere: FrozenSet[str] = frozenset()
    partial: Partial = Partial()
    own: OwnTable = OwnTable()
    num_constants: int = 0


@dataclasses.dataclass(frozen=True)
class Source:
    """A model's checkpoint, opened, without its values.

    Attributes:
      location: Where it was found.
      format: The checkpoint's format, ``"V2"`` or ``"V1"``.
      entries: What the checkpoint says about each tensor, by key.
      findings: What there is to say about its files.
      objects: Of an object-based checkpoint, its object graph; None where it cannot be
        read.
      keras_datasets: Of a file of Keras, where it has its tensors.
    """

    location: Location
    format: str
    entries: Mapping[str, TensorEntry]
    findings: Tuple[Finding, ...] = ()
    objects: Optional[ObjectGraph] = None
    keras_datasets: Tuple[Dataset, ...] = ()
    # Filled when first asked for: matching asks again for each way to match.
    _classes: Dict[str, Classified] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def classes(self) -> Mapping[str, Classified]:
        """What each key stands for; decided once for each source."""
        if not self._classes:
            self._classes.update(classify(self.entries.values(), self.objects))
        return self._classes


def shape_fits(shape: Shape, stored: Tuple[int, ...]) -> bool:
    """Returns whether a stored shape is one that a static shape admits."""
    if shape is None:
        return True
    if len(shape) != len(stored):
        return False
    return all(size is None or size == found for size, found in zip(shape, stored))


def holds(entry: TensorEntry, variable: VariableSpec) -> bool:
    """Returns whether all of a variable that is in the graph is stored of a tensor.

    Args:
      entry: A tensor of the variable's shape.
      variable: The variable.
    """
    if entry.is_complete:
        return True
    pieces = variable.pieces
    return bool(pieces) and all(covers(entry.slices, one.place) for one in pieces)


def stored_text(entry: TensorEntry) -> str:
    """Returns how much is stored of a tensor of which slices are missing."""
    return (
        f"only part of {entry.key}: {entry.num_stored} of {entry.num_elements} elements"
    )


def are_apart(sharing: Sequence[Tuple[Part, ...]]) -> bool:
    """Returns whether variables that share a key are different parts of one tensor.

    Args:
      sharing: The pieces of each of them.
    """
    if len(sharing) < 2:
        return True
    places = [one.place for pieces in sharing for one in pieces]
    return all(sharing) and not any_overlap(places)
