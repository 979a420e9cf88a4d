"""Variables of saved graphs that hold the path of an asset."""

import shutil

import numpy as np

import legacy_restore as lr
from tests.saved_graphs import saved_case

SECRET = np.array(b"/etc/hostname", object)


def with_key(tmp_path, key, value):
    """A SavedModel of TensorFlow 2 whose checkpoint has one key more."""
    directory = tmp_path / "moved"
    shutil.copytree(saved_case("objects").saved_model, str(directory))
    with lr.open_checkpoint(directory) as checkpoint:
        tensors = {name: checkpoint[name] for name in checkpoint}
    tensors[key] = value
    prefix = directory / "variables" / "variables"
    shutil.rmtree(str(directory / "variables"))
    (directory / "variables").mkdir()
    lr.write_checkpoint(str(prefix), tensors)
    return directory


def test_a_checkpoint_cannot_say_which_file_a_table_reads(tmp_path):
    case = saved_case("objects")
    directory = with_key(tmp_path, "Variable", SECRET)
    model = lr.Model.from_saved_model("m", directory, allow_unused=["Variable"])
    with lr.restore([model]) as restored:
        found = restored["m"](case.inputs)
        (holder,) = [one for one in restored["m"].variables if one.dtype == "string"]
        path = restored.session.run(holder)
    for key, value in case.outputs.items():
        np.testing.assert_array_equal(found[key], value)
    assert path.decode().endswith("vocab.txt")
    (finding,) = [
        one
        for one in lr.plan([lr.Model.from_saved_model("m", directory)]).findings
        if one.is_error
    ]
    assert (finding.id, finding.subject) == ("unused-weights", "Variable")


def test_a_rule_cannot_say_it_either(tmp_path):
    directory = with_key(tmp_path, "elsewhere", SECRET)
    rules = [lr.Rename("^elsewhere$", "Variable")]
    plan = lr.plan([lr.Model.from_saved_model("m", directory, rules=rules)])
    assert not plan.ok


def test_it_is_no_weight_that_is_missing():
    plan = lr.plan([lr.Model.from_saved_model("m", saved_case("objects").saved_model)])
    assert (plan.coverage.variables, plan.coverage.restored_variables) == (1, 1)
    assert plan.coverage.parameters == plan.coverage.restored_parameters == 8
    assert "m/Variable  string[]      (path of an asset)" in str(plan)
    assert "1 of 1 variables, 8 of 8 parameters" in str(plan)
