"""Variables that several models share: what is asked for, and what the models have.

A scope is looked for inside of each model's own: ``emb`` means ``a/emb/...`` of a model
in the scope ``a`` and ``b/emb/...`` of one in ``b``. A variable there that two of the
models have is shared. Whether their variables can have one storage is decided here as
far as their description tells.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.planning.spec import ModelSpec, VariableSpec, type_text
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names


@dataclasses.dataclass(frozen=True)
class Shared:
    """Variables that several models have in common: one storage, one source.

    The builders run unmodified and each makes its own; after that, those of the same
    name below the scope get the storage of one of them. What one model trains, the
    others see.

    Example: ``Shared("emb", models=("encoder", "decoder"), owner="encoder")``.

    Attributes:
      scope: The scope inside each model's own, or the name of one variable; ``""``
        stands for the whole of the models.
      models: The names of the models, two or more.
      owner: The model whose checkpoint the values come from. Without one, the
        checkpoints have to agree in every bit; the first of the models whose checkpoint
        has a variable is then the one that restores it.
    """

    scope: str
    models: Tuple[str, ...]
    owner: Optional[str] = None

    def __post_init__(self) -> None:
        """Checks the arguments.

        Raises:
          UsageError: The scope is no name, the models are not two or more different
            names, or the owner is none of them.
        """
        if not isinstance(self.scope, str) or self.scope != self.scope.strip("/"):
            raise errors.UsageError(
                f"Shared: {self.scope!r} is no scope inside of a model's",
                hint='Shared("emb", models=("a", "b"))',
            )
        given: Any = self.models
        names = () if isinstance(given, str) else _as_tuple(given)
        if len(names) < 2 or len(set(names)) < len(names):
            raise errors.UsageError(
                f"Shared({self.scope!r}): models have to be two or more different "
                f"names, not {given!r}"
            )
        if self.owner is not None and self.owner not in names:
            raise errors.UsageError(
                f"Shared({self.scope!r}): the owner {self.owner!r} is none of "
                f"{', '.join(names)}"
            )
        object.__setattr__(self, "models", names)

    def holds(self, local_name: str) -> bool:
        """Returns whether a name without its model's scope is in the shared scope."""
        is_below = local_name.startswith(self.scope + "/")
        return not self.scope or local_name == self.scope or is_below

    def owned_by(self, model: str) -> str:
        """Returns what to type so that a model is the owner."""
        flag = f"--shared={model}:{'/'.join(self.models)}={self.scope}"
        return f"Shared({self.scope!r}, {self.models!r}, owner={model!r})   or   {flag}"

    def __str__(self) -> str:
        """Shows it as it was given, without the owner."""
        return f"Shared({self.scope!r}, {self.models!r})"


def _as_tuple(names: Any) -> Tuple[str, ...]:
    found = tuple(names) if isinstance(names, Iterable) else ()
    return found if all(isinstance(one, str) for one in found) else ()


def check_shared(shared: Iterable[Shared], models: Sequence[str]) -> Tuple[Shared, ...]:
    """Returns what is shared as it is kept.

    Args:
      shared: What a caller gave.
      models: The names of all models of the plan.

    Raises:
      UsageError: It is no list of ``Shared``, or names a model that there is not.
    """
    found: Tuple[Any, ...] = tuple(shared) if isinstance(shared, Iterable) else (None,)
    if not all(isinstance(one, Shared) for one in found):
        raise errors.UsageError(
            "shared takes a list of Shared", hint='[Shared("emb", models=("a", "b"))]'
        )
    for one in found:
        for name in one.models:
            if name not in models:
                raise errors.UsageError(
                    f"Shared({one.scope!r}): there is no model {name!r}; "
                    f"there is {', '.join(models)}"
                )
    return found


@dataclasses.dataclass(frozen=True)
class SharedVariable:
    """A variable that two or more models have.

    Attributes:
      shared: What asks for it.
      variables: The variable of each model, by the model's name, in the order of
        ``shared``.
    """

    shared: Shared
    variables: Mapping[str, VariableSpec]

    @property
    def owner(self) -> Optional[str]:
        """The model that was named as the source, if it has the variable."""
        return self.shared.owner if self.shared.owner in self.variables else None


@dataclasses.dataclass(frozen=True)
class Sharing:
    """All that the models of a plan share.

    Attributes:
      variables: The variables that can be shared.
      findings: What cannot be, or is in the scope of one model only; each has a model.
    """

    variables: Tuple[SharedVariable, ...] = ()
    findings: Tuple[Finding, ...] = ()

    def findings_of(self, model: str) -> List[Finding]:
        """Returns the findings about one model."""
        return [one for one in self.findings if one.model == model]

    def of_model(self, model: str) -> List[SharedVariable]:
        """Returns the variables that a model shares."""
        return [one for one in self.variables if model in one.variables]

    def refusing(self, findings: Sequence[Finding]) -> Sharing:
        """Returns it without the variables that findings are about."""
        refused = {one.subject for one in findings}
        kept = (
            one
            for one in self.variables
            if refused.isdisjoint(spec.name for spec in one.variables.values())
        )
        return Sharing(tuple(kept), (*self.findings, *findings))


def find_sharing(shared: Sequence[Shared], models: Mapping[str, ModelSpec]) -> Sharing:
    """Returns what models share.

    Args:
      shared: What was asked for, checked.
      models: All models by name, their graph built.
    """
    variables: List[SharedVariable] = []
    findings: List[Finding] = []
    for one in shared:
        found = _in_scope(one, models)
        common = [by_model for by_model in found.values() if len(by_model) > 1]
        if not common:
            findings.append(_nothing_shared(one))
        findings += _of_one_model(one, found)
        variables += [SharedVariable(one, by_model) for by_model in common]
    sharing = Sharing(tuple(variables), tuple(findings))
    return sharing.refusing([*_in_two(variables), *_unlike(variables)])


def with_sharing(model: ModelSpec, sharing: Sharing) -> ModelSpec:
    """Returns a model that knows which of its variables others may have for it."""
    own = sharing.of_model(model.name)
    return dataclasses.replace(
        model,
        shared=frozenset(one.variables[model.name].local_name for one in own),
        owned_elsewhere=frozenset(
            one.variables[model.name].local_name
            for one in own
            if one.owner not in (None, model.name)
        ),
    )


def _in_scope(
    shared: Shared, models: Mapping[str, ModelSpec]
) -> Dict[str, Dict[str, VariableSpec]]:
    """What the models have below the scope, by name without scope and by model.

    Local variables of all models stay apart: no checkpoint has them.
    """
    found: Dict[str, Dict[str, VariableSpec]] = {}
    for name in shared.models:
        scope = models[name].scope
        for variable in models[name].variables:
            # What is outside of its model's scope has its whole name as the local one.
            is_inside = variable.name == f"{scope}/{variable.local_name}"
            if is_inside and shared.holds(variable.local_name):
                found.setdefault(variable.local_name, {})[name] = variable
    return {
        name: by_model
        for name, by_model in found.items()
        if not all(one.is_local for one in by_model.values())
    }


def _nothing_shared(shared: Shared) -> Finding:
    return Finding(
        KINDS["unused-shared"],
        str(shared),
        "no variable below the scope is one of two of the models",
        model=shared.models[0],
        hint="the scope is that inside of each model's own, without it",
    )


def _of_one_model(
    shared: Shared, found: Mapping[str, Mapping[str, VariableSpec]]
) -> List[Finding]:
    findings = []
    for by_model in found.values():
        if len(by_model) == 1:
            [(model, variable)] = by_model.items()
            others = cut_names([one for one in shared.models if one != model])
            findings.append(
                Finding(
                    KINDS["shared-by-one"],
                    variable.name,
                    f"there is none in {others}",
                    model=model,
                )
            )
    return findings


def _in_two(variables: Sequence[SharedVariable]) -> List[Finding]:
    seen: Dict[str, Shared] = {}
    findings = []
    for one in variables:
        for model, variable in one.variables.items():
            other = seen.setdefault(variable.name, one.shared)
            if other is not one.shared:
                findings.append(
                    Finding(
                        KINDS["shared-mismatch"],
                        variable.name,
                        f"it is in {other} and in {one.shared}",
                        model=model,
                        hint="name each variable in one Shared, with all its models",
                    )
                )
    return findings


def _unlike(variables: Sequence[SharedVariable]) -> List[Finding]:
    findings = []
    for one in variables:
        first = next(iter(one.variables.values()))
        for model, variable in one.variables.items():
            why = _difference(variable, first)
            if why:
                findings.append(
                    mismatch(model, variable.name, f"{first.name}: {why}", variable)
                )
    return findings


def mismatch(model: str, name: str, why: str, variable: VariableSpec) -> Finding:
    """Returns the finding for a variable that cannot have another one's storage.

    Args:
      model: Its model.
      name: Its name, or that of one of its parts.
      why: The reason.
      variable: The variable.
    """
    return Finding(
        KINDS["shared-mismatch"],
        name,
        why,
        model=model,
        expected=type_text(variable.dtype, variable.shape),
        hint="build it alike in all models, or leave it out of the shared scope",
    )


def _difference(variable: VariableSpec, first: VariableSpec) -> str:
    """Why two variables cannot have one storage; empty if they can."""
    if variable.saved_with:
        return f"what is saved of a {variable.kind} cannot be shared"
    if (variable.dtype, variable.shape) != (first.dtype, first.shape):
        return f"it is {type_text(first.dtype, first.shape)}"
    if variable.is_local != first.is_local:
        return "one of the two is a local variable"
    if variable.kind != first.kind:
        return f"it is a {first.kind} variable, and this a {variable.kind} variable"
    places = [one.place for one in variable.pieces]
    if places != [one.place for one in first.pieces]:
        return f"it is cut in another way: into {first.parts}, this into {len(places)}"
    return ""
