"""Python functions that a saved graph calls.

``tf.py_func`` leaves a token in the graph, ``pyfunc_0``, and the function in the
process: a registry counts tokens up from 0 in each process
(``tensorflow/python/ops/script_ops.py``). So the token of a saved graph names nothing,
or by chance a function of this process that another model has registered, which is then
called without a word. The functions of a saved graph have to be given anew, by their
tokens.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from legacy_restore.importing.nodes import all_bodies
from legacy_restore.report.findings import KINDS, Finding

EAGER = "EagerPyFunc"
"""The operation of ``tf.py_function``: its function gets tensors, not arrays."""

CALLS_OF_PYTHON = frozenset(["PyFunc", "PyFuncStateless", EAGER])
"""Types of operations that call Python."""


@dataclasses.dataclass(frozen=True)
class PythonCall:
    """An operation that calls Python.

    Attributes:
      node: Its name in the file.
      function: The function whose body it is in; empty for the graph itself.
      op: Its type.
      token: What the function was registered under.
      dtypes: The types of its outputs, as ``DataType`` has them.
    """

    node: str
    function: str
    op: str
    token: str
    dtypes: Tuple[int, ...] = ()


def python_calls(meta_graph: Any) -> Tuple[PythonCall, ...]:
    """Returns the operations of a graph and of its functions that call Python."""
    return tuple(
        PythonCall(
            node=node.name,
            function=function,
            op=node.op,
            token=_token(node),
            dtypes=tuple(node.attr["Tout"].list.type) if "Tout" in node.attr else (),
        )
        for function, nodes in all_bodies(meta_graph)
        for node in nodes
        if node.op in CALLS_OF_PYTHON
    )


def rewrite_tokens(meta_graph: Any, tokens: Mapping[str, str]) -> Any:
    """Gives the operations that call Python other tokens.

    Args:
      meta_graph: The ``MetaGraphDef``.
      tokens: From a token of the file to one of this process.

    Returns:
      The message.
    """
    for _, nodes in all_bodies(meta_graph):
        for node in nodes:
            if node.op in CALLS_OF_PYTHON and _token(node) in tokens:
                node.attr["token"].s = tokens[_token(node)].encode()
    return meta_graph


def check_python_functions(
    model: str,
    calls: Iterable[PythonCall],
    py_functions: Mapping[str, Callable[..., Any]],
    tokens_of_file: Optional[Iterable[str]] = None,
) -> List[Finding]:
    """Demands a function for each token, and a token for each function.

    Args:
      model: The model's name.
      calls: The operations of what is imported that call Python.
      py_functions: The functions that were given, by token.
      tokens_of_file: All tokens of the file; None for those of the calls.
    """
    users: Dict[str, List[PythonCall]] = {}
    for call in calls:
        users.setdefault(call.token, []).append(call)
    findings = [
        _missing(model, token, users[token])
        for token in sorted(users)
        if token not in py_functions
    ]
    known = set(users) if tokens_of_file is None else {*users, *tokens_of_file}
    findings += [
        _unused(model, token, known)
        for token in sorted(py_functions)
        if token not in known
    ]
    return findings


def _token(node: Any) -> str:
    return str(node.attr["token"].s.decode("utf-8", "replace"))


def _described(call: PythonCall) -> str:
    return (
        f"{call.node} in the function {call.function}" if call.function else call.node
    )


def _missing(model: str, token: str, calls: List[PythonCall]) -> Finding:
    rest = len(calls) - 1
    more = f" and {rest} more call it" if rest else " calls it"
    takes = "tensors" if calls[0].op == EAGER else "NumPy arrays"
    return Finding(
        KINDS["python-function-missing"],
        token,
        f"{_described(calls[0])}{more} ({calls[0].op}), with {takes}: a graph holds no "
        "Python, and the token names nothing in another process",
        model=model,
        hint=f'py_functions={{"{token}": function}}',
    )


def _unused(model: str, token: str, known: Iterable[str]) -> Finding:
    there = ", ".join(sorted(known)) or "none"
    return Finding(
        KINDS["unused-waiver"],
        token,
        f"no operation of the file calls a Python function of that token; there is: "
        f"{there}",
        model=model,
        waiver=("py_functions", token),
    )
