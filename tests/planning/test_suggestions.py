"""What a missing variable may be called in the checkpoint."""

import pytest

from legacy_restore.planning.suggestions import Suggester
from tests.planning.specs import entry, variable


def suggest(missing, *left):
    return Suggester(left).suggest(missing)


def test_the_only_key_of_the_type_is_named_whatever_it_is_called():
    text = suggest(variable("dense/kernel", [3]), entry("xyz", [3]), entry("b", [4]))
    assert "xyz" in text


def test_among_keys_of_the_type_the_most_alike_is_named():
    text = suggest(
        variable("rnn/cell/kernel"), entry("rnn/cell/weights"), entry("other/thing")
    )
    assert "rnn/cell/weights" in text


def test_of_another_shape_only_a_slip_of_the_pen_is_named():
    left = [entry("dense/kernal", [9]), entry("something/else", [9])]
    assert "dense/kernal" in suggest(variable("dense/kernel", [3]), *left)
    assert suggest(variable("logits/w", [3]), *left) == ""


def test_nothing_is_named_where_nothing_is_left():
    assert suggest(variable("a")) == ""


@pytest.mark.timeout(60)
def test_thousands_of_missing_variables_take_no_time():
    left = [entry(f"block_{n}/layer_with_a_long_name/w") for n in range(4000)]
    suggester = Suggester(left)
    texts = [
        suggester.suggest(variable(f"other_{n}/layer_with_a_long_name/kernel"))
        for n in range(4000)
    ]
    assert texts[0]
    assert texts[-1] == ""
