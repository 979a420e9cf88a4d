"""The part of a graph that reads checkpoints and assigns variables.

What reads and assigns is what a ``tf.compat.v1.train.Saver`` of each model would run,
under the keys of its checkpoint. Run as Savers make them, such operations would assign
one variable while another is still being read: a damaged byte in the last file leaves
half of all variables changed. So every assignment gets a control edge from every read,
of all models: nothing is assigned before everything was read, and verified while it was
read. The buffers that were read become the variables, so this takes no memory.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple, Union

from legacy_restore.graph.assigning import add_assignment
from legacy_restore.graph.reading_order import Unit, read_together
from legacy_restore.graph.renamed import RenamedSaveable
from legacy_restore.graph.restore_group import RestoreGroup
from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.graph.tasks import grouped_by_task
from legacy_restore.graph.variables import OwnedVariable, slice_spec, value_of
from legacy_restore.planning.plan import Action, ModelPlan
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class Restorable:
    """A model whose restore operations are to be made.

    Attributes:
      plan: The plan of the model; nothing refuses it.
      variables: The model's variables, by name.
      saveables: Its saveable objects, by the name of each of their rows.
    """

    plan: ModelPlan
    variables: Mapping[str, OwnedVariable]
    saveables: Mapping[str, OwnedSaveable]


@dataclasses.dataclass(frozen=True, eq=False)
class _Read:
    """A ``RestoreV2``, before there is anything that assigns what it reads."""

    filename: Any
    operation: Any
    parts: Tuple[_Part, ...]
    objects: Tuple[Tuple[RenamedSaveable, int], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """One tensor that is read: a variable, a part of one, or one of an object's.

    Attributes:
      name: The name of the variable.
      key: The key.
      slice: Which part of the whole it is, as ``RestoreV2`` takes it.
      dtype: The type that is read.
      variable: The ``tf.Variable``, or None for a tensor of an object.
      value: The tensor to save.
    """

    name: str
    key: str
    slice: str
    dtype: Any
    variable: Any
    value: Any


def make_groups(
    graph: Any, models: Sequence[Restorable]
) -> Dict[str, Tuple[RestoreGroup, ...]]:
    """Adds the operations that restore some models to their graph.

    No assignment is made before everything was read, of all of them.

    Args:
      graph: The graph.
      models: The models.

    Returns:
      The operations of each model, by its name; none if it restores nothing.
    """
    reads = {model.plan.name: _add_reads(graph, model) for model in models}
    if not any(reads.values()):
        return dict.fromkeys(reads, ())
    barrier = _add_barrier(graph, [one for own in reads.values() for one in own])
    return {
        model.plan.name: _add_assignments(
            graph, model.plan.scope, reads[model.plan.name], barrier
        )
        for model in models
    }


@contextlib.contextmanager
def entered(graph: Any, scope: str) -> Iterator[None]:
    """Enters a scope, and leaves what the caller may have entered besides."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(graph.as_default())
        stack.enter_context(graph.control_dependencies(None))
        stack.enter_context(graph.device(None))
        # With a slash at its end it is entered as it is, not made unique; None is the
        # root.
        stack.enter_context(graph.name_scope(f"{scope}/" if scope else None))
        yield


def _add_reads(graph: Any, model: Restorable) -> List[_Read]:
    groups = read_together(model.plan.rows_to(Action.RESTORE))
    if not groups:
        return []
    with entered(graph, model.plan.scope), tf.name_scope("legacy_restore"):
        filename = tf.placeholder(tf.string, [], name="prefix")
        return [
            _add_read(filename, device, items)
            for units in groups
            for device, items in _by_task(model, units)
        ]


def _by_task(
    model: Restorable, units: Sequence[Unit]
) -> List[Tuple[str, List[Union[_Part, RenamedSaveable]]]]:
    """What is read by each task: each part of a variable by the one that holds it."""
    items: List[Union[_Part, RenamedSaveable]] = []
    for unit in units:
        first = unit[0].variable.name
        if first in model.variables:
            items += _parts_of(model.variables[first], str(unit[0].key))
            continue
        keys = {row.variable.name: str(row.key) for row in unit}
        items.append(RenamedSaveable(model.saveables[first], keys))
    return grouped_by_task(items, [_device_of(one) for one in items])


def _device_of(item: Union[_Part, RenamedSaveable]) -> str:
    if isinstance(item, _Part):
        return str(item.variable.device)
    return str(item.specs[0].tensor.device)


def _add_read(
    filename: Any, device: str, items: Sequence[Union[_Part, RenamedSaveable]]
) -> _Read:
    parts: List[_Part] = []
    objects: List[Tuple[RenamedSaveable, int]] = []
    for item in items:
        if isinstance(item, _Part):
            parts.append(item)
            continue
        objects.append((item, len(parts)))
        parts += _tensors_of(item)
    with tf.device(device):
        outputs = tf.raw_ops.RestoreV2(
            prefix=filename,
            tensor_names=[one.key for one in parts],
            shape_and_slices=[one.slice for one in parts],
            dtypes=[one.dtype for one in parts],
            name="read",
        )
    return _Read(filename, outputs[0].op, tuple(parts), tuple(objects))


def _parts_of(owned: OwnedVariable, key: str) -> List[_Part]:
    return [
        _Part(
            name=owned.name,
            key=key,
            slice=slice_spec(part),
            dtype=part.dtype.base_dtype,
            variable=part,
            value=value_of(part),
        )
        for part in owned.parts
    ]


def _tensors_of(item: RenamedSaveable) -> List[_Part]:
    return [
        _Part(
            name=row.name,
            key=spec.name,
            slice=spec.slice_spec,
            dtype=spec.dtype,
            variable=None,
            value=spec.tensor,
        )
        for row, spec in zip(item.owned.rows, item.specs)
    ]


def _add_barrier(graph: Any, reads: Sequence[_Read]) -> Any:
    """Adds what waits for all reads; every assignment waits for that.

    The barrier sees a read through a placeholder whose default is an output of the
    read: with that output fed, the read is not run. (An identity in its place is
    turned into a control edge by TensorFlow's graph optimiser, and a control edge from
    an operation stays when its output is fed.)
    """
    with entered(graph, ""):
        tokens = []
        for one in reads:
            # Elsewhere in a cluster, what was read would travel there.
            with tf.device(one.operation.device):
                read = one.operation.outputs[0]
                tokens.append(
                    tf.placeholder_with_default(read, None, "legacy_restore/read")
                )
        return tf.group(*tokens, name="legacy_restore/all_read")


def _add_assignments(
    graph: Any, scope: str, reads: Sequence[_Read], barrier: Any
) -> Tuple[RestoreGroup, ...]:
    if not reads:
        return ()
    with entered(graph, scope), tf.name_scope("legacy_restore"):
        return tuple(_assigned(graph, one, barrier) for one in reads)


def _assigned(graph: Any, read: _Read, barrier: Any) -> RestoreGroup:
    outputs = read.operation.outputs
    assignments: List[Any] = [None] * len(outputs)
    with graph.control_dependencies([barrier]):
        for place, (part, output) in enumerate(zip(read.parts, outputs)):
            if part.variable is not None:
                assignments[place] = add_assignment(graph, part.variable, output)
        for item, start in read.objects:
            end = start + len(item.specs)
            restored = item.restore(list(outputs[start:end]), None)
            assignments[start:end] = [restored] * (end - start)
    return RestoreGroup(
        filename=read.filename,
        read=read.operation,
        assign=tf.group(*dict.fromkeys(assignments), name="assign"),
        variables=tuple(one.name for one in read.parts),
        keys=tuple(one.key for one in read.parts),
        parts=tuple(one.variable for one in read.parts),
        assignments=tuple(assignments),
        values=tuple(one.value for one in read.parts),
        slices=tuple(one.slice for one in read.parts),
        objects=tuple(item for item, _ in read.objects),
    )
