"""What a file of saved graphs gives, and what is asked of it."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Callable, Mapping, Optional, Tuple


class GraphKind(enum.Enum):
    """How a graph was saved."""

    META_GRAPH = "meta graph"
    SAVED_MODEL = "SavedModel"
    HUB_MODULE = "TF-Hub module"
    SESSION_BUNDLE = "session bundle"
    GRAPH = "graph"
    EVENTS = "event file"


@dataclasses.dataclass(frozen=True, eq=False)
class SavedGraph:
    """A graph as a file holds it, before anything is made of it.

    Attributes:
      path: The file that holds the graph.
      kind: How it was saved.
      meta_graph: The ``MetaGraphDef``; of a bare ``GraphDef`` only its graph is set.
      directory: The directory beside whose files its assets are looked for.
      checkpoint: The location of the variables that belong to it, or None where the
        file does not say: that of a SavedModel, hub module or session bundle.
    """

    path: str
    kind: GraphKind
    meta_graph: Any
    directory: str
    checkpoint: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class TensorBinding:
    """A tensor of a file, under the key by which callers name it.

    Attributes:
      key: The caller's key.
      tensor: Its name in the file, with the number of the output (``x:0``); of a sparse
        one that of its values. An operation without outputs, which a call only runs,
        has no number: ``train_op``.
      sparse: Of a sparse tensor the names of values, indices and dense shape; of any
        other composite one the names of its components; else empty.
    """

    key: str
    tensor: str
    sparse: Tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Signature:
    """What may be called.

    Attributes:
      name: Its key in the file; empty for one that was given by ``inputs=`` and
        ``outputs=``.
      inputs: Its inputs, by key.
      outputs: Its outputs, by key.
    """

    name: str
    inputs: Mapping[str, TensorBinding]
    outputs: Mapping[str, TensorBinding]


@dataclasses.dataclass(frozen=True)
class Interface:
    """What goes into a saved graph and what comes out of it.

    Attributes:
      main: What a call of the model computes.
      signatures: All signatures of the file, by name, that one among them if it has a
        name.
    """

    main: Signature
    signatures: Mapping[str, Signature] = dataclasses.field(default_factory=dict)

    def all(self) -> Tuple[Signature, ...]:
        """Returns everything that may be called, each once, the main one first."""
        others = (one for one in self.signatures.values() if one is not self.main)
        return (self.main, *others)


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What a caller asks of a saved graph: keyword arguments of ``Model.from_...``.

    Attributes:
      inputs: From the caller's key to a tensor's name in the file; None where the file
        says it.
      outputs: Likewise.
      tags: The tag set of a SavedModel; None for ``serve``, or the only one.
      signature: The signature that a call computes; None for the default.
      op_libraries: Paths of libraries with operations that TensorFlow lacks.
      op_replacements: From the type of an operation to the function that builds another
        sub-graph in its place.
      prune: Whether what the outputs do not need is left out.
      assets: From the name of an asset to the path of the file to take.
      variables: ``"keep"``, or ``"resource"`` to turn ref variables into resources.
      py_functions: From a token in the file to the Python function to call.
      trust: Whether the graph may call Python, libraries and files.
    """

    inputs: Optional[Mapping[str, str]] = None
    outputs: Optional[Mapping[str, str]] = None
    tags: Optional[Tuple[str, ...]] = None
    signature: Optional[str] = None
    op_libraries: Tuple[str, ...] = ()
    op_replacements: Mapping[str, Callable[..., Any]] = dataclasses.field(
        default_factory=dict
    )
    prune: bool = True
    assets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    variables: str = "keep"
    py_functions: Mapping[str, Callable[..., Any]] = dataclasses.field(
        default_factory=dict
    )
    trust: bool = False
