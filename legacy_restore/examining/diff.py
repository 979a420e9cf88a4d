"""Comparing two checkpoints, whatever their formats: ``lr.diff``."""

from __future__ import annotations

import logging
import shlex
from typing import Dict, List, Mapping, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, TensorEntry
from legacy_restore.examining.both import (
    CheckpointLike,
    both_opened,
    same_files_findings,
)
from legacy_restore.examining.choosing import (
    compile_patterns,
    matching,
    unmatched_findings,
)
from legacy_restore.examining.compare import Tolerance
from legacy_restore.examining.diff_report import (
    ComparedBy,
    DiffReport,
    DiffRow,
    DiffSide,
    DiffStatus,
)
from legacy_restore.examining.pairwise import (
    Reading,
    StoredTensor,
    Verdict,
    compare_tensors,
)
from legacy_restore.examining.renames import (
    TypeAndCrc,
    candidates,
    pair,
    scope_rule,
)
from legacy_restore.examining.unreadable import READ_ERRORS, unreadable_findings
from legacy_restore.mapping.rules import Rename, RenamedKeys, check_rules, rename_keys
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text, cut_names

_log = logging.getLogger("legacy_restore")

Entries = Dict[str, TensorEntry]


def diff(
    a: CheckpointLike,
    b: CheckpointLike,
    *,
    grep: Sequence[str] = (),
    rules: Sequence[Rename] = (),
    read: str = "needed",
    atol: float = 0.0,
    rtol: float = 0.0,
) -> DiffReport:
    """Compares the keys, shapes, dtypes and values of two checkpoints.

    Their formats, shards and partitions may differ. One tensor of each is in memory at
    a time.

    Where both files store the CRC32C of a tensor's contents, and they agree with dtype
    and shape, the tensor is equal and not read: a CRC32C finds every error of up to 32
    bits in a row and any other but for one in four thousand million, though nothing
    that was made to deceive it. The checksums say what was *saved*. Whether the bytes
    on the disk are still those is told by ``read="all"``, which reads and verifies
    every tensor that both have.

    A key that only one of them has is taken for renamed where contents leave no other
    way (see ``renames``).

    Args:
      a: Location of a checkpoint, or an open one, which stays open.
      b: The other one.
      grep: Regular expressions: only keys in which one of them is found are compared.
      rules: New names of keys of A, as for ``Model``; they are what is compared, and
        searched by ``grep``.
      read: ``"needed"``, or ``"all"`` to trust no stored checksum.
      atol: How far apart two elements may be, in the unit of the values, plus
      rtol: what part of the larger magnitude, to be near enough; see ``Tolerance``.

    Returns:
      A row for each tensor; a tensor that is damaged on one side is a finding, and the
      others are compared.

    Raises:
      UsageError: An argument cannot be meant.
      LocationError: No checkpoint is there, or several could be meant.
      CorruptCheckpointError: An index is damaged.
      UnsupportedCheckpointError: A checkpoint is of a kind that is not read.
      MissingDependencyError: Reading an index needs a package.
      CheckpointError: Neither of the two can be opened; both errors are in it.
    """
    patterns = compile_patterns(grep)
    rules = check_rules(rules)
    tolerance = Tolerance(atol, rtol)
    if read not in {one.value for one in Reading}:
        raise errors.UsageError(f'read is "needed" or "all", not {read!r}')
    with both_opened(a, b) as (first, second):
        renamed = rename_keys(rules, first)
        entries_a = {name: first.entry(key) for name, key in renamed.key_of.items()}
        entries_b = {entry.key: entry for entry in second.entries()}
        names = sorted({*entries_a, *entries_b})
        notes = [
            *same_files_findings(first, second),
            *first.findings,
            *second.findings,
            *_rule_findings(renamed),
            *unmatched_findings(patterns, names, f"{first.prefix} and {second.prefix}"),
        ]
        chosen = set(matching(patterns, names))
        found = _Diff(
            first,
            second,
            {name: one for name, one in entries_a.items() if name in chosen},
            {name: one for name, one in entries_b.items() if name in chosen},
            tolerance,
            Reading(read),
        )
        rows = found.rows()
        return DiffReport(
            a=DiffSide(first.location, first.format, len(found.a)),
            b=DiffSide(second.location, second.format, len(found.b)),
            rows=tuple(rows),
            tolerance=tolerance,
            notes=tuple(dict.fromkeys([*notes, *found.notes, *_waived(rows)])),
        )


class _Diff:
    """One comparison, and what was to be said on the way.

    Attributes:
      a: The entries of the first checkpoint, by the name to compare.
      b: Those of the second.
      notes: Findings about tensors and names.
    """

    def __init__(
        self,
        first: Checkpoint,
        second: Checkpoint,
        a: Entries,
        b: Entries,
        tolerance: Tolerance,
        reading: Reading,
    ) -> None:
        self._first = first
        self._second = second
        self.a = a
        self.b = b
        self._tolerance = tolerance
        self._reading = reading
        self.notes: List[Finding] = []

    def rows(self) -> List[DiffRow]:
        """Compares everything; sorted by key."""
        both = sorted(self.a.keys() & self.b.keys())
        rows = []
        for number, name in enumerate(both):
            _log.debug("comparing tensor %d of %d", number + 1, len(both))
            verdict = self._compare(self.a[name], self.b[name])
            rows.append(self._row(name, name, verdict))
        only_a = {name: one for name, one in self.a.items() if name not in self.b}
        only_b = {name: one for name, one in self.b.items() if name not in self.a}
        for name, new in self._renamed(only_a, only_b).items():
            compared_by = ComparedBy.CHECKSUMS
            if self._reading is Reading.ALL:
                verdict = self._compare(only_a[name], only_b[new])
                if verdict.status is not DiffStatus.EQUAL:
                    continue
                compared_by = verdict.compared_by or compared_by
            rows.append(self._row(name, new, Verdict(DiffStatus.RENAMED, compared_by)))
            del only_a[name], only_b[new]
        rows += [DiffRow(name, DiffStatus.ONLY_IN_A, a=a) for name, a in only_a.items()]
        rows += [DiffRow(name, DiffStatus.ONLY_IN_B, b=b) for name, b in only_b.items()]
        return sorted(rows, key=lambda row: (row.key, row.a is None))

    def _compare(self, a: TensorEntry, b: TensorEntry) -> Verdict:
        verdict = compare_tensors(
            StoredTensor(self._first, a),
            StoredTensor(self._second, b),
            self._tolerance,
            self._reading,
        )
        self.notes += verdict.findings
        return verdict

    def _row(self, name: str, new: str, verdict: Verdict) -> DiffRow:
        return DiffRow(
            key=name,
            status=verdict.status,
            a=self.a[name],
            b=self.b[new],
            compared_by=verdict.compared_by,
            values=verdict.values,
        )

    def _renamed(self, only_a: Entries, only_b: Entries) -> Dict[str, str]:
        """New names of what only A has; what is left open is noted."""
        of_a, of_b = candidates(only_a, only_b)
        pairing = pair(
            self._contents(self._first, only_a, of_a),
            self._contents(self._second, only_b, of_b),
        )
        if pairing.ambiguous:
            names = pairing.ambiguous
            message = "they hold nothing, or what several others hold: "
            self.notes.append(
                Finding(
                    KINDS["ambiguous-rename"],
                    count_text(len(names), "key"),
                    message + cut_names(names),
                )
            )
        self.notes += _proposal(only_a, only_b, pairing.renamed)
        return dict(pairing.renamed)

    def _contents(
        self, checkpoint: Checkpoint, entries: Entries, names: Sequence[str]
    ) -> Dict[str, TypeAndCrc]:
        found: Dict[str, TypeAndCrc] = {}
        for name in names:
            entry = entries[name]
            try:
                crc = checkpoint.contents_crc(entry.key)
            except READ_ERRORS as error:
                prefix = checkpoint.prefix
                self.notes += unreadable_findings(error, entry.key, prefix)
            else:
                found[name] = (entry.dtype, entry.shape, crc)
        return found


def _proposal(
    only_a: Entries, only_b: Entries, renamed: Mapping[str, str]
) -> List[Finding]:
    """A remark on the rule that explains all, unless contents say otherwise."""
    rule = scope_rule(only_a, only_b)
    if rule is None:
        return []
    if any(rule.apply(name) != new for name, new in renamed.items()):
        return []
    flag = shlex.quote(f"{rule.pattern}=>{rule.text}")
    count = "the key" if len(only_a) == 1 else f"all {len(only_a)} keys"
    return [
        Finding(
            KINDS["rename-proposed"],
            f"{rule.old or '(no scope)'} -> {rule.new or '(no scope)'}",
            f"it explains {count} that only one of them has",
            hint=f"--rename={flag}",
        )
    ]


def _waived(rows: Sequence[DiffRow]) -> List[Finding]:
    names = [row.key for row in rows if row.status is DiffStatus.WITHIN]
    if not names:
        return []
    count = count_text(len(names), "tensor")
    return [Finding(KINDS["within-tolerance"], count, cut_names(names))]


def _rule_findings(renamed: RenamedKeys) -> List[Finding]:
    unused = [
        Finding(
            KINDS["unused-rule"],
            f"Rename({rule.pattern!r}, {rule.text!r})",
            "it is the first to match of no key of A",
        )
        for rule in renamed.unused
    ]
    collisions = [
        Finding(
            KINDS["rule-collision"],
            name,
            f"{len(keys)} keys of A get this name: {cut_names(keys)}",
        )
        for name, keys in renamed.collisions.items()
    ]
    return [*unused, *collisions]
