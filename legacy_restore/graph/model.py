"""A model: a name, a scope, a way to get its graph, and a checkpoint."""

from __future__ import annotations

import os
import re
from typing import (
    Any,
    Callable,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Union,
)

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph.graph_source import (
    GraphSource,
    SourceForm,
    check_keywords,
    make_source,
    split_arguments,
)
from legacy_restore.mapping import waivers
from legacy_restore.mapping.model_rules import Rule, check_model_rules
from legacy_restore.mapping.partial import (
    ShapeWaivers,
    check_partial,
    check_weights,
)
from legacy_restore.report.findings import KINDS, Finding

# What tf.Graph.name_scope admits, without the slash at the end that re-enters a scope.
_SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\-]*(?:/[A-Za-z0-9_.\\-]+)*")
_NOT_IN_NAMES = "/:="


class Model:
    """A model to restore.

    Example::

        lr.Model("decoder", build_decoder, "runs/decoder/model.ckpt-9000",
                 rules=[lr.Rename(r"^decoder_v2/", "")],
                 allow_missing=["logits/.*"])

    Attributes:
      name: What the model is called in plans and reports, and ``restored[name]``.
      build: The builder: a function without arguments that creates the model's part of
        the default graph and returns any nest of tensors. Of a model whose code is
        lost, the saved graph in its place.
      checkpoint: The location of its checkpoint; None for a graph that needs none.
      scope: The variable scope in which the builder runs.
      rules: How checkpoint keys are renamed, the first that matches a key wins; how
        rows of embeddings are reordered; and rule packs.
      allow_missing: Patterns, matched with whole names without the scope, of variables
        that may be missing in the checkpoint: those run their initialisers.
      allow_unused: Patterns, matched with whole keys, of weights that may be left in
        the checkpoint.
      partial: ``allow_shape``, ``cast``, ``only`` and ``exclude``, as they are kept.
      weights: ``"raw"``, or ``"ema"`` for the moving averages of the weights.
      device: The device for everything that the builder puts on none, as TensorFlow
        writes it, or None.
    """

    def __init__(
        self,
        name: str,
        build: Union[Callable[[], Any], GraphSource],
        checkpoint: Optional[LocationLike],
        *,
        scope: Optional[str] = None,
        rules: Sequence[Rule] = (),
        allow_missing: Sequence[str] = (),
        allow_unused: Sequence[str] = (),
        allow_shape: ShapeWaivers = (),
        cast: Optional[Mapping[str, Any]] = None,
        only: Sequence[str] = (),
        exclude: Sequence[str] = (),
        weights: str = "raw",
        device: Optional[str] = None,
    ) -> None:
        """Describes a model; nothing is built or read yet.

        Args:
          name: A name without ``/``, ``:`` and ``=``, unique in a plan.
          build: The builder; it runs unmodified, in a graph of the plan's own. Where
            there is only a saved graph, ``Model.from_meta_graph`` and its like describe
            the model instead.
          checkpoint: A location as ``open_checkpoint`` takes it.
          scope: A variable scope, ``name`` unless given. No other model's scope may
            be the same, inside it or around it.
          rules: ``Rename`` and ``VocabularyRemap`` rules; texts name rule packs, such
            as ``"rnn-1.2"`` (``docs/names.md``), which apply one after the other to
            what the other rules make of a key.
          allow_missing: A list of patterns.
          allow_unused: A list of patterns.
          allow_shape: What to do where the checkpoint has a variable in another shape:
            a dictionary from patterns, matched with whole names without the scope, to
            ``"slice"`` (the variable is smaller, and takes the leading part along each
            axis), ``"pad"`` (it is larger: the leading part comes from the checkpoint,
            the rest from its initialiser) or ``"initialize"`` (all of it comes from its
            initialiser). A list of patterns means ``"initialize"``.
          cast: A dictionary from such patterns to the dtype of the variable, to which
            the stored tensor is cast. Values that would change, and not only be
            rounded, are an error.
          only: Patterns of the variables that are restored; all others are left to
            their initialisers, whether the checkpoint has them or not.
          exclude: Patterns of variables that are not restored, likewise.
          weights: ``"raw"`` restores what was trained. ``"ema"`` restores the averages
            that ``tf.train.ExponentialMovingAverage`` kept of it, as a Saver of its
            ``variables_to_restore()`` does (``tensorflow/python/training/
            moving_averages.py``): by its name in the builder, else by TensorFlow's own.
            Variables that are not trainable and have no average take their raw value;
            so do trainable ones that ``allow_missing`` names, any other is an error.
          device: What ``tf.device`` takes as a text, such as ``"/gpu:0"``; the builder
            runs inside of it. That a session has it is looked at in ``restore``.

        Raises:
          UsageError: An argument cannot be meant.
        """
        if not isinstance(name, str) or not name or set(name) & set(_NOT_IN_NAMES):
            raise errors.UsageError(
                f"{name!r} is no model name: it has to be a text without / : ="
            )
        if not callable(build) and not isinstance(build, GraphSource):
            raise errors.UsageError(
                f"model {name!r}: build has to be a function, not {build!r}"
            )
        needs_none = isinstance(build, GraphSource) and checkpoint is None
        if not needs_none and not isinstance(checkpoint, (str, os.PathLike)):
            raise errors.UsageError(
                f"model {name!r}: checkpoint has to be a path, not {checkpoint!r}"
            )
        self.name = name
        self.build = build
        self.checkpoint = checkpoint
        self.scope = _check_scope(name, scope)
        self.rules = check_model_rules(rules)
        self.allow_missing = waivers.check_patterns("allow_missing", allow_missing)
        self.allow_unused = waivers.check_patterns("allow_unused", allow_unused)
        self.partial = check_partial(allow_shape, cast, only, exclude)
        self.weights = check_weights(name, weights)
        self.device = _check_device(name, device)

    @classmethod
    def from_meta_graph(
        cls,
        name: str,
        checkpoint: Optional[LocationLike],
        *,
        meta_graph: Optional[LocationLike] = None,
        inputs: Optional[Mapping[str, str]] = None,
        outputs: Optional[Mapping[str, str]] = None,
        **arguments: Any,
    ) -> Model:
        """Describes a model whose graph is in a file, and its weights in a checkpoint.

        Example::

            lr.Model.from_meta_graph("rnn", "runs/model.ckpt-70280",
                                     inputs={"x": "inputs"},
                                     outputs={"probabilities": "softmax/Softmax"})

        Each variable takes the tensor that the file's own Saver reads for it. Of the
        graph only what the outputs need is imported. Names in it, names of functions
        and of whatever a session keeps by name are the model's alone, so that two
        models of one file are two models: ``tf.train.import_meta_graph`` makes them
        share variables (github.com/tensorflow/tensorflow/issues/46745).

        Args:
          name: As for ``Model``.
          checkpoint: A location as ``open_checkpoint`` takes it. None to begin anew:
            ``allow_missing`` then has to name all variables, which run their
            initialisers.
          meta_graph: The file: a ``MetaGraphDef`` (``.meta``) or a ``GraphDef``, binary
            or text (``graph.pbtxt``), or the event file of a training
            (``events.out.tfevents...``); ``<prefix>.meta`` unless given.
          inputs: From the names that callers use to tensors *as they are called in the
            file*, ``:0`` optional; any tensor may be fed. Unless given, the inputs are
            those of the signature, else the placeholders that the outputs need.
          outputs: Likewise. Without them, and without signatures in the file, the graph
            is refused with the list of what could be meant.
          **arguments: What else is asked of the graph, and the keyword arguments of
            ``Model``, such as ``scope`` and ``allow_missing``:

            ``prune=True``: False imports everything, with all collections; so training
            can go on.
            ``op_libraries=[path]``: libraries with operations that TensorFlow lacks.
            ``op_replacements={type: function}``: what to build in place of operations.
            ``assets={name: path}``: files to take in place of those of the same name.
            ``variables="keep"``: ``"resource"`` turns ref variables, the only ones that
            old TensorFlow had, into resource variables.
            ``py_functions={token: function}``: the Python functions that the graph
            calls, by their tokens in the file.
            ``trust=False``: True permits what remains of Python functions, libraries,
            and operations that open files.

        Raises:
          UsageError: An argument cannot be meant.
        """
        return cls._from_graph(
            name,
            checkpoint,
            SourceForm.META_GRAPH,
            meta_graph,
            {"inputs": inputs, "outputs": outputs, **arguments},
        )

    @classmethod
    def from_saved_model(
        cls,
        name: str,
        directory: LocationLike,
        *,
        tags: Optional[Sequence[str]] = None,
        signature: Optional[str] = None,
        checkpoint: Optional[LocationLike] = None,
        **arguments: Any,
    ) -> Model:
        """Describes a model that is a SavedModel.

        Of TensorFlow 1 or 2, a TF-Hub module for TensorFlow 1, or a session bundle of
        TensorFlow 0.x. Its init operations are never run whole, as many assign fresh
        weights: only its tables and iterators are initialised, and variables for which
        no checkpoint has a value.

        Args:
          name: As for ``Model``.
          directory: The directory that holds ``saved_model.pb``, or ``export.meta``.
          tags: Which of its graphs: ``serve`` unless given, or the only one;
            ``tags=()`` is the one without tags.
          signature: What a call of the model computes: ``serving_default`` unless
            given, or the only signature. Every other one stays callable:
            ``restored[name].signatures["predict"](...)``.
          checkpoint: Other weights than those of the directory.
          **arguments: ``inputs`` and ``outputs`` in place of a signature, and those of
            ``from_meta_graph``.

        Raises:
          UsageError: An argument cannot be meant.
        """
        return cls._from_graph(
            name,
            directory if checkpoint is None else checkpoint,
            SourceForm.SAVED_MODEL,
            directory,
            {"tags": tags, "signature": signature, **arguments},
        )

    @classmethod
    def from_graph_def(
        cls,
        name: str,
        file: LocationLike,
        *,
        inputs: Optional[Mapping[str, str]] = None,
        outputs: Optional[Mapping[str, str]] = None,
        **arguments: Any,
    ) -> Model:
        """Describes a frozen graph: its weights are constants, it has no checkpoint.

        Args:
          name: As for ``Model``.
          file: A ``GraphDef`` or a ``MetaGraphDef``, binary or text.
          inputs: As for ``from_meta_graph``.
          outputs: As for ``from_meta_graph``.
          **arguments: Those of ``from_meta_graph``.

        Raises:
          UsageError: An argument cannot be meant.
        """
        return cls._from_graph(
            name,
            None,
            SourceForm.GRAPH_DEF,
            file,
            {"inputs": inputs, "outputs": outputs, **arguments},
        )

    @classmethod
    def _from_graph(
        cls,
        name: str,
        checkpoint: Optional[LocationLike],
        form: SourceForm,
        path: Optional[LocationLike],
        arguments: Mapping[str, Any],
    ) -> Model:
        of_graph, others = split_arguments(arguments)
        if path is None and (form is not SourceForm.META_GRAPH or checkpoint is None):
            raise errors.UsageError(f"model {name!r}: None is no path of a graph")
        if "checkpoint" in others:
            raise errors.UsageError(
                f"model {name!r}: a frozen graph has no checkpoint",
                hint="Model.from_meta_graph(name, checkpoint, meta_graph=file)",
            )
        check_keywords(form, others, Model.__init__)
        return cls(name, make_source(name, form, path, of_graph), checkpoint, **others)

    def __repr__(self) -> str:
        if self.checkpoint is None:
            return f"Model({self.name!r}, {self.build})"
        return f"Model({self.name!r}, checkpoint={os.fspath(self.checkpoint)!r})"


def _check_scope(name: str, scope: Optional[str]) -> str:
    chosen = name if scope is None else scope
    if not isinstance(chosen, str) or not _SCOPE.fullmatch(chosen):
        raise errors.UsageError(
            f"model {name!r}: {chosen!r} is no variable scope",
            hint="scope= takes letters, digits, '_', '.', '-' and '/'",
        )
    return chosen


def _check_device(name: str, device: Optional[str]) -> Optional[str]:
    if device is None:
        return None
    # Only TensorFlow knows all types of devices; it is not needed to describe a model.
    from legacy_restore.graph.device_names import canonical_name

    found = canonical_name(device) if isinstance(device, str) else None
    if not found:
        raise errors.UsageError(
            f"model {name!r}: {device!r} is no device",
            hint='device="/cpu:0", device="/device:GPU:1"',
        )
    return found


_HOW_TO_MAKE_ONE = (
    "[lr.Model(name, build, checkpoint)]; restore_object(model, checkpoint) restores "
    "an eager model, such as one of Keras"
)


def check_models(models: Iterable[Model]) -> List[Model]:
    """Returns the models of a plan as a list.

    Raises:
      UsageError: There is none, two have one name, or two scopes get in each other's
        way. All such problems are in its findings.
    """
    if isinstance(models, Model):
        raise errors.UsageError("models have to be a list", hint="[model]")
    try:
        found = list(models)
    except TypeError:
        text = f"{models!r} is no list of models"
        raise errors.UsageError(text, hint=_HOW_TO_MAKE_ONE) from None
    strangers = [one for one in found if not isinstance(one, Model)]
    if not found or strangers:
        what = f"{strangers[0]!r} is not a Model" if strangers else "there is no model"
        raise errors.UsageError(what, hint=_HOW_TO_MAKE_ONE)
    problems = []
    for number, model in enumerate(found):
        for other in found[:number]:
            if other.name == model.name:
                problems.append(f"two models are called {model.name!r}")
            elif _in_the_way(other.scope, model.scope):
                problems.append(
                    f"models {other.name!r} and {model.name!r}: scope {model.scope!r} "
                    f"is not apart from {other.scope!r}"
                )
    if problems:
        raise errors.UsageError(
            "; ".join(problems),
            findings=[Finding(KINDS["scope-in-use"], text) for text in problems],
            hint="give each model a name and a scope of its own",
        )
    return found


def _in_the_way(one: str, other: str) -> bool:
    # TensorFlow makes names unique without regard to case (tf.Graph.unique_name).
    one, other = one.lower() + "/", other.lower() + "/"
    return one.startswith(other) or other.startswith(one)
