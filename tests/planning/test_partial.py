"""Restoring in part, and from tensors that do not fit: what a plan makes of it."""

import dataclasses
import json

import pytest

from legacy_restore.mapping.partial import check_partial
from legacy_restore.mapping.vocabulary import NEW_ROW, RowMap
from legacy_restore.planning.model_matching import match_model
from legacy_restore.planning.plan import Action, coverage_of
from tests.planning.specs import (
    entry,
    error_ids,
    ids,
    model,
    of_id,
    source,
    variable,
)


def matched(variables, entries, remaps=(), **more):
    """The match of a model; what is no permission is an attribute of it."""
    known = ("allow_shape", "cast", "only", "exclude")
    given = {name: more.pop(name) for name in known if name in more}
    partial = dataclasses.replace(check_partial(**given), remaps=tuple(remaps))
    return match_model(model(*variables, partial=partial, **more), source(*entries))


def row_of(match, name):
    [row] = [row for row in match.rows if row.variable.local_name == name]
    return row


def row_map(sources, old_words, pattern="emb", old_oov=0):
    return RowMap(pattern, "old.txt", "new.txt", old_words, old_oov, tuple(sources))


# Shapes.


def test_a_list_of_shape_waivers_leaves_the_variable_to_its_initialiser():
    match = matched(
        ["a", variable("logits", [5])],
        ["a", entry("logits", [9])],
        allow_shape=["logits"],
    )
    assert error_ids(match.findings) == []
    row = row_of(match, "logits")
    assert (row.action, row.entry, row.conversion) == (Action.INITIALIZE, None, None)
    [remark] = of_id(match.findings, "left-to-initializer")
    assert remark.message == "the checkpoint has float32[9]"
    # Its key is no leftover.
    assert of_id(match.findings, "unused-weights") == []


@pytest.mark.parametrize(
    ("action", "shape", "stored", "restored"),
    [
        ("slice", (2, 3), (4, 3), 6),
        ("slice", (2, 1), (4, 3), 2),
        ("slice", (0, 3), (4, 3), 0),
        ("pad", (4, 3), (2, 3), 6),
        ("pad", (4, 3), (2, 2), 4),
        ("pad", (4, 3), (0, 3), 0),
    ],
)
def test_the_leading_part_is_restored(action, shape, stored, restored):
    match = matched(
        ["a", variable("w", shape)],
        ["a", entry("w", stored)],
        allow_shape={"w": action},
    )
    assert error_ids(match.findings) == []
    row = row_of(match, "w")
    assert row.action is Action.RESTORE
    assert row.key == "w"
    assert row.conversion.resize == action
    assert row.conversion.shape == shape
    assert row.num_restored == restored
    assert row.conversion.needs_initializer is (action == "pad")
    assert coverage_of([row]).restored_parameters == restored
    assert len(of_id(match.findings, "converted")) == 1


@pytest.mark.parametrize(
    ("action", "shape", "stored", "said"),
    [
        ("slice", (5, 3), (4, 4), "slice would have to pad axis 0: 4 to 5"),
        ("pad", (5, 3), (4, 4), "pad would have to slice axis 1: 4 to 3"),
        ("slice", (5,), (4, 4), "slice needs the same number of axes"),
        ("pad", (), (1,), "pad needs the same number of axes"),
        ("pad", (None, 3), (4, 4), "pad needs a shape that is known"),
    ],
)
def test_what_an_action_cannot_do_is_said(action, shape, stored, said):
    match = matched(
        ["a", variable("w", shape)],
        ["a", entry("w", stored)],
        allow_shape={"w": action},
    )
    [finding] = of_id(match.findings, "shape-mismatch")
    assert finding.message == said
    assert finding.waiver is None
    assert error_ids(match.findings) == ["shape-mismatch"]


def test_the_first_pattern_counts():
    match = matched(
        [variable("a", [2]), variable("b", [2])],
        [entry("a", [4]), entry("b", [4])],
        allow_shape={"a": "slice", ".*": "initialize"},
    )
    assert row_of(match, "a").conversion.resize == "slice"
    assert row_of(match, "b").action is Action.INITIALIZE


def test_a_shape_that_fits_needs_no_waiver():
    match = matched(["a", "b"], ["a", "b"], allow_shape=["a"])
    assert error_ids(match.findings) == ["unused-waiver"]


# Dtypes.


def test_a_cast_has_to_name_the_dtype_of_the_variable():
    variables = ["a", variable("w", dtype="float16")]
    entries = ["a", entry("w", dtype="float64")]
    assert error_ids(matched(variables, entries).findings) == ["dtype-mismatch"]
    match = matched(variables, entries, cast={"w": "float32"})
    [finding] = of_id(match.findings, "dtype-mismatch")
    assert finding.message == "cast names float32: it has to be the variable's dtype"
    match = matched(variables, entries, cast={"w": "float16"})
    assert error_ids(match.findings) == []
    assert row_of(match, "w").conversion.is_cast
    assert not row_of(match, "w").conversion.needs_initializer


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [
        ("string", "float32"),
        ("float32", "string"),
        ("complex64", "float32"),
        ("int8", "qint8"),
    ],
)
def test_there_is_no_cast_between_what_is_no_number(stored, dtype):
    match = matched(
        ["a", variable("w", dtype=dtype)],
        ["a", entry("w", dtype=stored)],
        cast={"w": dtype},
    )
    [finding] = of_id(match.findings, "dtype-mismatch")
    assert finding.message == f"there is no cast from {stored} to {dtype}"


def test_quantized_numbers_are_not_converted():
    match = matched(
        ["a", variable("w", dtype="qint8")],
        ["a", entry("w", [4], dtype="qint8")],
        allow_shape={"w": "slice"},
    )
    [finding] = of_id(match.findings, "shape-mismatch")
    assert finding.message == "quantized numbers are not converted"


def test_shape_and_dtype_may_both_differ():
    match = matched(
        [variable("w", [2], "int64")],
        [entry("w", [3], "int32")],
        cast={"w": "int64"},
        allow_shape={"w": "slice"},
    )
    assert error_ids(match.findings) == []
    assert str(row_of(match, "w").conversion) == (
        "the leading part of [3]; cast from int32"
    )


def test_a_cast_that_nothing_needs_is_unused():
    assert error_ids(matched(["a"], ["a"], cast={"a": "float32"}).findings) == [
        "unused-waiver"
    ]


# A choice of variables.


def test_only_what_is_chosen_is_restored_whatever_the_checkpoint_has():
    match = matched(
        ["e/w", "d/w", variable("d/v", [9]), "d/none"],
        ["e/w", "d/w", "d/v"],
        only=["e/.*"],
    )
    assert error_ids(match.findings) == []
    assert [row.action for row in match.rows] == [Action.RESTORE] + 3 * [
        Action.INITIALIZE
    ]
    assert of_id(match.findings, "unused-weights") == []
    assert len(of_id(match.findings, "left-to-initializer")) == 3


def test_what_is_excluded_is_not_restored():
    match = matched(["e/w", "d/w"], ["e/w", "d/w"], exclude=["d/.*"])
    assert error_ids(match.findings) == []
    assert row_of(match, "d/w").action is Action.INITIALIZE
    both = matched(
        ["e/w", "e/b", "d/w"], ["e/w", "e/b", "d/w"], only=["e/.*"], exclude=[".*/b"]
    )
    assert error_ids(both.findings) == []
    assert [row.action is Action.RESTORE for row in both.rows] == [True, False, False]


def test_weights_that_no_variable_has_are_leftovers_all_the_same():
    match = matched(["e/w", "d/w"], ["e/w", "d/w", "x/w"], only=["e/.*"])
    assert error_ids(match.findings) == ["unused-weights"]


@pytest.mark.parametrize("argument", ["only", "exclude"])
def test_a_choice_that_matches_nothing_is_an_error(argument):
    match = matched(["a", "b"], ["a", "b"], **{argument: ["a", "c"]})
    [finding] = of_id(match.findings, "unused-waiver")
    assert finding.subject == f"{argument}='c'"


def test_variables_that_are_left_out_make_no_match_ambiguous():
    # Both ways give e/w its key; they differ only in what is left out.
    variables = ["e/w", "d/w"]
    match = matched(variables, ["m/e/w", "m/d/w", "old/d/w"], exclude=["d/.*"])
    assert row_of(match, "e/w").key == "m/e/w"
    assert error_ids(match.findings) == ["unused-weights"]


def test_a_table_is_left_out_whole_or_not():
    halves = [
        dataclasses.replace(
            variable(f"t-{half}", [None], saved_with="m/t-keys"), kind="table"
        )
        for half in ("keys", "values")
    ]
    entries = ["a", "t-keys", "t-values"]
    whole = matched(["a", *halves], entries, exclude=["t-.*"])
    assert error_ids(whole.findings) == []
    half = matched(["a", *halves], entries, exclude=["t-keys"])
    assert error_ids(half.findings) == ["saveable-object", "saveable-object"]


def test_what_is_left_out_needs_no_average():
    def trainable(name):
        return variable(name, is_trainable=True)

    average = entry("a/ExponentialMovingAverage")
    variables = [trainable("a"), trainable("b")]
    entries = ["a", "b", average]
    refused = matched(variables, entries, weights="ema")
    assert error_ids(refused.findings) == ["missing-shadow"]
    match = matched(variables, entries, weights="ema", only=["a"])
    assert error_ids(match.findings) == []
    assert row_of(match, "a").key == average.key


# Vocabularies.


def test_rows_follow_the_vocabulary():
    match = matched(
        [variable("emb", [4, 3])],
        [entry("emb", [2, 3])],
        [row_map([1, NEW_ROW, 0], old_words=2)],
    )
    assert error_ids(match.findings) == []
    conversion = row_of(match, "emb").conversion
    assert conversion.rows.sources == (1, NEW_ROW, 0)
    assert conversion.num_restored == 6
    assert conversion.needs_initializer
    [remark] = of_id(match.findings, "converted")
    assert remark.message == "2 of 4 rows, by the vocabulary"
    assert json.dumps(row_of(match, "emb").to_json())


def test_slots_and_averages_go_with_their_variable():
    names = ["emb/Adam", "train/m/emb/Adam_1", "emb/0/Adagrad"]
    match = matched(
        [
            variable("emb", [3, 2]),
            *(variable(name, [3, 2]) for name in names),
            variable("emb/vr", [3]),
            variable("emb/vc", [2]),
            variable("emb/proj", [2, 2]),
            variable("other/Adam", [3, 2]),
        ],
        [
            *(entry(name, [2, 2]) for name in ["emb", *names]),
            entry("emb/vr", [2]),
            entry("emb/vc", [2]),
            entry("emb/proj", [2, 2]),
            entry("other/Adam", [3, 2]),
        ],
        [row_map([1, NEW_ROW, 0], old_words=2)],
    )
    assert error_ids(match.findings) == []
    converted = {row.variable.local_name for row in match.rows if row.conversion}
    assert converted == {"emb", *names, "emb/vr"}


def test_a_vector_that_may_go_by_rows_or_columns_is_refused():
    variables = [variable("emb", [3, 3]), variable("emb/v", [3])]
    entries = [entry("emb", [3, 3]), entry("emb/v", [3])]
    remap = row_map([1, 2, 0], old_words=3)
    match = matched(variables, entries, [remap])
    assert error_ids(match.findings) == ["vocabulary-mismatch"]
    own = row_map([1, 2, 0], old_words=3, pattern="emb(/v)?")
    assert error_ids(matched(variables, entries, [own]).findings) == []


@pytest.mark.parametrize(
    ("shape", "stored", "said"),
    [
        ((3, 2), (3, 2), "old.txt has 2 lines: the checkpoint has 3 rows; old_oov=1"),
        ((3, 2), (1, 2), "old.txt has 2 lines: the checkpoint has 1 rows"),
        ((2, 2), (2, 2), "new.txt has 3 lines: the variable has 2 rows"),
        ((3, 2), (2, 3), "only the number of rows may differ"),
        ((None, 2), (2, 2), "it has no rows, or not a known number of them"),
        ((), (), "it has no rows, or not a known number of them"),
    ],
)
def test_numbers_of_rows_that_do_not_fit_are_refused(shape, stored, said):
    match = matched(
        ["a", variable("emb", shape)],
        ["a", entry("emb", stored)],
        [row_map([1, NEW_ROW, 0], old_words=2)],
    )
    [finding] = of_id(match.findings, "vocabulary-mismatch")
    assert finding.message.startswith(said)
    assert error_ids(match.findings) == ["vocabulary-mismatch"]


def test_rows_behind_the_old_vocabulary_are_named():
    match = matched(
        [variable("emb", [3, 2])],
        [entry("emb", [4, 2])],
        [row_map([1, NEW_ROW, 0], old_words=2, old_oov=2)],
    )
    assert error_ids(match.findings) == []


def test_a_remap_that_matches_no_variable_is_unused():
    match = matched(["a"], ["a"], [row_map([0], 1, pattern="embed")])
    assert ids(match.findings) == ["unused-rule"]


def test_what_is_stored_in_part_is_not_converted():
    from legacy_restore.checkpoint import TensorSlice

    part = dataclasses.replace(
        entry("w", [4]), slices=(TensorSlice((0,), (2,)),), crc32c=None
    )
    match = matched(["a", variable("w", [2])], ["a", part], allow_shape={"w": "slice"})
    assert error_ids(match.findings) == ["missing-key", "unused-waiver"]
