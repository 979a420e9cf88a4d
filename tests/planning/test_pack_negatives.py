"""No rule pack takes a checkpoint for a model that it is not, nor part of one.

The checkpoints are those that genuine old TensorFlows wrote; the models have their
names, and the names that each pack makes of them. No TensorFlow here.
"""

import dataclasses
import pathlib
import re

import pytest

from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.model_matching import match_model
from legacy_restore.restoring.opened import open_for_plan
from tests.planning.pack_cases import (
    have_types_of,
    is_restored_by,
    model_of,
    packs_taken,
    spec_of,
    variables_of,
    without,
    without_hints,
)
from tests.planning.specs import error_ids, of_id

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "rule_packs"
FOLDERS = sorted(path.name for path in GOLDEN.iterdir())

# Models that are the same in several folders.
SAME = [{"slim", "layers"}, {"tower", "module", "model", "colon", "doubled"}]


@pytest.fixture(autouse=True)
def no_hints(monkeypatch):
    without_hints(monkeypatch)


@pytest.fixture(scope="module")
def sources():
    """What each folder's checkpoint holds, by the folder."""
    return {
        name: open_for_plan(str(GOLDEN / name / "model.ckpt")).source
        for name in FOLDERS
    }


@pytest.fixture(scope="module")
def renamed(sources):
    """Variables under the names that a pack makes of a folder, by pack and folder.

    Of packs that give the same names the first stands for all.
    """
    found = {}
    for folder, source in sources.items():
        keys = [TypedName(*typed(one)) for one in source.entries.values()]
        for pack in PACKS.values():
            names = pack.rename(keys, ())
            variables = variables_of(source, names)
            if names and variables not in found.values():
                found[pack.name, folder] = variables
    return found


def typed(entry):
    return entry.key, entry.dtype, entry.shape


def are_of_one_model(one, other):
    """Whether two folders have one model, in two releases, libraries or scopes."""
    first, second = (
        re.sub(r"^tf\d+_\d+_", "", name).split("_")[0] for name in (one, other)
    )
    return first == second or any({first, second} <= case for case in SAME)


def test_no_pack_is_applied_to_the_checkpoint_of_another_model(sources):
    taken = {}
    for folder in FOLDERS:
        for other, source in sources.items():
            found = packs_taken(variables_of(sources[folder]), source)
            if found:
                taken[other, folder] = found
    assert [pair for pair in taken if not are_of_one_model(*pair)] == []
    # It is no wonder: of one model, they are.
    assert taken["tf0_12_cells", "tf1_15_cells"] == ["rnn-0.12"]
    assert taken["tf1_15_slim", "tf1_15_layers"] == ["slim-to-layers"]


def test_names_that_a_pack_makes_lead_to_no_checkpoint_of_another_model(
    sources, renamed
):
    assert len(renamed) > len(PACKS)
    num_of_fitting_types = 0
    for (pack, folder), variables in renamed.items():
        for other, source in sources.items():
            if are_of_one_model(folder, other):
                continue
            assert not is_restored_by(PACKS[pack], variables, source), (folder, other)
            if have_types_of(variables, source):
                num_of_fitting_types += 1
                assert packs_taken(variables, source) == [], (pack, folder, other)
    assert num_of_fitting_types > 10


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_pack_that_is_named_restores_no_other_model(pack, sources):
    restored = [
        (other, folder)
        for folder in FOLDERS
        for other, source in sources.items()
        if not are_of_one_model(folder, other)
        and is_restored_by(pack, variables_of(sources[folder]), source)
    ]
    assert restored == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_that_explain_a_model_leave_nothing_to_packs(folder, sources):
    variables = variables_of(sources[folder])
    match = match_model(model_of(variables), sources[folder])
    assert error_ids(match.findings) == []
    assert of_id(match.findings, "rule-pack") == []
    # What some pack could make of them.
    for pack in PACKS.values():
        model = model_of(variables, packs=(pack,))
        assert error_ids(match_model(model, sources[folder]).findings)


def applied(sources, renamed):
    """The models that a pack alone explains, with that pack and their checkpoint."""
    for (pack, folder), variables in renamed.items():
        if packs_taken(variables, sources[folder]) == [pack]:
            yield variables, sources[folder]


def test_packs_are_applied_to_all_of_a_model_or_to_nothing(sources, renamed):
    packs = set()
    for variables, source in applied(sources, renamed):
        packs.update(packs_taken(variables, source))
        lacking = without(source, next(iter(source.entries)))
        assert packs_taken(variables, lacking) == []
        more = [*variables, spec_of("one_more/kernel", "float32", [2, 3])]
        assert packs_taken(more, source) == []
        for change in ({"dtype": "float64"}, {"shape": (7, 7, 7)}):
            last = dataclasses.replace(variables[-1], **change)
            assert packs_taken([*variables[:-1], last], source) == []
    assert len(packs) > 10
