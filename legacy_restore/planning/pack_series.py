"""Rule packs one after the other: which of them would explain most of a model.

Names are often of several habits at once. So series of packs are tried, where one is
not enough - for a hint, never to be applied. Most orders of the same packs give the
same names, which are looked at once.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Deque, Dict, Iterator, Optional, Tuple

from legacy_restore.mapping.packs.pack import RulePack
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.considering import explained
from legacy_restore.planning.names import Names, names_by_packs
from legacy_restore.planning.spec import ModelSpec, Source

_MAX_PACKS = 3
# Names that are given to packs while series of them are tried.
_MAX_NAMES = 1_000_000


@dataclasses.dataclass(frozen=True)
class HelpfulPacks:
    """Packs that explain more of a model than its names.

    Attributes:
      packs: The packs, in the order in which they are applied.
      num_more: How many more variables get a key that they admit.
    """

    packs: Tuple[RulePack, ...]
    num_more: int


def helpful_packs(
    model: ModelSpec, source: Source, names: Names
) -> Optional[HelpfulPacks]:
    """Returns the packs that explain most of a model: of equals the shortest series.

    Args:
      model: The model.
      source: What its checkpoint holds.
      names: What its tensors are called, which does not explain the model.

    Returns:
      None where no series explains more than the names do.
    """
    trials = _Trials(model, source)
    before = most = explained(model, source, names).count
    best: Tuple[RulePack, ...] = ()
    for packs, state in _series(trials, trials.state_of(names)):
        count = explained(model, source, state.names).count
        if count > most:
            best, most = packs, count
    return HelpfulPacks(best, most - before) if best else None


class _State:
    """Names, and those that each pack makes of them, as far as it was tried."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.after: Dict[str, Optional[_State]] = {}


class _Trials:
    """What packs make of names; equal names are one state."""

    def __init__(self, model: ModelSpec, source: Source) -> None:
        self._model = model
        self._source = source
        self._states: Dict[Tuple[Tuple[str, str], ...], _State] = {}

    def state_of(self, names: Names) -> _State:
        """Returns the state of some names."""
        items = tuple(names.renamed.key_of.items())
        return self._states.setdefault(items, _State(names))

    def after(self, state: _State, pack: RulePack) -> Optional[_State]:
        """Returns what a pack makes of names; None where it changes none."""
        if pack.name not in state.after:
            found = names_by_packs(state.names, [pack], self._model, self._source)
            state.after[pack.name] = None if found is None else self.state_of(found)
        return state.after[pack.name]


def _series(
    trials: _Trials, first: _State
) -> Iterator[Tuple[Tuple[RulePack, ...], _State]]:
    """Yields packs with names that none before them gave, the shortest series first."""
    waiting: Deque[Tuple[Tuple[RulePack, ...], _State]] = collections.deque()
    waiting.append(((), first))
    seen = {first}
    names_left = _MAX_NAMES
    while waiting:
        packs, state = waiting.popleft()
        if state not in seen:
            seen.add(state)
            yield packs, state
        if len(packs) == _MAX_PACKS:
            continue
        for pack in PACKS.values():
            # Counted though it may be known, so that what is tried depends on sizes.
            names_left -= len(state.names.renamed.key_of)
            if names_left < 0:
                break
            after = trials.after(state, pack)
            if after is not None and pack not in packs:
                waiting.append(((*packs, pack), after))
