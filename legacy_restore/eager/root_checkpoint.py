"""Writing what a stock ``tf.train.Checkpoint`` of a root would hold after a restore.

TensorFlow itself says what it saves of a root, by which paths, and what of it is no
variable: it saves the root as it is, aside. Then the values that the plan gives take
the place of those that the variables have, and the graph of objects gets a counter of
saves if it has none. So no variable of the root is touched, not even for a moment.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import os
from typing import Any, Deque, Dict, List, Mapping, Set, Tuple

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, dtypes, open_prefix
from legacy_restore.checkpoint.bundle_writer import BundleWriter, encoded_key
from legacy_restore.checkpoint.joining import add_copied
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.checkpoint.object_graph import Attribute, Child, ObjectNode
from legacy_restore.checkpoint.object_graph_writer import encode_object_graph
from legacy_restore.checkpoint.placing import PrefixLike, directory_beside
from legacy_restore.checkpoint.tensor_bytes import stored_array
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from legacy_restore.checkpoint.writing import checked_target
from legacy_restore.eager.kinds import variable_of
from legacy_restore.eager.plan import ObjectPlan, plan_object
from legacy_restore.eager.restore import new_value
from legacy_restore.eager.walking import LiveObjects, walk
from legacy_restore.planning.object_tree import VARIABLE_VALUE
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.cast_findings import Casts
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.restoring.refusals import refuse_if_changed, refuse_unless_ok
from legacy_restore.restoring.stored import StoredTensors
from legacy_restore.rewriting.conversion_report import ConversionReport, ConvertedKey
from legacy_restore.rewriting.kinds import refuse_target
from legacy_restore.rewriting.object_layout import SAVE_COUNTER
from legacy_restore.tf import ObjectGraphView, TrackableSaver, tf

_NOTHING_WRITTEN = "nothing was written"
_COUNTER_KEY = f"{SAVE_COUNTER}/.ATTRIBUTES/{VARIABLE_VALUE}"
# As many saves as there were: a Checkpoint that is saved next counts on.
_ONE_SAVE = 1


def write_root(
    root: Any,
    source: LocationLike,
    target: PrefixLike,
    overwrite: bool,
    options: Mapping[str, Any],
) -> ConversionReport:
    """Writes a root with the values of a checkpoint; touches no variable.

    Args:
      root: As for ``plan_object``, but for lists.
      source: The checkpoint.
      target: Path stem of the files to write.
      overwrite: Permits to replace another checkpoint that has the prefix.
      options: The other arguments of ``plan_object``.

    Returns:
      Which key became which.

    Raises:
      RestoreError: The root does not fit the checkpoint, or that cannot be read.
      WriteError: TensorFlow does not save a variable of the root, there is a checkpoint
        already, or the system refuses. Nothing is left.
      UsageError: As ``plan_object``, or the target cannot be written to.
    """
    wanted = checked_target(target)
    plan = plan_object(root, source, **options)
    saved_as = _as_stock_saves(root)
    refuse_unless_ok(plan)
    (model,) = plan.models
    opened = plan.opened[model.name]
    refuse_target(wanted, opened.checkpoint, overwrite)
    casts = Casts(_NOTHING_WRITTEN)
    with BundleWriter(wanted, overwrite=overwrite) as writer:
        with directory_beside(wanted) as directory:
            prefix = os.path.join(directory, "root")
            _save_as_it_is(saved_as, prefix, model.name)
            with open_prefix(prefix) as root_file, StoredTensors(opened) as stored:
                writing = _Writing(plan, stored, casts, root_file)
                writing.run(writer)
        casts.raise_if_any()
        # What was read is what was planned only if no file was replaced meanwhile.
        refuse_if_changed(plan.opened)
        writer.finish()
    return ConversionReport(
        opened.checkpoint.prefix,
        opened.source.format,
        wanted,
        "object",
        tuple(_rows(opened.source.entries, writing)),
        (*plan.findings, *casts.remarks),
    )


class _Writing:
    """Puts values in the place of those that TensorFlow saved of a root.

    Attributes:
      taken: The key of the source by the key that was written.
      made: The keys that were written with what the root has, or that were made.
    """

    def __init__(
        self,
        plan: ObjectPlan,
        stored: StoredTensors,
        casts: Casts,
        root_file: Checkpoint,
    ) -> None:
        assert root_file.objects is not None
        self.taken: Dict[str, str] = {}
        self.made: List[str] = []
        self._plan = plan
        self._stored = stored
        self._casts = casts
        self._root_file = root_file
        self._nodes = root_file.objects.nodes
        self._rows_of = self._places()

    def run(self, writer: BundleWriter) -> None:
        """Writes all tensors, one at a time in memory."""
        made = self._with_counter()
        keys = {*self._root_file, *made}
        for key in sorted(keys, key=encoded_key):
            row = self._rows_of.get(key)
            if row is not None:
                assert row.entry is not None
                value = new_value(self._plan, row, self._stored, self._casts)
                dtype = self._root_file.entry(key).dtype
                writer.add(key, stored_array(value, dtypes.BY_NAME[dtype]))
                self.taken[key] = row.entry.key
                continue
            self.made.append(key)
            if key in made:
                dtype = "string" if made[key].dtype == object else "int64"
                writer.add(key, stored_array(made[key], dtypes.BY_NAME[dtype]))
            else:
                entry = self._root_file.entry(key)
                parts = self._root_file.copied_parts(key)
                add_copied(writer, key, entry, parts, collections.defaultdict(int))

    def _places(self) -> Dict[str, PlanRow]:
        """The row of each key that gets a value of the source.

        Raises:
          WriteError: TensorFlow does not save a variable.
        """
        live = walk(self._plan.root)
        keys: Dict[int, Set[str]] = collections.defaultdict(set)
        for number, key in _keys_of(live, self._nodes):
            variable = variable_of(live.objects[number].it)
            if variable is not None:
                keys[id(variable)].add(key)
        found: Dict[str, PlanRow] = {}
        lost: List[Finding] = []
        (model,) = self._plan.models
        for row in model.rows:
            variable = self._plan.variables[row.variable.name].variable
            if not keys[id(variable)]:
                text = "TensorFlow does not save it: no attribute leads to it"
                hint = "make what holds it an attribute of the root"
                kind = KINDS["not-representable"]
                lost.append(Finding(kind, row.variable.name, text, hint=hint))
            elif row.action is Action.RESTORE:
                found.update(dict.fromkeys(keys[id(variable)], row))
        if lost:
            text = refusal_text(f"{model.name!r} is not written", lost)
            raise errors.WriteError(text, findings=lost)
        return found

    def _with_counter(self) -> Dict[str, np.ndarray]:
        """The graph of objects, and the counter, if TensorFlow saved none."""
        nodes = list(self._nodes)
        if any(child.name == SAVE_COUNTER for child in nodes[0].children):
            return {}
        value = Attribute(VARIABLE_VALUE, "", _COUNTER_KEY, False)
        says_values = nodes[0].has_checkpoint_values is not None
        counter = ObjectNode(
            attributes=(value,), has_checkpoint_values=True if says_values else None
        )
        child = Child(SAVE_COUNTER, len(nodes))
        nodes[0] = dataclasses.replace(nodes[0], children=(*nodes[0].children, child))
        graph = np.empty((), object)
        graph[()] = encode_object_graph([*nodes, counter])
        return {OBJECT_GRAPH_KEY: graph, _COUNTER_KEY: np.array(_ONE_SAVE, np.int64)}


def _as_stock_saves(root: Any) -> Any:
    """Returns a root as TensorFlow takes it: a dictionary inside of a Checkpoint.

    Raises:
      UsageError: TensorFlow has no place for it.
    """
    if isinstance(root, (list, tuple)):
        raise errors.UsageError(
            "no tf.train.Checkpoint restores a list as its root",
            hint='root={"parts": [...]}, read by tf.train.Checkpoint(parts=[...])',
        )
    if not isinstance(root, collections.abc.Mapping):
        return root
    holder = tf.train.Checkpoint()
    for name, held in root.items():
        try:
            setattr(holder, name, held)
        except (AttributeError, TypeError, ValueError) as error:
            raise errors.UsageError(
                f"a tf.train.Checkpoint cannot hold anything as {name!r}: {error}",
                hint="another key",
            ) from error
    return holder


def _save_as_it_is(root: Any, prefix: str, name: str) -> None:
    """Lets TensorFlow save a root.

    Raises:
      WriteError: It cannot.
    """
    try:
        TrackableSaver(ObjectGraphView(root)).save(prefix)
    except Exception as error:
        text = f"TensorFlow cannot save it: {type(error).__name__}: {reason_of(error)}"
        found = [Finding(KINDS["save-failed"], name, text, model=name)]
        text = refusal_text(f"{name!r} is not written", found)
        raise errors.WriteError(text, findings=found) from error


def _keys_of(live: LiveObjects, nodes: Tuple[ObjectNode, ...]) -> List[Tuple[int, str]]:
    """The objects of a root and the keys under which TensorFlow saved their values."""
    found: List[Tuple[int, str]] = []
    waiting: Deque[Tuple[int, int]] = collections.deque([(0, 0)])
    seen = set(waiting)
    while waiting:
        number, node = waiting.popleft()
        for attribute in nodes[node].attributes:
            if attribute.name == VARIABLE_VALUE:
                found.append((number, attribute.key))
        held = live.children[number]
        for child in nodes[node].children:
            if child.name in held and (held[child.name], child.node) not in seen:
                seen.add((held[child.name], child.node))
                waiting.append((held[child.name], child.node))
    return found


def _rows(keys: Any, writing: _Writing) -> List[ConvertedKey]:
    """What became of each key of the source, and what was written besides."""
    used = set(writing.taken.values())
    rows = [ConvertedKey(old, new) for new, old in writing.taken.items()]
    rows += [ConvertedKey(key, None) for key in keys if key not in used]
    rows.sort(key=lambda row: (str(row.key), str(row.new_key)))
    return rows + [ConvertedKey(None, key) for key in sorted(writing.made)]
