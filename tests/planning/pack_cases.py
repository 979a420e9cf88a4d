"""Checkpoints and graphs as data, to hold rule packs against each other."""

import dataclasses

from legacy_restore.planning import model_matching
from legacy_restore.planning.model_matching import match_model
from legacy_restore.planning.names import names_by_rules
from legacy_restore.planning.spec import ModelSpec, VariableSpec
from tests.planning.specs import error_ids, of_id


def spec_of(name, dtype, shape, **more):
    """A variable of the model ``net``."""
    shape = None if shape is None else tuple(shape)
    return VariableSpec(f"net/{name}", name, dtype, shape, "resource", **more)


def variables_of(source, names=None):
    """Variables like a checkpoint's whole tensors, under other names where given."""
    names = names or {}
    return tuple(
        spec_of(names.get(key, key), entry.dtype, entry.shape)
        for key, entry in source.entries.items()
        if entry.is_complete
    )


def model_of(variables, **more):
    """The model ``net`` of some variables."""
    return ModelSpec(name="net", scope="net", variables=tuple(variables), **more)


def packs_taken(variables, source):
    """The packs that a plan applies although nobody named one."""
    return packs_in(match_model(model_of(variables), source))


def packs_in(match):
    """The packs by which a model is matched although nobody named one."""
    found = [one.subject for one in of_id(match.findings, "rule-pack")]
    # A way that several packs lead to is refused; none of them may lead there.
    ambiguous = [one.message for one in of_id(match.findings, "ambiguous-match")]
    return found + [text for text in ambiguous if "rule pack" in text]


def is_restored_by(pack, variables, source):
    """Whether a plan restores a model with a pack that was named."""
    if not variables or not have_types_of(variables, source):
        return False
    model = model_of(variables, packs=(pack,))
    if of_id(names_by_rules(model, source).findings, "unused-rule"):
        return False  # The pack changes nothing, which is an error.
    return not error_ids(match_model(model, source).findings)


def have_types_of(variables, source):
    """Whether a checkpoint has a tensor of each variable's type: else no name helps."""
    types = {(one.dtype, one.shape) for one in source.entries.values()}
    dtypes = {one.dtype for one in source.entries.values()}
    return all(
        (one.dtype, one.shape) in types
        or (one.dtype in dtypes and (one.shape is None or None in one.shape))
        for one in variables
    )


def without(source, key):
    """A checkpoint that lacks a tensor."""
    entries = {name: one for name, one in source.entries.items() if name != key}
    return dataclasses.replace(source, entries=entries)


def without_hints(monkeypatch):
    """Takes the search for a hint out, which comes when no pack has been applied."""
    monkeypatch.setattr(model_matching, "_with_packs_hinted", lambda match, *_: match)
