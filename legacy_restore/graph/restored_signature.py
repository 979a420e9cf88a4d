"""What can be called of a restored model: named inputs in, a nest of arrays out."""

from __future__ import annotations

from typing import Any, Callable, ContextManager, Dict, List, Mapping

from legacy_restore import errors
from legacy_restore.graph import calls
from legacy_restore.graph.interface import Input
from legacy_restore.graph.nest import leaves


class RestoredSignature:
    """A signature of a restored model; calling it computes its outputs.

    Attributes:
      name: What messages call it.
      inputs: The tensors to feed, by key.
      outputs: The nest of tensors that it computes.
    """

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, Input],
        outputs: Any,
        used: Callable[[], ContextManager[Any]],
    ) -> None:
        """Takes what to feed and to compute; ``restored[name].signatures`` has them.

        Args:
          name: What messages call it.
          inputs: What to feed, by key.
          outputs: A nest of tensors.
          used: Gives the session, and keeps swaps out meanwhile.
        """
        self.name = name
        self._inputs = dict(inputs)
        self._used = used
        self.inputs: Dict[str, Any] = {
            key: one.tensor for key, one in self._inputs.items()
        }
        self.outputs = outputs

    @property
    def required_inputs(self) -> List[str]:
        """The keys of the inputs that have no default."""
        return [key for key, one in self._inputs.items() if one.is_required]

    def __call__(self, *feeds: Mapping[Any, Any], **inputs: Any) -> Any:
        """Computes the outputs; safe from several threads at once.

        Args:
          *feeds: At most one mapping of arrays by key, or by tensor.
          **inputs: Arrays by key; for a sparse tensor a
            ``tf.compat.v1.SparseTensorValue``, for any other composite one a list of
            the arrays of its components.

        Returns:
          The nest of outputs, with arrays for tensors and None for operations, which
          are never run.

        Raises:
          InputError: An input is missing, unknown or unusable, or there is nothing to
            compute.
          ClosedError: The session was closed.
        """
        with self._used() as session:
            if not any(calls.is_computed(leaf.value) for leaf in leaves(self.outputs)):
                raise errors.InputError(
                    f"{self.name} has no outputs: there is no tensor to compute"
                )
            given = calls.merge(self.name, feeds, inputs)
            checked = calls.feeds_of(self.name, self._inputs, given)
            return calls.run_outputs(self.name, session, self.outputs, checked)

    def __repr__(self) -> str:
        outputs = ", ".join(leaf.path or "its output" for leaf in leaves(self.outputs))
        return f"<{self.name}: {', '.join(self.inputs) or 'no inputs'} -> {outputs}>"
