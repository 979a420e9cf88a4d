"""Whether a root can be restored at all: eager, something that holds, and built."""

from __future__ import annotations

from typing import Any, List, Sequence

from legacy_restore import errors
from legacy_restore.eager.kinds import Role, is_built, is_built_by_shape, is_layer
from legacy_restore.eager.variables import LiveVariable
from legacy_restore.eager.walking import LiveObject, LiveObjects, is_root
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.tf import IS_TF1, tf


def refuse_graph_mode() -> None:
    """Raises unless operations run as they are called, here and now.

    Raises:
      UsageError: A graph is being built.
    """
    if tf.executing_eagerly():
        return
    hint = "lr.restore([lr.Model(...)]) or lr.restore_scope(session, scope, location)"
    if IS_TF1:
        hint += "; or tf.compat.v1.enable_eager_execution() when the program begins"
    raise errors.UsageError(
        "restore_object and plan_object are for objects whose variables have values "
        "now, and here a graph is built",
        hint=hint,
    )


def refuse_no_root(root: Any) -> None:
    """Raises unless a root holds something that could be restored.

    Raises:
      UsageError: It does not.
    """
    if is_root(root):
        return
    raise errors.UsageError(
        f"a root has to hold variables, and {type(root).__name__} does not",
        hint="a model, a tf.Module, a tf.train.Checkpoint, a list or a dictionary",
    )


def refuse_unbuilt(
    name: str, live: LiveObjects, variables: Sequence[LiveVariable]
) -> None:
    """Raises if a model has not made its variables yet, or if there is no weight.

    Args:
      name: What the root is called.
      live: What it holds.
      variables: Its variables.

    Raises:
      BuildError: It names every model that is not built, and the line that builds it.
    """
    unbuilt = [one for one in _unbuilt(live) if not is_layer(one.holder)]
    findings = [
        Finding(
            KINDS["not-built"],
            one.path or name,
            f"{type(one.it).__name__} has made no variables yet",
            model=name,
            hint=_building_line(one),
        )
        for one in unbuilt
    ]
    if not findings and all(one.role is not Role.WEIGHT for one in variables):
        text = "it holds no weights; those of a tf.Module may come with its first use"
        hint = "model(inputs), once, before it is restored"
        findings = [Finding(KINDS["not-built"], name, text, model=name, hint=hint)]
    if findings:
        text = f"{name!r} is not built; nothing was changed"
        raise errors.BuildError(refusal_text(text, findings), findings=findings)


def unbuilt_remarks(name: str, live: LiveObjects) -> List[Finding]:
    """Returns a remark on each layer inside of a built model that is not built.

    Args:
      name: What the root is called.
      live: What it holds.
    """
    return [
        Finding(
            KINDS["layer-not-built"],
            one.path or name,
            f"{type(one.it).__name__} has no variables, and takes nothing",
            model=name,
        )
        for one in _unbuilt(live)
        if is_layer(one.holder)
    ]


def _unbuilt(live: LiveObjects) -> List[LiveObject]:
    return [
        one
        for one in live.objects
        if one.role is Role.WEIGHT and is_layer(one.it) and not is_built(one.it)
    ]


def _building_line(one: LiveObject) -> str:
    model = "root." + one.path.replace("/", ".") if one.path else "model"
    call = f"{model}(inputs), once"
    if not is_built_by_shape(one.it):
        return f"{call}, before it is restored"
    return f"{model}.build((None, 28, 28)), or {call}"
