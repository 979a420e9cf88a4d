"""What packs are told of a model."""

from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.model_matching import match_model
from legacy_restore.planning.names import wanted_names
from tests.planning.specs import entry, error_ids, model, of_id, source, variable


def test_packs_see_what_is_to_be_matched():
    wanted = wanted_names(model(variable("w", [None, 3]), variable("seen", [])))
    assert [one.name for one in wanted] == ["w", "seen"]
    assert wanted[0][1:] == ("float32", (None, 3), True)
    local = model(variable("w"), variable("seen", is_local=True))
    assert [one.name for one in wanted_names(local)] == ["w"]


def test_local_variables_count_in_default_names_and_are_no_part_of_what_is_matched():
    """A metric that is made before the layers takes the first numbers."""
    wanted = model(
        variable("Variable", [], is_local=True),
        variable("Variable_1", [], is_local=True),
        variable("Variable_2", [4, 3]),
        variable("Variable_3", [3]),
    )
    stored = source(
        entry("Variable", [4, 3]), entry("Variable_1", [3]), entry("Variable_2", [])
    )
    for packs in ((), (PACKS["default-numbers"],)):
        one = model(*wanted.variables, packs=packs, allow_unused=("Variable_2",))
        match = match_model(one, stored)
        assert error_ids(match.findings) == []
        assert len(of_id(match.findings, "rule-pack")) == 1 - len(packs)
        keys = {row.variable.local_name: row.key for row in match.rows}
        assert keys["Variable_2"] == "Variable"
        assert keys["Variable_3"] == "Variable_1"
        assert keys["Variable"] is keys["Variable_1"] is None


def test_a_trained_model_under_names_of_tensors_is_restored():
    """All that a Saver of {variable.name: variable} saves has them."""
    scalars = entry("beta1_power:0", ()), entry("global_step:0", (), "int64")
    stored = source("w:0", "w/Adam:0", "w/Adam_1:0", *scalars)
    match = match_model(model("w"), stored)
    assert [row.key for row in match.rows] == ["w:0"]
    assert error_ids(match.findings) == []
    assert [one.subject for one in of_id(match.findings, "rule-pack")] == ["colon"]


def test_a_variable_of_unknown_rank_is_no_scalar():
    anything = model(variable("Variable", None))
    two = source(entry("Variable_2", ()), entry("Variable_3", (4, 4)))
    match = match_model(anything, two)
    assert [row.key for row in match.rows] == [None]
    assert of_id(match.findings, "missing-key")[0].hint is None
    match = match_model(anything, source(entry("Variable_3", (4, 4))))
    assert [row.key for row in match.rows] == ["Variable_3"]
    assert error_ids(match.findings) == []
