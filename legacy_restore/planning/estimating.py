"""Estimates from the files alone: what models will take that nobody has built yet.

Which variables a model has, only its builder knows. Until it has run, they are taken to
be what its checkpoint holds without training state: what ``allow_unused`` permits to
stay behind is counted, what ``allow_missing`` permits to be missing is not.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import TensorEntry, open_checkpoint
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.mapping import waivers
from legacy_restore.mapping.packs.pack import RulePack
from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.estimate import Estimate, ModelEstimate
from legacy_restore.planning.estimating_names import served_by, variable_names
from legacy_restore.planning.memory import (
    FEED_COPIES,
    SWAP_COPIES,
    bytes_of,
    bytes_of_entry,
    has_unknown_size,
    num_characters,
)
from legacy_restore.planning.names import names_by_rules
from legacy_restore.planning.spec import ModelSpec, Source
from legacy_restore.planning.unopened import input_findings
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is wanted of a checkpoint.

    Attributes:
      name: What it is called in the estimate: the model's name, or the location.
      location: The checkpoint; None for a model that has none.
      scope: The model's variable scope, or empty.
      rules: How checkpoint keys are renamed.
      packs: The rule packs that are applied to what the rules give.
      weights: ``"raw"``, or ``"ema"`` for the moving averages of the weights.
      only: Patterns of the variables to restore; empty for all.
      exclude: Patterns of variables that are not restored. They are there all the
        same, and take what their initialiser gives them.
      cast: The dtype that the variables have which a pattern matches, as TensorFlow
        calls it; the first that matches counts.
    """

    name: str
    location: Optional[LocationLike]
    scope: str = ""
    rules: Tuple[Rename, ...] = ()
    packs: Tuple[RulePack, ...] = ()
    weights: str = "raw"
    only: Tuple[str, ...] = ()
    exclude: Tuple[str, ...] = ()
    cast: Mapping[str, str] = dataclasses.field(default_factory=dict)


def estimate_files(wanted: Sequence[Wanted]) -> Estimate:
    """Estimates what models take; of each checkpoint only the index is read.

    Args:
      wanted: The models.

    Raises:
      RestoreError: A checkpoint cannot be opened, or a pattern of ``cast`` matches
        nothing; all such problems are in its findings.
    """
    rows: List[ModelEstimate] = []
    findings: List[Finding] = []
    for one in wanted:
        if one.location is None:
            rows.append(ModelEstimate.of_no_variables(one.name))
            continue
        try:
            source = _source_of(one.location)
        except (errors.CheckpointError, errors.MissingDependencyError) as error:
            findings += input_findings(one.name, one.location, error)
            continue
        taken = _taken(one, source)
        findings += taken.findings
        rows.append(_row(one, source, taken))
    refused = [finding.model or "" for finding in findings if finding.is_error]
    if refused:
        names = cut_names(list(dict.fromkeys(refused)))
        text = refusal_text(f"what they take cannot be estimated: {names}", findings)
        raise errors.RestoreError(text, findings=findings)
    return Estimate(tuple(rows), "files", tuple(findings))


def _source_of(location: LocationLike) -> Source:
    with open_checkpoint(location) as checkpoint:
        try:
            objects = checkpoint.objects
        except errors.CheckpointError:  # Nothing is restored by it.
            objects = None
        return Source(
            location=checkpoint.location,
            format=checkpoint.format,
            entries={entry.key: entry for entry in checkpoint.entries()},
            findings=tuple(checkpoint.findings),
            objects=objects,
        )


@dataclasses.dataclass(frozen=True)
class _Taken:
    """What a model takes of a checkpoint.

    Attributes:
      entries: The tensors, by their keys.
      dtypes: The dtype of the variable of each key that is cast.
      initialised: The keys of those that are not restored.
      findings: What there is to say.
    """

    entries: Mapping[str, TensorEntry]
    dtypes: Mapping[str, str]
    initialised: Mapping[str, str]
    findings: Tuple[Finding, ...]


def _taken(wanted: Wanted, source: Source) -> _Taken:
    spec = ModelSpec(
        wanted.name,
        wanted.scope,
        (),
        rules=wanted.rules,
        packs=wanted.packs,
        weights=wanted.weights,
    )
    served = served_by(spec, source, names_by_rules(spec, source).renamed)
    entries = {key: source.entries[key] for key in served}
    patterns = (*wanted.only, *wanted.exclude, *wanted.cast)
    names = variable_names(spec, source, served, patterns)
    dtypes = _cast_dtypes(wanted.cast, names)
    return _Taken(
        entries,
        dtypes,
        _not_restored(wanted, names),
        (*_findings(wanted, source, entries), *_unused_casts(wanted, names)),
    )


def _cast_dtypes(cast: Mapping[str, str], names: Mapping[str, str]) -> Dict[str, str]:
    patterns = waivers.permitted(tuple(cast), names.values())
    return {
        key: cast[patterns[name]] for key, name in names.items() if name in patterns
    }


def _not_restored(wanted: Wanted, names: Mapping[str, str]) -> Dict[str, str]:
    chosen = waivers.permitted(wanted.only, names.values())
    left = waivers.permitted(wanted.exclude, names.values())
    return {
        key: name
        for key, name in names.items()
        if name in left or (wanted.only and name not in chosen)
    }


def _findings(
    wanted: Wanted, source: Source, entries: Mapping[str, TensorEntry]
) -> List[Finding]:
    found = [dataclasses.replace(one, model=wanted.name) for one in source.findings]
    found += [
        Finding(
            KINDS["size-unknown"],
            key,
            "the format V1 does not say how long strings are; only their number counts",
            model=wanted.name,
            found=f"{entry.num_elements} elements of {entry.dtype}",
        )
        for key, entry in entries.items()
        if has_unknown_size(entry, source.format)
    ]
    return found


def _unused_casts(wanted: Wanted, names: Mapping[str, str]) -> List[Finding]:
    return [
        Finding(
            KINDS["unused-waiver"],
            pattern,
            "cast matches no variable that is in the checkpoint",
            model=wanted.name,
        )
        for pattern in waivers.unused(tuple(wanted.cast), names.values())
    ]


def _row(wanted: Wanted, source: Source, taken: _Taken) -> ModelEstimate:
    sizes: Dict[str, int] = {}
    dtypes: Dict[str, int] = {}
    conversions: List[int] = [0]
    cast = 0
    for key, entry in taken.entries.items():
        dtype = taken.dtypes.get(key, entry.dtype)
        size = _size(entry, dtype)
        sizes[key] = size
        dtypes[dtype] = dtypes.get(dtype, 0) + size
        if dtype != entry.dtype and key not in taken.initialised:
            conversions.append(bytes_of_entry(entry))
            cast += size
    held = sum(sizes.values())
    initialised = sum(sizes[key] for key in taken.initialised)
    fed = cast * max(FEED_COPIES.values())
    # A raw value in whose place its average is restored is left as well.
    state = [entry for key, entry in source.entries.items() if key not in taken.entries]
    return ModelEstimate(
        name=wanted.name,
        prefix=source.location.prefix,
        num_variables=len(sizes),
        weights=held - initialised,
        initialised=initialised,
        state_in_graph=0,
        training_state=sum(map(bytes_of_entry, state)),
        dtypes=dtypes,
        largest=max(sizes.values(), default=0),
        shared=0,
        # Nobody knows the kind of variables that are not there yet.
        fed=fed,
        converting=max(conversions),
        swapping=(held - initialised) * max(SWAP_COPIES.values())
        + fed
        + max(conversions),
    )


def _size(entry: TensorEntry, dtype: str) -> int:
    if dtype == entry.dtype:
        return bytes_of_entry(entry)
    return bytes_of(dtype, entry.num_stored, num_characters(entry))
