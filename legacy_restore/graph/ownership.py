"""Which model owns a variable, and who else reaches for it.

A builder can get hold of another model's variable: through a scope object that it
re-enters, a layer object that it calls again, a tensor that it kept. Both models would
then share weights that each believes to be its own.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Sequence

from legacy_restore.report.findings import KINDS, Finding

_READS = frozenset(["Identity", "ReadVariableOp"])


class Ownership:
    """The variables of the models that were built so far."""

    def __init__(self) -> None:
        """Starts without models."""
        self._owner: Dict[str, str] = {}
        self._tensors: Dict[str, List[Any]] = {}

    def add(
        self, model: str, variables: Iterable[Any], operations: Sequence[Any]
    ) -> None:
        """Notes the variables of a model.

        Args:
          model: The model's name.
          variables: The variables that its builder created.
          operations: All operations that its builder created.
        """
        own = {operation.name for operation in operations}
        for variable in variables:
            handle = variable.op.outputs[0]
            reads = [
                consumer.outputs[0]
                for consumer in handle.consumers()
                if consumer.type in _READS and consumer.name in own
            ]
            self._owner[variable.op.name] = model
            self._tensors[variable.op.name] = [handle, *reads]

    def claims(self, model: str, operations: Sequence[Any]) -> List[Finding]:
        """Returns a finding for each variable of an earlier model that is used again.

        Args:
          model: The model that was built last.
          operations: All operations that its builder created.
        """
        new = {operation.name for operation in operations}
        findings = []
        for name, owner in self._owner.items():
            users = (
                consumer.name
                for tensor in self._tensors[name]
                for consumer in tensor.consumers()
            )
            user = next((user for user in users if user in new), None)
            if user is not None:
                findings.append(
                    Finding(
                        KINDS["variable-claimed"],
                        name,
                        f"it belongs to model {owner!r}, and {user} uses it",
                        model=model,
                        hint="let each builder make variables of its own",
                    )
                )
        return findings
