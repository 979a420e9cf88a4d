"""Which key each variable of a root has by the objects of the checkpoint."""

from __future__ import annotations

import dataclasses
from typing import (
    AbstractSet,
    Callable,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from legacy_restore.eager.keras_2_names import with_keras_2_names, without_layer_places
from legacy_restore.eager.keras_3_names import with_keras_3_names
from legacy_restore.eager.keras_pairing import keras_ways
from legacy_restore.eager.kinds import Role
from legacy_restore.eager.variables import LiveVariable
from legacy_restore.eager.walking import LiveObjects
from legacy_restore.mapping import waivers
from legacy_restore.planning.listed_weights import out_of_order
from legacy_restore.planning.object_tree import ObjectTree, Pairing, pair
from legacy_restore.planning.permitting import Fitting
from legacy_restore.planning.plan import Action, ModelPlan
from legacy_restore.planning.spec import ModelSpec, OwnTable, Source
from legacy_restore.report.findings import KINDS, Finding

# In the order in which it lists weights where nothing else leads to them.
_LISTED = "through optimizers"
# An optimizer of Keras 3 holds the weights that it trains: in the file they may be
# nowhere else. And what another Keras saved has other names.
_OTHER_NAMES: Mapping[str, Callable[[LiveObjects], Sequence[Mapping[str, int]]]] = {
    _LISTED: lambda live: live.children,
    "as Keras 2 calls them": with_keras_2_names,
    "as Keras 3 calls them": with_keras_3_names,
    "layers by their place among those with weights": without_layer_places,
}


@dataclasses.dataclass(frozen=True)
class Paired:
    """How the objects of a root and of a checkpoint go together.

    Attributes:
      keys: The key of each variable that has one, by its name.
      label: The way in words.
      ways: Where several ways explain the root: what they are in words.
      conflicts: What there is to say of each variable that objects do not decide.
      is_by_place: Whether layers are paired by where they stand in a file of Keras, or
        weights by where they stand in the list of an optimizer.
    """

    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
    label: str = ""
    ways: Tuple[str, ...] = ()
    conflicts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    is_by_place: bool = False

    def table(self) -> OwnTable:
        """Returns the keys as a plan takes them."""
        return OwnTable(keys=self.keys, label=self.label) if self.keys else OwnTable()

    def findings(self, name: str, model: ModelPlan) -> List[Finding]:
        """Returns why objects did not decide, of what is refused.

        Args:
          name: What the root is called.
          model: Its plan.
        """
        refused = [row.variable.name for row in model.rows_to(Action.REFUSE)]
        found = [
            Finding(KINDS["ambiguous-match"], one, self.conflicts[one], model=name)
            for one in refused
            if one in self.conflicts
        ]
        if self.is_by_place and self._decided(model):
            kind = KINDS["matched-by-place"]
            found.append(Finding(kind, name, self.label, model=name))
        if self.ways and refused:
            text = f"objects go together in more than one way: {'; '.join(self.ways)}"
            hint = "restore_object(root.part, ...), with the part that was saved"
            kind = KINDS["ambiguous-match"]
            found.append(Finding(kind, name, text, model=name, hint=hint))
        return found

    def _decided(self, model: ModelPlan) -> bool:
        """Whether a plan took keys of this table that have other names."""
        return model.matched_by.startswith(self.label) and any(
            row.key == self.keys.get(row.variable.name) != row.variable.local_name
            for row in model.rows_to(Action.RESTORE)
        )


def pair_objects(
    model: ModelSpec,
    source: Source,
    live: LiveObjects,
    variables: Sequence[LiveVariable],
) -> Paired:
    """Pairs the variables of a root with the keys of an object-based checkpoint.

    Args:
      model: The root, for its waivers.
      source: The checkpoint; nothing is paired with one that is not object-based.
      live: What the root holds.
      variables: Its variables.
    """
    if source.objects is None and not source.keras_datasets:
        return Paired()
    names: Dict[int, str] = {
        number: one.name for one in variables for number in one.numbers
    }
    specs = {one.name: one.spec for one in variables}
    fitting = Fitting(model, list(specs.values()))
    weights = [one.name for one in variables if one.role is Role.WEIGHT]
    waived = waivers.permitted(model.allow_missing, weights)
    required = {*weights} - {*waived} - fitting.left_out

    def fits(name: str, key: str) -> bool:
        return fitting.admits(specs[name], source.entries[key])

    if source.objects is None:
        return _by_keras_file(source, live, variables, required, fits)
    asked = (source.objects, required, fits)
    own = way = pair(ObjectTree(live.without_optimizers(), names), *asked)
    taken: Optional[str] = None
    for more, children_of in _OTHER_NAMES.items():
        if required <= set(way.keys):
            break
        other = pair(ObjectTree(children_of(live), names), *asked)
        if len(required & set(other.keys)) > len(required & set(way.keys)):
            way = dataclasses.replace(other, label=f"{other.label}, {more}")
            taken = more
    listed = {}
    if taken == _LISTED:
        listed = {name: way.keys[name] for name in set(way.keys) - set(own.keys)}
    refuted = out_of_order(listed, source)
    return Paired(
        keys={name: key for name, key in way.keys.items() if name not in refuted},
        label=way.label,
        ways=tuple(one.label for one in way.ways),
        conflicts={
            **_conflicts(way),
            **{
                name: f"in the list of an optimizer {listed[name]} has its place, and "
                "names of slots give these weights another order"
                for name in refuted
            },
        },
        is_by_place=bool(listed),
    )


def _by_keras_file(
    source: Source,
    live: LiveObjects,
    variables: Sequence[LiveVariable],
    required: AbstractSet[str],
    fits: Callable[[str, str], bool],
) -> Paired:
    """Pairs variables with what a file of Keras has of the layers that hold them."""
    names = {id(one.variable): one.name for one in variables}
    ways = keras_ways(source, live, names)
    if not ways:
        return Paired()
    full = {
        label: keys
        for label, keys in ways.items()
        if required <= set(keys) and all(fits(name, keys[name]) for name in required)
    }
    distinct = {frozenset(keys.items()): label for label, keys in full.items()}
    if len(distinct) > 1:
        return Paired(ways=tuple(distinct.values()))
    best = max(full or ways, key=lambda label: len(required & set(ways[label])))
    return Paired(keys=ways[best], label=best, is_by_place=True)


def _conflicts(way: Pairing) -> Dict[str, str]:
    return {name: str(one) for one in way.conflicts for name in one.variables}
