"""Scopes and endings that say how a model was run, not what it is.

A model that was trained on several GPUs stands in the scope of the first one; one that
was wrapped stands in the scope of its wrapper; and a checkpoint that was written from
tensors' names has ``:0`` behind each. They go wherever they stand, since slots and
averages have the name of their variable in theirs.
"""

from __future__ import annotations

from legacy_restore.mapping.packs.pack import (
    NameChange,
    Renaming,
    RulePack,
    substitutions,
)


def _without(scopes: str) -> Renaming:
    """Returns a renaming that takes a scope off what stands in it.

    Args:
      scopes: A regular expression for the scope.
    """
    return substitutions((rf"(?:{scopes})/([^/]+)", r"\1"))


TOWER = RulePack(
    name="tower",
    version=1,
    title="without the scope of the first GPU",
    source="https://github.com/tensorflow/tensorflow/issues/17068",
    changes=(
        NameChange("tower_0/", "tower_0/conv1/weights", "conv1/weights"),
        NameChange("tower0/ of tensorpack", "tower0/conv0/W", "conv0/W"),
        NameChange("gpu_0/", "gpu_0/dense/kernel/Adam", "dense/kernel/Adam"),
        NameChange("clone_0/ of slim", "clone_0/Conv/biases", "Conv/biases"),
        NameChange("replica_0/", "replica_0/w", "w"),
        NameChange("inside of a scope", "net/tower_0/w", "net/w"),
    ),
    rename=_without("tower_?0|gpu_?0|GPU_?0|clone_0|replica_0"),
)

MODULE = RulePack(
    name="module",
    version=1,
    title="without module/, the scope of a wrapped or hub module",
    source="https://github.com/tensorflow/tensorflow/issues/22346",
    changes=(
        NameChange("module/", "module/dense/kernel", "dense/kernel"),
        NameChange("a hub module", "net/module/w/Adam", "net/w/Adam"),
    ),
    rename=_without("module"),
)

MODEL = RulePack(
    name="model",
    version=1,
    title="without model/, the scope of a whole model",
    source="https://github.com/tensorflow/tensorflow/issues/11597",
    changes=(
        NameChange("model/", "model/dense/kernel", "dense/kernel"),
        NameChange("slots that repeat it", "model/model/w/Adam", "w/Adam"),
    ),
    rename=_without("model(?:/model)*"),
)

COLON = RulePack(
    name="colon",
    version=1,
    title="tensors' names -> variables' names, without :0",
    source="https://github.com/tensorflow/models/issues/2137",
    changes=(
        NameChange("a tensor's name", "dense/kernel:0", "dense/kernel"),
        NameChange("a slot of it", "dense/kernel:0/Adam", "dense/kernel/Adam"),
    ),
    rename=substitutions((r"([^/]+):0", r"\1")),
)
