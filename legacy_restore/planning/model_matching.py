"""Matching a model with its checkpoint by whatever explains all of it.

Its keys come first, with rules where there are some. Only if these do not explain the
model, other names of the same tensors are tried: those that the object graph of the
checkpoint knows, and what each rule pack makes of names. One of them is taken only if
it explains the whole model with nothing left to say against it, and no other way gives
another table; which it was is said.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, FrozenSet, Iterator, List, Sequence, Tuple

from legacy_restore.mapping.packs.pack import RulePack
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.considering import explained, may_explain
from legacy_restore.planning.matching import Match, match_by_names
from legacy_restore.planning.names import (
    Names,
    names_as,
    names_by_packs,
    names_by_rules,
    packs_in_use,
)
from legacy_restore.planning.namings import namings_of
from legacy_restore.planning.pack_series import HelpfulPacks, helpful_packs
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.planning.spec import ModelSpec, Source
from legacy_restore.report.findings import KINDS, Finding

_UNEXPLAINED = frozenset(["missing-key", "shape-mismatch", "dtype-mismatch"])


@dataclasses.dataclass(frozen=True)
class _Way:
    """A way to match that explains a model.

    Attributes:
      names: What the tensors are called.
      packs: The rule packs that nobody asked for.
      match: What came of it.
      cautions: What names cannot vouch for, so that somebody has to ask for it.
    """

    names: Names
    packs: Tuple[RulePack, ...]
    match: Match
    cautions: Tuple[str, ...]

    @property
    def table(self) -> FrozenSet[Tuple[str, str]]:
        """The key of each variable that is restored."""
        return frozenset(
            (row.variable.name, row.key)
            for row in self.match.rows
            if row.action is Action.RESTORE and row.key is not None
        )


def match_model(model: ModelSpec, source: Source) -> Match:
    """Matches all variables of a model with keys of its checkpoint.

    Args:
      model: The model; its waivers permit deviations.
      source: What its checkpoint holds.
    """
    names = names_by_rules(model, source)
    match = match_by_names(model, source, names)
    if model.rules or not _unexplained(match):
        return match
    ways = _other_ways(model, source, names)
    if not ways:
        return _with_packs_hinted(match, model, source, names)
    if len(ways) > 1:
        return _ambiguous(model, ways)
    (way,) = ways
    if way.cautions:
        all_of_them = HelpfulPacks(way.packs, len(_unexplained(match)))
        return _with_hint(match, model, source, all_of_them, way.cautions)
    return _with_remark(way, model)


def explained_by(model: ModelSpec, source: Source) -> bool:
    """Returns whether a checkpoint has all of a model: what a match goes by.

    Args:
      model: The model; its waivers permit deviations.
      source: What the checkpoint holds.
    """
    if all(variable.is_local for variable in model.variables):
        return False
    names = names_by_rules(model, source)
    if explained(model, source, names).all:
        return True
    if model.rules:
        return False
    return any(not way.cautions for way in _other_ways(model, source, names))


def _other_ways(model: ModelSpec, source: Source, names: Names) -> List[_Way]:
    """Returns the ways to match by other names than keys and rules give."""
    if not may_explain(model, source):
        return []
    others = _other_names(model, source)
    ways = _distinct(_explaining(model, source, others, [()]))
    if ways or model.packs:
        return ways
    single = [(pack,) for pack in PACKS.values()]
    return _distinct(_explaining(model, source, [names, *others], single))


def _unexplained(match: Match) -> List[Finding]:
    return [one for one in match.findings if one.id in _UNEXPLAINED]


def _other_names(model: ModelSpec, source: Source) -> List[Names]:
    """What the object graph of a checkpoint calls its tensors, and packs make of it.

    What was saved may be held by the root of the file, or of the model, under a name
    that the other side does not have.
    """
    firsts = {one.local_name.partition("/")[0] for one in model.variables}
    found = []
    for naming in namings_of(source):
        found.append(names_as(naming.label, naming.key_of))
        if len(firsts) == 1:
            (first,) = firsts
            below = {f"{first}/{name}": key for name, key in naming.key_of.items()}
            found.append(names_as(f"{naming.label}, below {first}/", below))
    packed = (names_by_packs(one, model.packs, model, source) for one in found)
    return [one for one in packed if one is not None]


def _explaining(
    model: ModelSpec,
    source: Source,
    names: Sequence[Names],
    packs: Sequence[Tuple[RulePack, ...]],
) -> Iterator[_Way]:
    """Yields the ways that explain a model, of all names with all packs."""
    for one in names:
        for more in packs:
            renamed = names_by_packs(one, more, model, source)
            if renamed is None or not explained(model, source, renamed).all:
                continue
            match = match_by_names(model, source, renamed)
            if all(_says_nothing_against(finding) for finding in match.findings):
                yield _Way(renamed, more, match, _cautions(more, one))


def _says_nothing_against(finding: Finding) -> bool:
    """Whether a way to match is good; a waiver of too much is refused all the same."""
    return not finding.is_error or finding.id == "unused-waiver"


def _distinct(ways: Iterator[_Way]) -> List[_Way]:
    """Of ways with one table the first, without those that are part of another.

    Of these the first that needs caution, if one does: a pack that makes the same of
    these names knows no more of the model.
    """
    found: Dict[FrozenSet[Tuple[str, str]], _Way] = {}
    for way in ways:
        known = found.setdefault(way.table, way)
        if way.cautions and not known.cautions:
            found[way.table] = way
    return [
        way for table, way in found.items() if not any(table < other for other in found)
    ]


def _with_remark(way: _Way, model: ModelSpec) -> Match:
    if not way.packs:
        return way.match
    (pack,) = way.packs
    finding = Finding(
        KINDS["rule-pack"],
        pack.name,
        f"{pack.title}; it alone explains all of the model",
        model=model.name,
        hint=f"rules=[{pack.name!r}] says it in the program",
    )
    return dataclasses.replace(way.match, findings=(*way.match.findings, finding))


def _ambiguous(model: ModelSpec, ways: Sequence[_Way]) -> Match:
    tables = [dict(way.table) for way in ways]
    variable = next(
        one.name
        for one in model.variables
        if len({table.get(one.name) for table in tables}) > 1
    )
    keys = " or ".join(
        f"{table.get(variable)} ({way.names.label})" for table, way in zip(tables, ways)
    )
    packed = [way for way in ways if way.packs]
    finding = Finding(
        KINDS["ambiguous-match"],
        variable,
        f"it could be {keys}",
        model=model.name,
        hint=f"rules=[{packed[0].packs[0].name!r}] takes that way"
        + _heeding(packed[0].cautions)
        if packed
        else None,
    )
    rows = tuple(PlanRow(model.name, one, Action.REFUSE) for one in model.variables)
    return Match("more than one way", rows, (finding,))


def _with_packs_hinted(
    match: Match, model: ModelSpec, source: Source, names: Names
) -> Match:
    """Says on the first missing variable which packs would explain more, or none."""
    if model.packs:
        bare = dataclasses.replace(model, packs=())
        if explained(bare, source, names_by_rules(bare, source)).all:
            taken_out = [pack.name for pack in model.packs]
            hint = f"without rules={taken_out!r} all of them match"
            return _hinted(match, hint)
    helpful = helpful_packs(model, source, names)
    if helpful is None:
        return match
    cautions = _cautions(helpful.packs, names)
    return _with_hint(match, model, source, helpful, cautions)


def _with_hint(
    match: Match,
    model: ModelSpec,
    source: Source,
    helpful: HelpfulPacks,
    cautions: Sequence[str],
) -> Match:
    missing = len(_unexplained(match))
    left = max(0, missing - helpful.num_more)
    packs = [*packs_in_use(model, source), *helpful.packs]
    written = f"rules={[one.name for one in packs]!r} for {model.name!r}"
    what = f"{missing - left} of {missing} match" if left else "all of them match"
    return _hinted(match, f"{written}, with which {what}{_heeding(cautions)}")


def _hinted(match: Match, hint: str) -> Match:
    """Says on the first missing variable what to type."""
    first = _unexplained(match)[0]
    hinted = dataclasses.replace(first, hint=hint)
    findings = tuple(hinted if one is first else one for one in match.findings)
    return dataclasses.replace(match, findings=findings)


def _cautions(packs: Sequence[RulePack], names: Names) -> Tuple[str, ...]:
    """What is to be heeded of packs that are applied to some names, each once."""
    found = (pack.caution_about(names.renamed.key_of) for pack in packs)
    return tuple(dict.fromkeys(one for one in found if one))


def _heeding(cautions: Sequence[str]) -> str:
    return "".join(f"; {one}" for one in cautions)
