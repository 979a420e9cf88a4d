"""Models and checkpoints as plain data, for tests without TensorFlow."""

from legacy_restore.checkpoint import Location, TensorEntry
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec


def entry(key, shape=(2,), dtype="float32"):
    """What a checkpoint says about a tensor."""
    count = 1
    for size in shape:
        count *= size
    return TensorEntry(
        key=key,
        dtype=dtype,
        shape=tuple(shape),
        nbytes=4 * count,
        shard=0,
        slices=(),
        crc32c=0,
    )


def source(*entries, location="somewhere", findings=()):
    """A checkpoint; texts stand for entries of shape [2]."""
    found = [entry(one) if isinstance(one, str) else one for one in entries]
    return Source(
        location=Location(location, location),
        format="V2",
        entries={one.key: one for one in found},
        findings=tuple(findings),
    )


def variable(name, shape=(2,), dtype="float32", scope="m", **more):
    """A variable of a model, by its name without the scope."""
    return VariableSpec(
        name=f"{scope}/{name}",
        local_name=name,
        dtype=dtype,
        shape=None if shape is None else tuple(shape),
        kind="resource",
        **more,
    )


def model(*variables, name="m", scope=None, **more):
    """A model; texts stand for variables of shape [2]."""
    scope = name if scope is None else scope
    found = [
        variable(one, scope=scope) if isinstance(one, str) else one for one in variables
    ]
    return ModelSpec(name=name, scope=scope, variables=tuple(found), **more)


def ids(findings):
    """The ids of findings, in their order."""
    return [finding.id for finding in findings]


def error_ids(findings):
    """The ids of the findings that refuse, in their order."""
    return [finding.id for finding in findings if finding.is_error]


def of_id(findings, identifier):
    """The findings of one kind."""
    return [finding for finding in findings if finding.id == identifier]
