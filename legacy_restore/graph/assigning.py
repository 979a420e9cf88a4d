"""Operations that assign variables, made as cheaply as TensorFlow permits.

``tf.assign`` and ``tf.raw_ops`` look up, convert and colocate what is known already;
that takes most of the time of restoring thousands of small variables.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable

from legacy_restore.graph.variables import is_resource
from legacy_restore.tf import tf

TAKES_ANY_BUFFER = "_grappler_relax_allocator_constraints"
"""The attribute with which an assignment takes the buffer that was read.

Without it the value is copied to memory that GPUs and network cards reach at once
(``AssignOp`` in ``tensorflow/core/kernels/assign_op.h``), so that weights are in memory
twice. Usually the graph optimiser sets it (``RelaxAllocatorConstraints`` in
``tensorflow/core/grappler/optimizers/memory_optimizer.cc``), which restores go without.
"""


def add_assignment(graph: Any, variable: Any, value: Any) -> Any:
    """Adds the operation that assigns a variable, and returns it.

    It stands where the variable does, and waits for what the graph's control
    dependencies say.

    Args:
      graph: The graph, the default one.
      variable: A ``tf.Variable``.
      value: A tensor of its dtype.
    """
    dtype = variable.dtype.base_dtype
    name = graph.unique_name("assign")
    create_op = _creator(graph)
    with graph.device(variable.device or None):
        if is_resource(variable):
            return create_op(
                "AssignVariableOp",
                [variable.handle, value],
                [],
                name=f"{name}/",
                attrs={
                    "dtype": tf.AttrValue(type=dtype.as_datatype_enum),
                    TAKES_ANY_BUFFER: tf.AttrValue(b=True),
                },
            )
        reference = variable.op.outputs[0]
        return create_op(
            "Assign",
            [reference, value],
            [reference.dtype],
            input_types=[reference.dtype, dtype],
            name=f"{name}/",
            attrs={
                "T": tf.AttrValue(type=dtype.as_datatype_enum),
                # As a Saver has it: any shape will do where the variable has none.
                "validate_shape": tf.AttrValue(b=reference.shape.is_fully_defined()),
                TAKES_ANY_BUFFER: tf.AttrValue(b=True),
            },
        )


def _creator(graph: Any) -> Callable[..., Any]:
    """``graph.create_op``, without what looks at each call for old arguments.

    That takes longer than to make an operation (``deprecated_args`` in
    ``tensorflow/python/util/deprecation.py``).
    """
    return functools.partial(inspect.unwrap(type(graph).create_op), graph)
