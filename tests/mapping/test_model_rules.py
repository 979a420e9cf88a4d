"""What may stand among the rules of a model."""

import pytest

from legacy_restore import errors
from legacy_restore.mapping.model_rules import (
    check_model_rules,
    packs_of,
    remaps_of,
    renames_of,
)
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.mapping.rules import Rename
from legacy_restore.mapping.vocabulary import VocabularyRemap


def test_rules_of_all_kinds_may_be_mixed():
    rename, remap = Rename("a", "b"), VocabularyRemap("emb", "a", "b")
    name = next(iter(PACKS))
    rules = check_model_rules([remap, name, rename])
    assert rules == (remap, PACKS[name], rename)
    assert renames_of(rules) == (rename,)
    assert remaps_of(rules) == (remap,)
    assert packs_of(rules) == (PACKS[name],)
    assert check_model_rules(rules) == rules


@pytest.mark.parametrize("wrong", [[1], [None], None, 1, "rnn-1.2"])
def test_what_is_no_list_of_rules_is_refused(wrong):
    with pytest.raises(errors.UsageError, match="rules takes a list"):
        check_model_rules(wrong)


def test_a_pack_that_there_is_not_is_refused_with_one_that_there_is():
    with pytest.raises(errors.UsageError, match="no rule pack 'rnn-1.3'") as raised:
        check_model_rules(["rnn-1.3"])
    assert "rnn-1.2" in raised.value.hint
    with pytest.raises(errors.UsageError) as raised:
        check_model_rules(["completely else"])
    assert raised.value.hint == "legacy-restore rules lists them"
