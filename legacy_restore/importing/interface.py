"""What goes into a saved graph and what comes out of it.

Signatures of SavedModels, TF-Hub modules and session bundles say it; otherwise the
caller does, by names of tensors as they are in the file. Nested structures were made
flat by whoever wrote the file, and their keys stay as they are.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from legacy_restore import errors
from legacy_restore.examining.graph_interface import (
    PLACEHOLDERS,
    ProposedInterface,
    proposed_interface,
)
from legacy_restore.graphdef.messages import message_of
from legacy_restore.graphdef.meta_graph import read_meta_graph
from legacy_restore.importing.nodes import node_of, upstream
from legacy_restore.importing.saved_graph import (
    GraphKind,
    ImportOptions,
    Interface,
    SavedGraph,
    Signature,
    TensorBinding,
)
from legacy_restore.importing.tensors import Tensors
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

DEFAULT_SIGNATURE = "serving_default"
"""What is called unless a signature is named (tf.saved_model.signature_constants)."""

# tensorflow/python/saved_model/signature_def_utils_impl.py: operations to run, kept in
# the form of signatures.
_NO_SIGNATURES = frozenset(["__saved_model_init_op", "__saved_model_train_op"])

# tensorflow_hub/module.py: the signature that a module has without a name.
_HUB_DEFAULT = "default"
_MAX_NAMES = 8


def resolve_interface(saved: SavedGraph, options: ImportOptions) -> Interface:
    """Returns what a call of a saved graph takes and gives.

    Signatures that name tensors which the graph does not have are left out; the one
    that is called must not be among them.

    Args:
      saved: The graph as it was read, or with what passes have put in order.
      options: ``inputs``, ``outputs`` and ``signature`` are looked at.

    Raises:
      UsageError: There is no such signature or tensor; all of them are in the
        findings. Or which signature is meant has to be said.
      BuildError: The graph has no signature, and no outputs were named. What could be
        meant is listed.
    """
    tensors = Tensors(saved.meta_graph)
    signatures = _signatures(saved, tensors)
    if options.outputs is not None:
        if options.signature is not None:
            raise errors.UsageError(
                f"outputs= takes the place of signature={options.signature!r}",
                hint="leave one of the two out",
            )
        return Interface(_given(saved, tensors, options), signatures)
    name = _chosen(saved, tensors, signatures, options)
    main = signatures[name]
    if options.inputs is None:
        return Interface(main, signatures)
    inputs = _bindings(saved, tensors, {"inputs": options.inputs})["inputs"]
    needed = [
        name for one in main.outputs.values() for name in one.sparse or (one.tensor,)
    ]
    _check_all_fed(saved, tensors, needed, inputs)
    return Interface(Signature("", inputs, main.outputs), signatures)


# Signatures.


def _signatures(saved: SavedGraph, tensors: Tensors) -> Dict[str, Signature]:
    found = {}
    for name in sorted(saved.meta_graph.signature_def):
        if name in _NO_SIGNATURES:
            continue
        stored = saved.meta_graph.signature_def[name]
        inputs = _of_infos(stored.inputs, tensors)
        outputs = _of_infos(stored.outputs, tensors)
        if inputs is not None and outputs is not None:
            found[name] = Signature(name, inputs, outputs)
    return found


def _of_infos(infos: Any, tensors: Tensors) -> Optional[Dict[str, TensorBinding]]:
    """Bindings of a map of ``TensorInfo``; None where the graph lacks a tensor."""
    found = {}
    for key in sorted(infos):
        names = _names_of(infos[key])
        resolved = [tensors.resolve(name) for name in names]
        there = [name for name in resolved if name is not None]
        if not there or len(there) < len(names):
            return None
        parts = tuple(there) if infos[key].WhichOneof("encoding") != "name" else ()
        found[key] = TensorBinding(key, there[0], parts)
    return found


def _names_of(info: Any) -> List[str]:
    """Names of the tensors of a ``TensorInfo``; components may be composite in turn."""
    encoding = info.WhichOneof("encoding")
    if encoding == "coo_sparse":
        sparse = info.coo_sparse
        return [
            sparse.values_tensor_name,
            sparse.indices_tensor_name,
            sparse.dense_shape_tensor_name,
        ]
    if encoding == "composite_tensor":
        components = info.composite_tensor.components
        return [name for one in components for name in _names_of(one)]
    return [info.name]


def _chosen(
    saved: SavedGraph,
    tensors: Tensors,
    signatures: Mapping[str, Signature],
    options: ImportOptions,
) -> str:
    """The signature that a call computes.

    Raises:
      UsageError: There is none of that name, or which one is meant has to be said.
      BuildError: There is none at all.
    """
    wanted = options.signature
    stored = [
        one for one in saved.meta_graph.signature_def if one not in _NO_SIGNATURES
    ]
    if wanted is None:
        is_hub = saved.kind is GraphKind.HUB_MODULE
        for default in (DEFAULT_SIGNATURE, *([_HUB_DEFAULT] if is_hub else [])):
            if default in stored:
                wanted = default
        if wanted is None and len(stored) == 1:
            wanted = stored[0]
    if wanted in signatures:
        return str(wanted)
    if wanted in stored:
        raise _broken(saved, tensors, str(wanted))
    if not stored and wanted is None:
        raise _outputs_unknown(saved)
    names = sorted(signatures)
    there = cut_names(names, _MAX_NAMES) or "none"
    what = f"it has no signature {wanted!r}: there is {there}"
    if wanted is None:
        what = f"which signature is meant has to be said: there is {there}"
    hints = [f'signature="{name}"' for name in names[:3]]
    hint = " or ".join(hints)
    if names:
        hint += f"   or   --signature=MODEL={names[0]}"
    raise errors.UsageError(f"{saved.path}: {what}", hint=hint or None)


def _broken(saved: SavedGraph, tensors: Tensors, name: str) -> errors.BuildError:
    stored = saved.meta_graph.signature_def[name]
    infos = [*stored.inputs.values(), *stored.outputs.values()]
    names = [one for info in infos for one in _names_of(info)]
    lacking = [one for one in names if tensors.resolve(one) is None]
    findings = [
        Finding(
            KINDS["unknown-tensor"],
            one or name,
            f"signature {name!r} names it" if one else f"signature {name!r} names none",
        )
        for one in lacking
    ]
    return errors.BuildError(
        f"{saved.path}: signature {name!r} names tensors that the graph does not have: "
        f"{cut_names(lacking, _MAX_NAMES)}",
        findings=findings,
        hint="name the outputs: outputs={...}",
    )


# What the caller names.


def _given(saved: SavedGraph, tensors: Tensors, options: ImportOptions) -> Signature:
    asked: Dict[str, Mapping[str, str]] = {"outputs": options.outputs or {}}
    if not options.outputs:
        raise errors.UsageError("outputs= names nothing", hint='outputs={"y": "y:0"}')
    if options.inputs is not None:
        asked["inputs"] = options.inputs
    found = _bindings(saved, tensors, asked)
    needed = [one.tensor for one in found["outputs"].values()]
    if options.inputs is None:
        names = _placeholders_above(tensors, needed, ())
        inputs = {one: TensorBinding(one, f"{one}:0") for one in names}
        return Signature("", inputs, found["outputs"])
    _check_all_fed(saved, tensors, needed, found["inputs"])
    return Signature("", found["inputs"], found["outputs"])


def _bindings(
    saved: SavedGraph, tensors: Tensors, asked: Mapping[str, Mapping[str, str]]
) -> Dict[str, Dict[str, TensorBinding]]:
    """Bindings of what a caller names, by the argument that names it.

    Raises:
      UsageError: The graph lacks some of it; all of that is in the findings.
    """
    found: Dict[str, Dict[str, TensorBinding]] = {argument: {} for argument in asked}
    findings = []
    for argument, names in asked.items():
        for key, name in names.items():
            resolved = tensors.resolve(name) if isinstance(name, str) else None
            if argument == "inputs" and resolved is not None and ":" not in resolved:
                resolved = None
            if resolved is None:
                findings.append(_unknown(tensors, argument, key, name))
            else:
                found[argument][key] = TensorBinding(key, resolved)
    fed: Dict[str, str] = {}
    for key, one in found.get("inputs", {}).items():
        if one.tensor in fed:
            what = f"inputs[{key!r}] and inputs[{fed[one.tensor]!r}] are one tensor"
            findings.append(Finding(KINDS["input-claimed-twice"], one.tensor, what))
        fed[one.tensor] = key
    if findings:
        lines = [f"{one.subject}: {one.message}" for one in findings]
        hints = [one.hint for one in findings if one.hint]
        raise errors.UsageError(
            f"{saved.path}: " + "; ".join(lines[:_MAX_NAMES]),
            findings=findings,
            hint=hints[0] if hints else None,
        )
    return found


def _unknown(tensors: Tensors, argument: str, key: str, name: Any) -> Finding:
    where = f"{argument}[{key!r}]"
    if not isinstance(name, str):
        what = f"{where} has to be a tensor's name"
        return Finding(KINDS["unknown-tensor"], repr(name), what)
    base = node_of(name)
    if base in tensors.nodes:
        node = tensors.nodes[base]
        what = f"{where}: {base} ({node.op}) has no such output"
        return Finding(KINDS["unknown-tensor"], name, what)
    near = tensors.near(name)
    hint = f"did you mean {' or '.join(near)}?" if near else None
    return Finding(
        KINDS["unknown-tensor"], name, f"{where}: the graph has none", hint=hint
    )


def _placeholders_above(
    tensors: Tensors, needed: List[str], fed: Tuple[str, ...]
) -> List[str]:
    """Names of the placeholders that some tensors need, in the order of the file.

    What stands above an input that is fed in its place is not needed.
    """
    stop = {node_of(one) for one in fed}
    start = [node_of(one) for one in needed]
    above = upstream(tensors.nodes, start, stop.__contains__)
    return [
        name
        for name, node in tensors.nodes.items()
        if name in above and node.op in PLACEHOLDERS and name not in stop
    ]


def _check_all_fed(
    saved: SavedGraph,
    tensors: Tensors,
    needed: List[str],
    inputs: Mapping[str, TensorBinding],
) -> None:
    fed = tuple(one.tensor for one in inputs.values())
    required = [
        name
        for name in _placeholders_above(tensors, needed, fed)
        if tensors.nodes[name].op != "PlaceholderWithDefault"
    ]
    if not required:
        return
    findings = [
        Finding(KINDS["input-missing"], name, "the outputs need it")
        for name in required
    ]
    key = required[0].rpartition("/")[2]
    raise errors.UsageError(
        f"{saved.path}: the outputs also need {cut_names(required, _MAX_NAMES)}, which "
        "inputs= does not name",
        findings=findings,
        hint=f'inputs={{..., "{key}": "{required[0]}"}}, or leave inputs= out',
    )


def _outputs_unknown(saved: SavedGraph) -> errors.BuildError:
    # The list is the one that "legacy-restore inspect" shows.
    data = saved.meta_graph.SerializeToString()
    proposed = proposed_interface(read_meta_graph(message_of(data)))
    names = [one.name for one in proposed.outputs]
    finding = Finding(
        KINDS["outputs-unknown"],
        saved.path,
        "it has no signatures; " + _could_be(proposed),
        hint=_outputs_hint(proposed),
    )
    lines = [f"{saved.path} has no signatures: outputs= has to name what is computed"]
    if names:
        lines.append(f"  outputs may be {cut_names(names, _MAX_NAMES)}")
    inputs = [one.name for one in proposed.inputs]
    if inputs:
        lines.append(f"  inputs may be {cut_names(inputs, _MAX_NAMES)}")
    lines.append(f"  legacy-restore inspect {saved.path} shows them all")
    return errors.BuildError("\n".join(lines), findings=[finding], hint=finding.hint)


def _could_be(proposed: ProposedInterface) -> str:
    outputs = cut_names([one.name for one in proposed.outputs], _MAX_NAMES)
    inputs = cut_names([one.name for one in proposed.inputs], _MAX_NAMES)
    return f"outputs may be {outputs or 'any'}, inputs {inputs or 'any'}"


def _outputs_hint(proposed: ProposedInterface) -> str:
    likely = proposed.likely_outputs() or {"y": "NAME"}
    pairs = ", ".join(f'"{key}": "{name}"' for key, name in likely.items())
    flags = " ".join(
        f"--output_tensor=MODEL:{key}={name}" for key, name in likely.items()
    )
    return f"outputs={{{pairs}}}   or   {flags}"
