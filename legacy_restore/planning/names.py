"""What the tensors of a checkpoint are called: by their keys, rules and rule packs."""

from __future__ import annotations

import dataclasses
from typing import List, Mapping, Optional, Sequence, Tuple

from legacy_restore.mapping.packs.applying import apply_packs
from legacy_restore.mapping.packs.pack import RulePack, TypedName
from legacy_restore.mapping.rules import RenamedKeys, rename_keys
from legacy_restore.planning.spec import ModelSpec, Source
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names


@dataclasses.dataclass(frozen=True)
class Names:
    """One way to call the tensors of a checkpoint.

    Attributes:
      renamed: What each is called.
      label: The way, in words; empty where rules say it, or the keys are taken.
      findings: What there is to say about it.
    """

    renamed: RenamedKeys
    label: str = ""
    findings: Tuple[Finding, ...] = ()


def names_by_rules(model: ModelSpec, source: Source) -> Names:
    """Returns what the rules and rule packs of a model make of the keys."""
    renamed = rename_keys(model.rules, source.entries)
    findings = [
        _unused(
            model,
            f"Rename({rule.pattern!r}, {rule.text!r})",
            "it is the first to match of no key",
        )
        for rule in renamed.unused
    ]
    packed = apply_packs(model.packs, renamed, source.entries, wanted_names(model))
    findings += [
        _unused(
            model,
            f"rule pack {name}",
            "it gives no key another name",
            f"{model.name!r} does without it; --rules=NAME:{name} is for one model",
        )
        for name, count in packed.changed.items()
        if not count
    ]
    findings += collision_findings(model, packed.renamed.collisions)
    label = _label(model.packs)
    return Names(packed.renamed, label, tuple(findings))


def packs_in_use(model: ModelSpec, source: Source) -> List[RulePack]:
    """Returns those of the packs of a model that give some key another name."""
    renamed = rename_keys(model.rules, source.entries)
    packed = apply_packs(model.packs, renamed, source.entries, wanted_names(model))
    return [one for one in model.packs if packed.changed[one.name]]


def names_by_packs(
    names: Names, packs: Sequence[RulePack], model: ModelSpec, source: Source
) -> Optional[Names]:
    """Returns what packs make of names; None where one of them changes none."""
    packed = apply_packs(packs, names.renamed, source.entries, wanted_names(model))
    if not all(packed.changed.values()):
        return None
    label = ", ".join(one for one in (names.label, _label(packs)) if one)
    findings = collision_findings(model, packed.renamed.collisions)
    return Names(packed.renamed, label, tuple(findings))


def names_as(label: str, key_of: Mapping[str, str]) -> Names:
    """Returns names that a checkpoint itself has for its tensors.

    Args:
      label: What these names are, in words.
      key_of: The key of each name.
    """
    return Names(RenamedKeys(key_of, {}, ()), label)


def wanted_names(model: ModelSpec) -> List[TypedName]:
    """Returns what is to be matched of a model: names without its scope, and types.

    Local variables no checkpoint has, though they count where names are numbered.
    """
    return [
        TypedName(
            one.local_name, one.dtype, tuple(one.shape or ()), one.shape is not None
        )
        for one in model.variables
        if not one.is_local
    ]


def collision_findings(
    model: ModelSpec, collisions: Mapping[str, Sequence[str]]
) -> List[Finding]:
    """Refuses names that several keys would have."""
    return [
        Finding(
            KINDS["rule-collision"],
            name,
            f"{len(keys)} keys get this name: {cut_names(keys)}",
            model=model.name,
        )
        for name, keys in collisions.items()
    ]


def _label(packs: Sequence[RulePack]) -> str:
    kind = "rule pack" if len(packs) == 1 else "rule packs"
    return f"{kind} {', '.join(one.name for one in packs)}" if packs else ""


def _unused(
    model: ModelSpec, subject: str, text: str, hint: Optional[str] = None
) -> Finding:
    return Finding(KINDS["unused-rule"], subject, text, model=model.name, hint=hint)
