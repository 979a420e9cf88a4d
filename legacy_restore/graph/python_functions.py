"""Registering the Python functions that a saved graph calls.

``tf.py_func`` registers a function under a token and keeps it alive with the graph; the
operation holds the token alone. Here the operation is there, and the function comes to
it. The registry is private to TensorFlow (``_py_funcs`` in
``tensorflow/python/ops/script_ops.py``); 1.15 and 2.21 have the same.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Mapping

from legacy_restore import errors
from legacy_restore.importing.python_functions import EAGER, PythonCall
from legacy_restore.tf import script_ops, tf

_KEPT = "_py_funcs_used_in_graph"


def register_python_functions(
    graph: Any,
    py_functions: Mapping[str, Callable[..., Any]],
    calls: Iterable[PythonCall],
) -> Dict[str, str]:
    """Registers the functions that a model calls, for as long as the graph is there.

    ``PyFunc`` calls its function with NumPy arrays, ``EagerPyFunc`` with eager tensors.

    Args:
      graph: The graph that the model is imported into.
      py_functions: The functions, by the token in the file.
      calls: The operations that call them; those whose token has no function, and
        functions that none of them calls, are left out.

    Returns:
      The tokens of this process by those of the file.

    Raises:
      UsageError: What is given for a token cannot be called.
      BuildError: This TensorFlow keeps such functions in another way.
    """
    tokens: Dict[str, str] = {}
    for call in calls:
        if call.token in tokens or call.token not in py_functions:
            continue
        function = py_functions[call.token]
        if not callable(function):
            raise errors.UsageError(
                f"py_functions: {call.token!r} is {function!r}, and no function",
                hint=f'py_functions={{"{call.token}": function}}',
            )
        tokens[call.token] = _register(graph, call, _own(function))
    return tokens


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    # The registry has weak references, which not everything that can be called admits.
    return lambda *args: function(*args)


def _register(graph: Any, call: PythonCall, function: Callable[..., Any]) -> str:
    registered: Any = function
    try:
        if call.op == EAGER:
            dtypes = [tf.as_dtype(one) for one in call.dtypes]
            registered = script_ops.EagerFunc(function, dtypes, is_grad_func=False)
        token = script_ops._py_funcs.insert(registered)
    except (AttributeError, TypeError) as error:
        raise errors.BuildError(
            f"TensorFlow {tf.VERSION} has no place for the Python function of "
            f"{call.node} where 1.15 to 2.21 have one"
        ) from error
    kept = getattr(graph, _KEPT, None)
    if kept is None:
        kept = []
        setattr(graph, _KEPT, kept)
    kept.append(registered)
    return str(token.decode() if isinstance(token, bytes) else token)
