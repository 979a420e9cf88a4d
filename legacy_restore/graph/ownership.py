"""Which model owns a variable, and who else reaches for it.

A builder can get hold of another model's variable: through a scope object that it
re-enters, a layer object that it calls again, a tensor that it kept. Both models would
then share weights that each believes to be its own.

Two variables, or two mutable tables, can also have one storage: a session keeps values
under ``shared_name``, which ``tf.train.import_meta_graph`` leaves as it is in the file,
whatever the scope (github.com/tensorflow/tensorflow/issues/46745).
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from legacy_restore.graph.tables import is_mutable_table
from legacy_restore.importing.isolating import NAMED_BY_NOTHING
from legacy_restore.report.findings import KINDS, Finding

_READS = frozenset(["Identity", "ReadVariableOp"])


class Ownership:
    """The operations and variables of the models that were built so far."""

    def __init__(self) -> None:
        """Starts without models."""
        # All by operation: TensorFlow has one object for each, and names cost time
        # where there are tens of thousands.
        self._owner: Dict[Any, str] = {}
        self._variable_of: Dict[Any, Any] = {}
        self._stored: Dict[Tuple[str, str], List[Any]] = {}

    def add(
        self, model: str, stored: Iterable[Any], operations: Sequence[Any]
    ) -> List[Finding]:
        """Notes what a model's builder created.

        Args:
          model: The model's name.
          stored: The operations of the variables and mutable tables among them.
          operations: All operations that its builder created, in that order.

        Returns:
          A finding for each variable or table whose values another one has too.
        """
        holders = list(stored)
        self._owner.update(dict.fromkeys([*operations, *holders], model))
        self._variable_of.update(zip(holders, holders))
        for operation in operations:  # Whatever is read was there before its reads.
            if operation.type in _READS:
                variable = self._variable_of.get(operation.inputs[0].op)
                if variable is not None:
                    self._variable_of[operation] = variable
        found = (self._stored_before(model, holder) for holder in holders)
        return [finding for finding in found if finding is not None]

    def claims(
        self,
        model: str,
        operations: Sequence[Any],
        returned: Iterable[Any],
        wired: Iterable[Any] = (),
    ) -> List[Finding]:
        """Returns a finding for each thing of an earlier model that is used again.

        Args:
          model: The model that was built last, not added yet.
          operations: All operations that its builder created.
          returned: The tensors and variables that its builder returned.
          wired: The tensors of earlier models that were asked to be used.
        """
        users: Dict[Any, str] = {}
        permitted = {tensor.name for tensor in wired}
        for operation in operations if self._owner else ():
            for tensor in operation.inputs:
                used = tensor.op
                if used in self._owner and tensor.name not in permitted:
                    users.setdefault(self._variable_of.get(used, used), operation.name)
        for value in returned:
            used = getattr(value, "op", None)
            if used in self._owner:
                users.setdefault(self._variable_of.get(used, used), "its output")
        return [
            Finding(
                KINDS["variable-claimed"],
                used.name,
                f"it belongs to model {self._owner[used]!r}, and {user} uses it",
                model=model,
                hint="let each builder make variables of its own",
            )
            for used, user in users.items()
        ]

    def _stored_before(self, model: str, holder: Any) -> Optional[Finding]:
        kind, name = _storage(holder)
        others = self._stored.setdefault((kind, name), [])
        # Sessions keep the values of each container apart.
        first = next(
            (one for one in others if _container(one) == _container(holder)), None
        )
        others.append(holder)
        if first is None:
            return None
        return Finding(
            KINDS["variable-claimed"],
            holder.name,
            f"it has the same storage as {first.name} of model "
            f"{self._owner[first]!r}: {name!r}",
            model=model,
            hint="give it no shared_name, and build it by its code: an imported graph "
            "keeps the names of its storage",
        )


def _container(operation: Any) -> str:
    return str(operation.get_attr("container").decode())


def _storage(operation: Any) -> Tuple[str, str]:
    """Under which kind and name a session keeps the values of a variable or a table."""
    shared_name = operation.get_attr("shared_name").decode()
    if not is_mutable_table(operation):
        # The empty name is one like any other to resource variables.
        is_named = shared_name or operation.type in NAMED_BY_NOTHING
        return "variable", shared_name if is_named else operation.name
    if shared_name or operation.get_attr("use_node_name_sharing"):
        return "table", shared_name or operation.name
    return "table of no other name", operation.name
