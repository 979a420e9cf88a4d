"""Which model owns a variable, and who else reaches for it.

A builder can get hold of another model's variable: through a scope object that it
re-enters, a layer object that it calls again, a tensor that it kept. Both models would
then share weights that each believes to be its own.

Two variables can also have one storage: a session keeps values under ``shared_name``,
which ``tf.train.import_meta_graph`` leaves as it is in the file, whatever the scope
(github.com/tensorflow/tensorflow/issues/46745).
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Sequence, Tuple

from legacy_restore.report.findings import KINDS, Finding

_READS = frozenset(["Identity", "ReadVariableOp"])


class Ownership:
    """The operations and variables of the models that were built so far."""

    def __init__(self) -> None:
        """Starts without models."""
        self._owner: Dict[str, str] = {}
        self._variable_of: Dict[str, str] = {}
        self._stored: Dict[Tuple[str, str], str] = {}

    def add(
        self, model: str, variables: Iterable[Any], operations: Sequence[Any]
    ) -> None:
        """Notes what a model's builder created.

        Args:
          model: The model's name.
          variables: The variables that its builder created.
          operations: All operations that its builder created.
        """
        own = {operation.name for operation in operations}
        self._owner.update((name, model) for name in own)
        for variable in variables:
            self._owner[variable.op.name] = model
            values = [variable.op.outputs[0]]
            for value in values:  # It grows by reads, and by copies of reads.
                self._variable_of[value.op.name] = variable.op.name
                values += [
                    consumer.outputs[0]
                    for consumer in value.consumers()
                    if consumer.type in _READS and consumer.name in own
                ]
            self._stored.setdefault(_storage(variable.op), variable.op.name)

    def claims(
        self, model: str, operations: Sequence[Any], returned: Iterable[Any]
    ) -> List[Finding]:
        """Returns a finding for each thing of an earlier model that is used again.

        Args:
          model: The model that was built last.
          operations: All operations that its builder created.
          returned: The tensors and variables that its builder returned.
        """
        users: Dict[str, str] = {}
        for operation in operations if self._owner else ():
            for tensor in operation.inputs:
                if tensor.op.name in self._owner:
                    name = self._variable_of.get(tensor.op.name, tensor.op.name)
                    users.setdefault(name, operation.name)
        for value in returned:
            name = getattr(getattr(value, "op", None), "name", "")
            if name in self._owner:
                users.setdefault(self._variable_of.get(name, name), "its output")
        return [
            Finding(
                KINDS["variable-claimed"],
                name,
                f"it belongs to model {self._owner[name]!r}, and {user} uses it",
                model=model,
                hint="let each builder make variables of its own",
            )
            for name, user in users.items()
        ]

    def shared_storage(self, model: str, variables: Iterable[Any]) -> List[Finding]:
        """Returns a finding for each variable whose values another one has too.

        Args:
          model: The model that was built last, not added yet.
          variables: The variables that its builder created.
        """
        stored = dict(self._stored)
        findings = []
        for variable in variables:
            name = variable.op.name
            first = stored.setdefault(_storage(variable.op), name)
            if first != name:
                owner = self._owner.get(first, model)
                shared_name = _storage(variable.op)[1]
                findings.append(
                    Finding(
                        KINDS["variable-claimed"],
                        name,
                        f"it has the same storage as {first} of model {owner!r}: "
                        f"{shared_name!r}",
                        model=model,
                        hint="build it by its code: an imported graph keeps the names "
                        "of its storage",
                    )
                )
        return findings


def _storage(operation: Any) -> Tuple[str, str]:
    """Under which name a session keeps the values of a variable."""
    shared_name = operation.get_attr("shared_name").decode() or operation.name
    return operation.get_attr("container").decode(), shared_name
