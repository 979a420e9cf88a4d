"""From any checkpoint to an object-based one: of its own names, or of live objects.

``import legacy_restore`` loads no TensorFlow, and neither does a conversion without a
root: what needs it is imported when there is one.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.checkpoint.placing import PrefixLike
from legacy_restore.mapping.model_rules import Rule
from legacy_restore.mapping.partial import ShapeWaivers
from legacy_restore.rewriting import kinds
from legacy_restore.rewriting.conversion_report import ConversionReport


def to_object_based(
    source: LocationLike,
    target: PrefixLike,
    *,
    root: Any = None,
    overwrite: bool = False,
    rules: Sequence[Rule] = (),
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
    allow_shape: ShapeWaivers = (),
    cast: Optional[Mapping[str, Any]] = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    weights: str = "raw",
) -> ConversionReport:
    """Writes a checkpoint as one that ``tf.train.Checkpoint`` restores.

    **With a root**, a live model, it holds the root's own objects, and is read by::

        tf.train.Checkpoint(root).restore(target).assert_consumed()

    by ``root.restore(target)`` where the root is a ``tf.train.Checkpoint``, and by
    ``tf.train.Checkpoint(**root).restore(target)`` where it is a dictionary; models of
    ``tf_keras`` read it by ``load_weights`` too. TensorFlow 1 has no
    ``Checkpoint(root)``: give a ``Checkpoint`` there. It is what such a Checkpoint
    would save after ``restore_object(root, source, ...)``, with the same matching,
    refusals and waivers, but no variable of the root is touched. What the checkpoint
    does not give - an optimizer, generators, what a waiver permits to be missing - is
    written as the root has it now, and listed. A ``save_counter`` is always there. Any
    checkpoint that ``restore_object`` takes may be the source.

    **Without a root** each key of a name-based checkpoint becomes a path of attributes:
    ``encoder/dense/kernel`` is restored into ``encoder.dense.kernel`` of a
    ``tf.train.Checkpoint(encoder=...)``, be those modules or dictionaries. What is
    below a variable, such as ``w/ExponentialMovingAverage``, stands beside it under a
    name with a slash. Complete slots of one optimizer of ``tf.compat.v1.train`` are
    what that optimizer keeps, for ``tf.train.Checkpoint(...,
    optimizer=tf.compat.v1.train.AdamOptimizer(...))``. A ``save_counter`` is always
    written.

    Args:
      source: What ``open_checkpoint`` takes; it is never written to.
      target: Path stem of the files to write, in a directory that is there. With a root
        there has to be room for two of them for a while.
      root: As for ``plan_object``, but for lists, or None.
      overwrite: Permits to replace another checkpoint that has the prefix.
      rules: As for ``plan_object``, like all that follows; for a root only, except for
        ``allow_unused``.
      allow_missing: Patterns of variables that may be missing in the checkpoint.
      allow_unused: Patterns of weights that may be left in the checkpoint; without a
        root, of keys to leave out where they cannot be converted.
      allow_shape: What to do where shapes differ.
      cast: The dtypes to which stored tensors are cast.
      only: Patterns of the variables that are taken from the checkpoint.
      exclude: Patterns of variables that are not.
      weights: ``"raw"``, or ``"ema"`` for the moving averages of the weights.

    Returns:
      Which key became which.

    Raises:
      CheckpointError: The source cannot be read, is damaged, or is object-based and
        there is no root.
      RestoreError: The root does not fit it; all problems are in the findings.
      BuildError: The root has not made its variables yet.
      WriteError: A key cannot be converted, TensorFlow saves no such variable of the
        root, a waiver permits nothing, there is a checkpoint already, or the system
        refuses. Nothing is left.
      UsageError: The target is the source or cannot be written to, an argument needs a
        root, or a graph is being built.
    """
    of_root: Dict[str, Any] = {
        "rules": rules,
        "allow_missing": allow_missing,
        "allow_shape": allow_shape,
        "cast": cast,
        "only": only,
        "exclude": exclude,
    }
    if root is not None:
        from legacy_restore.eager.root_checkpoint import write_root

        of_root.update(allow_unused=allow_unused, weights=weights)
        return write_root(root, source, target, overwrite, of_root)
    given = [name for name, value in of_root.items() if value]
    given += ["weights"] if weights != "raw" else []
    if given:
        raise errors.UsageError(
            f"without a root nothing is matched: {', '.join(given)} has no meaning",
            hint="to_object_based(source, target, root=model, ...)",
        )
    return kinds.to_object_based(
        source, target, overwrite=overwrite, allow_unused=allow_unused
    )
