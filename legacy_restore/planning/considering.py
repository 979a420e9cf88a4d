"""Which ways there are to match a model with its checkpoint, under some names."""

from __future__ import annotations

import dataclasses
from typing import List, Mapping, Sequence, Set

from legacy_restore.mapping import waivers
from legacy_restore.mapping.tensor_class import TensorClass
from legacy_restore.planning import candidates as candidates_lib
from legacy_restore.planning import own_table
from legacy_restore.planning.averaged import lacking_average
from legacy_restore.planning.candidates import Candidate
from legacy_restore.planning.names import Names
from legacy_restore.planning.permitting import Fitting
from legacy_restore.planning.shadows import View, view_of
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec


@dataclasses.dataclass(frozen=True)
class ConsideredWays:
    """The ways in which names match a model with its checkpoint.

    Attributes:
      model: The model; what nobody saves counts as local.
      wanted: Its variables that are to be matched.
      fitting: What may deviate.
      view: The checkpoint as the model sees it.
      candidates: All ways.
      full: Those that explain all of the model.
    """

    model: ModelSpec
    wanted: Sequence[VariableSpec]
    fitting: Fitting
    view: View
    candidates: Sequence[Candidate]
    full: Sequence[Candidate]


def considered_ways(model: ModelSpec, source: Source, names: Names) -> ConsideredWays:
    """Returns the ways in which names match a model with its checkpoint.

    Args:
      model: The model; its waivers permit deviations.
      source: What its checkpoint holds.
      names: What its tensors are called.
    """
    model = own_table.with_unsaved(model, source)
    wanted = [variable for variable in model.variables if not variable.is_local]
    fitting = Fitting(model, wanted)
    view = view_of(model, source, names.renamed)
    if model.rules:
        candidates = candidates_lib.candidates_by_rules(
            wanted, view.renamed, view.entries
        )
    else:
        waived = waivers.permitted(
            model.allow_missing, (variable.local_name for variable in wanted)
        )
        required = {
            one.local_name for one in wanted if one.name not in fitting.left_out
        } - {*waived, *model.shared}
        candidates = candidates_lib.candidates_by_names(
            model, wanted, view.renamed, view.entries, len(required)
        )
    own = own_table.candidates_by_own_table(model, wanted, view.renamed, view.entries)
    candidates = [*own, *_no_slots(candidates, source, view)]
    full = _explaining(model, wanted, view, candidates, fitting)
    if own and full and full[0] is own[0] and _is_largest(own[0], full):
        full = own
    return ConsideredWays(model, wanted, fitting, view, candidates, full)


@dataclasses.dataclass(frozen=True)
class Explained:
    """How much of a model some names explain.

    Attributes:
      all: Whether one way gives every variable a key that it admits.
      count: To how many variables the best way does.
    """

    all: bool
    count: int


def explained(model: ModelSpec, source: Source, names: Names) -> Explained:
    """Tells how much of a model some names explain; in much less time than a match.

    Args:
      model: The model.
      source: What its checkpoint holds.
      names: What its tensors are called.
    """
    found = considered_ways(model, source, names)
    admits, entries = found.fitting.admits, found.view.entries
    counts = (
        sum(
            candidates_lib.explains(candidate, [variable], entries, admits)
            for variable in found.wanted
        )
        for candidate in found.candidates
    )
    return Explained(bool(found.full), max(counts, default=0))


def may_explain(model: ModelSpec, source: Source) -> bool:
    """Returns whether a checkpoint has a tensor for each variable, by types alone.

    Where it has none, no names explain the model, whatever they are.

    Args:
      model: The model.
      source: What its checkpoint holds.
    """
    model = own_table.with_unsaved(model, source)
    wanted = [variable for variable in model.variables if not variable.is_local]
    fitting = Fitting(model, wanted)
    by_type = {(one.dtype, one.shape): one for one in source.entries.values()}
    return all(
        ((one.dtype, one.shape) in by_type and one.name not in fitting.remapped)
        or any(fitting.admits(one, entry) for entry in by_type.values())
        for one in _required(model, wanted, {}, _permitted(model, wanted), fitting)
    )


def _no_slots(
    candidates: Sequence[Candidate], source: Source, view: View
) -> List[Candidate]:
    """Leaves out scopes that hold nothing but slots.

    Keras 2 calls those of a whole model ``Adam/m/dense/kernel``, like another model.
    """
    return [
        one
        for one in candidates
        if not one.prefix
        or any(
            source.classes[key].tensor_class is not TensorClass.SLOT
            for key in view.taken(one.table)
        )
    ]


def _explaining(
    model: ModelSpec,
    wanted: Sequence[VariableSpec],
    view: View,
    candidates: Sequence[Candidate],
    fitting: Fitting,
) -> List[Candidate]:
    permitted = _permitted(model, wanted)
    # That nothing is matched would explain a model whose variables may all be missing,
    # also where the checkpoint has them and they do not fit.
    matching = [candidate for candidate in candidates if candidate.table]
    full = []
    for candidate in matching or candidates:
        required = _required(model, wanted, candidate.table, permitted, fitting)
        if not candidates_lib.explains(
            candidate, required, view.entries, fitting.admits
        ):
            continue
        if not lacking_average(model, view, candidate.table):
            full.append(candidate)
    return candidates_lib.distinct(full, fitting.left_out)


def _permitted(model: ModelSpec, wanted: Sequence[VariableSpec]) -> Set[str]:
    """The variables that the checkpoint may lack, without the model's scope."""
    waived = waivers.permitted(
        model.allow_missing, (variable.local_name for variable in wanted)
    )
    return {*waived, *model.shared}


def _required(
    model: ModelSpec,
    wanted: Sequence[VariableSpec],
    table: Mapping[str, str],
    permitted: Set[str],
    fitting: Fitting,
) -> List[VariableSpec]:
    """The variables that need a key that they admit: those with one, and the rest."""
    return [
        variable
        for variable in wanted
        if (variable.name in table or variable.local_name not in permitted)
        and variable.local_name not in model.owned_elsewhere
        and variable.name not in fitting.left_out
    ]


def _is_largest(one: Candidate, full: Sequence[Candidate]) -> bool:
    return all(len(other.table) <= len(one.table) for other in full)
