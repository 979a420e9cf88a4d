"""One storage for variables that several models share.

A session keeps the value of a variable under the name of its storage, by device and
container: its ``shared_name``, or the name of its operation where that is empty
(``VariableOp`` in ``tensorflow/core/kernels/variable_ops.cc``, ``VarHandleOp`` in
``resource_variable_ops.cc``). So two operations with one ``shared_name`` are one
variable. That builders get there by accident is refused (``ownership``); here it is
done on purpose, after all are built and before there is a session: each variable that
has no storage of its own gets the name of the other's, and is put where that is.
Objects, collections and reads of both models stay as their builders made them.
"""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, open_prefix
from legacy_restore.examining.compare import Tolerance
from legacy_restore.examining.diff_report import DiffStatus
from legacy_restore.examining.diff_text import difference_text
from legacy_restore.examining.pairwise import Reading, StoredTensor, compare_tensors
from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.tables import is_mutable_table
from legacy_restore.planning.plan import Action, Plan, PlanRow
from legacy_restore.planning.shared import (
    Shared,
    Sharing,
    find_sharing,
    mismatch,
)
from legacy_restore.planning.sharing import Copy, Differing, judge_copies, share
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import tf

_EXACT = Tolerance()


def shared_by(shared: Sequence[Shared], built: Mapping[str, BuiltModel]) -> Sharing:
    """Returns what built models share, and what stands in the way of one storage.

    Args:
      shared: What was asked for, checked.
      built: All models, by name.
    """
    specs = {name: model.spec for name, model in built.items()}
    sharing = find_sharing(shared, specs)
    tables = [one for asked in shared for one in _unsaved_tables(asked, built)]
    return sharing.refusing([*_storage_findings(sharing, built), *tables])


def _storage_findings(
    sharing: Sharing, built: Mapping[str, BuiltModel]
) -> List[Finding]:
    findings: Dict[str, Finding] = {}
    for one in sharing.variables:
        owned = {
            model: built[model].variables[spec.name]
            for model, spec in one.variables.items()
        }
        first = next(iter(owned.values()))
        for model, variable in owned.items():
            for part, other in zip(variable.parts, first.parts):
                why = _apart(part.op, other.op)
                if why:
                    name, spec = variable.name, one.variables[model]
                    findings.setdefault(name, mismatch(model, name, why, spec))
    return list(findings.values())


def _apart(operation: Any, first: Any) -> str:
    """Why two variables cannot have one storage; empty if they can."""
    own = operation.get_attr("shared_name").decode()
    if own not in ("", operation.name):
        return f"it has a storage name that it was given: {own!r}"
    if operation.device != first.device:
        places = [one.device or "no device" for one in (first, operation)]
        return f"{first.name} is on {places[0]}, and this on {places[1]}"
    return ""


def _unsaved_tables(
    shared: Shared, built: Mapping[str, BuiltModel]
) -> Iterator[Finding]:
    """Refuses mutable tables of the scope that no row of the plan stands for."""
    found: Dict[str, List[Tuple[str, str]]] = {}
    for name in shared.models:
        scope = built[name].spec.scope + "/"
        saved = built[name].tables_among(built[name].saveables)
        for one in built[name].operations:
            local = one.name[len(scope) :]
            if (
                is_mutable_table(one)
                and one.name.startswith(scope)
                and shared.holds(local)
                and one.name not in saved
            ):
                found.setdefault(local, []).append((name, one.name))
    for models in found.values():
        for name, table in models if len(models) > 1 else ():
            yield Finding(
                KINDS["shared-mismatch"],
                table,
                "a mutable table cannot be shared",
                model=name,
                hint="build it outside of the shared scope",
            )


def share_plan(plan: Plan, sharing: Sharing, prefixes: Mapping[str, str]) -> Plan:
    """Gives each shared variable of a plan one source, and compares all others.

    Checksums are compared where both files store them; values are read where these
    differ or are missing.

    Args:
      plan: The plan of the models, each matched with its own checkpoint.
      sharing: What they share.
      prefixes: The prefixes of the checkpoints that could be opened, by model name.
    """
    if not sharing.variables:
        return plan
    borrowers = share(plan.models, sharing)
    rows = {
        (row.model, row.variable.name): row
        for borrower in borrowers
        for row in borrower.plan.rows
    }
    models = []
    with _Files(prefixes) as files:
        for borrower in borrowers:
            differing = [
                found
                for copy in borrower.copies
                for found in _compared(files, copy, rows[_source_of(copy)])
            ]
            models.append(judge_copies(borrower.plan, differing))
    of_models = {id(one) for model in plan.models for one in model.findings}
    others = [one for one in plan.findings if id(one) not in of_models]
    findings = [one for model in models for one in model.findings]
    return Plan(tuple(models), (*findings, *others))


def _source_of(copy: Copy) -> Tuple[str, str]:
    return copy.borrowed.source.model, copy.borrowed.source.variable


class _Files(contextlib.ExitStack):
    """The checkpoints of a plan, each opened when something of it is looked at."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        super().__init__()
        self.prefixes = prefixes
        self._opened: Dict[str, Checkpoint] = {}

    def tensor(self, row: PlanRow) -> StoredTensor:
        """Returns what a row is matched with.

        Raises:
          CheckpointError: Its checkpoint is no longer there, or another one.
        """
        prefix = self.prefixes[row.model]
        if prefix not in self._opened:
            self._opened[prefix] = self.enter_context(open_prefix(prefix))
        checkpoint = self._opened[prefix]
        return StoredTensor(checkpoint, checkpoint.entry(str(row.key)))


def _compared(files: _Files, copy: Copy, holder: PlanRow) -> Iterator[Differing]:
    """Compares what a model's checkpoint has of a variable with what it gets."""
    if holder.entry is None:
        yield Differing(copy, "its owner has none, and initialises it")
        return
    if holder.conversion != copy.row.conversion:
        made = f"{holder.variable.name} is made of a tensor in another way"
        yield Differing(copy, made)
        return
    prefixes = [files.prefixes[row.model] for row in (holder, copy.row)]
    if prefixes[0] == prefixes[1] and holder.key == copy.row.key:
        return
    try:
        theirs, own = files.tensor(holder), files.tensor(copy.row)
    except errors.LegacyRestoreError as error:
        subject = files.prefixes[copy.row.model]
        damage = Finding(KINDS["checkpoint-changed"], subject, error.message)
        yield Differing(copy, damage=(damage,))
        return
    if copy.borrowed.is_owned and _differ_by_crcs(theirs, own):
        yield Differing(copy)  # How far apart they are, nobody asks.
        return
    other = f"{holder.variable.name} has other values"
    found = compare_tensors(theirs, own, _EXACT, Reading.NEEDED)
    if found.status is DiffStatus.EQUAL:
        return
    if found.status is DiffStatus.UNREAD:
        yield Differing(copy, damage=found.findings)
    elif found.values is not None:
        yield Differing(copy, f"{other}: {difference_text(found.values)}")
    else:
        yield Differing(copy, f"{other}: {found.status.value}")


def _differ_by_crcs(one: StoredTensor, other: StoredTensor) -> bool:
    """Whether stored checksums tell that two tensors differ, without reading them."""
    crcs, others = one.crcs(), other.crcs()
    if crcs is None or others is None or set(crcs) != set(others):
        return False
    return crcs != others


def link_storage(built: Mapping[str, BuiltModel], plan: Plan) -> None:
    """Gives the variables that a plan shares their one storage.

    Args:
      built: All models, by name; no session has run anything of their graph.
      plan: The plan; nothing refuses it.
    """
    for row in plan.rows:
        for part, holder in _linked_parts(built, row):
            _link(part.op, holder.op)


def storage_names(built: Mapping[str, BuiltModel], plan: Plan) -> Dict[str, str]:
    """Returns whose storage variables have that have none of their own.

    Returns:
      The name of the other's operation by that of the variable's, of partitioned ones
      those of the parts.
    """
    return {
        part.op.name: holder.op.name
        for row in plan.rows
        for part, holder in _linked_parts(built, row)
    }


def _linked_parts(
    built: Mapping[str, BuiltModel], row: PlanRow
) -> Iterator[Tuple[Any, Any]]:
    if row.action is not Action.SHARE or row.shared_with is None:
        return iter(())
    holder = built[row.shared_with.model].variables[row.shared_with.variable]
    return zip(built[row.model].variables[row.variable.name].parts, holder.parts)


def _link(operation: Any, holder: Any) -> None:
    name = holder.get_attr("shared_name") or holder.name.encode()
    container = holder.get_attr("container")
    places = [*operation.colocation_groups(), f"loc:@{holder.name}".encode()]
    own = f"loc:@{operation.name}".encode()
    together = tf.AttrValue.ListValue(s=[one for one in places if one != own])
    # Named in both, it is one storage also where the graph is imported into a scope.
    for one in (holder, operation):
        one._set_attr("shared_name", tf.AttrValue(s=name))
    # A storage is one of a device: both have to be placed on the same.
    operation._set_attr("container", tf.AttrValue(s=container))
    operation._set_attr("_class", tf.AttrValue(list=together))
