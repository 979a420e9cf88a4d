"""What a match leaves in the checkpoint, and whether that is permitted."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import AbstractSet, List, Mapping, Set, Tuple

from legacy_restore.mapping import waivers
from legacy_restore.planning.spec import ModelSpec, Source, stored_text, type_text
from legacy_restore.report.findings import KINDS, Finding


@dataclasses.dataclass(frozen=True)
class Leftovers:
    """The keys that no variable takes.

    Attributes:
      weights: Those that are not training state, permitted or not, sorted.
      waivable: Those that a waiver may name: weights and training state.
      findings: One for each key: what it was taken for.
    """

    weights: Tuple[str, ...]
    waivable: Tuple[str, ...]
    findings: Tuple[Finding, ...]

    @property
    def refuses(self) -> bool:
        """Whether weights are left that no waiver permits."""
        return any(finding.is_error for finding in self.findings)


def leftovers_of(
    model: ModelSpec,
    source: Source,
    taken: Set[str],
    spared: Mapping[str, str] = MappingProxyType({}),
    incomplete: AbstractSet[str] = frozenset(),
    not_needed: Mapping[str, str] = MappingProxyType({}),
) -> Leftovers:
    """Returns what is left of a checkpoint.

    Args:
      model: The model, for its waivers.
      source: What the checkpoint holds.
      taken: The keys that variables take.
      spared: Further keys that are training state for this model, each with the reason.
      incomplete: The keys that variables would take if all of their slices were there.
      not_needed: The keys of variables that were left out of the graph, each with the
        variable.
    """
    left = sorted(key for key in source.entries if key not in taken)
    permitted = waivers.permitted(model.allow_unused, left)
    classes = source.classes
    weights = [
        key
        for key in left
        if key not in spared
        and key not in not_needed
        and key not in incomplete
        and not classes[key].tensor_class.is_training_state
    ]
    findings: List[Finding] = []
    for key in left:
        entry = source.entries[key]
        message = f"{classes[key].tensor_class.value}: {classes[key].reason}"
        if key in incomplete:
            kind = "incomplete-tensor"
            message = stored_text(entry)
        elif key in spared:
            kind = "unused-training-state"
            message = spared[key]
        elif key in not_needed:
            kind = "not-needed"
            message = f"{not_needed[key]} is not needed for the outputs"
        elif classes[key].tensor_class.is_training_state:
            kind = "unused-training-state"
        elif key in permitted:
            kind = "unused-weights-waived"
        else:
            kind = "unused-weights"
        findings.append(
            Finding(
                KINDS[kind],
                key,
                message,
                model=model.name,
                found=type_text(entry.dtype, entry.shape),
                waiver=("allow_unused", key) if kind == "unused-weights" else None,
            )
        )
    return Leftovers(tuple(weights), tuple(left), tuple(findings))
