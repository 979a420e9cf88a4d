"""Shared variables whose tensors are converted."""

import pytest

import legacy_restore as lr
from legacy_restore import errors
from tests.graph.helpers import assert_same, ids, numbers, values_in, write
from tests.graph.test_partial import filled, padded


def model(name, kind, tmp_path, stored, **more):
    """A model of a shared table of 3 rows and a weight of its own."""
    prefix = write(tmp_path / name / "ckpt", {"emb/t": stored, "w": numbers((2,), 5)})
    return lr.Model(name, filled(kind, {"emb/t": [3, 2], "w": [2]}), prefix, **more)


def test_what_is_converted_alike_is_shared(kind, tmp_path):
    stored = numbers((2, 2))
    more = {"allow_shape": {"emb/t": "pad"}}
    models = [model(name, kind, tmp_path, stored, **more) for name in "ab"]
    shared = [lr.Shared("emb", models=("a", "b"))]
    with lr.restore(models, shared=shared, verify="session") as restored:
        for name in "ab":
            expected = {"emb/t": padded(stored, [3, 2]), "w": numbers((2,), 5)}
            assert_same(values_in(restored, name), expected)
        rows = {row.variable.name: row for row in restored.plan.rows}
        assert rows["a/emb/t"].conversion is not None
        assert rows["b/emb/t"].conversion is None


def test_what_is_converted_in_another_way_needs_an_owner(kind, tmp_path):
    small, large = numbers((2, 2)), numbers((4, 2))
    models = [
        model("a", kind, tmp_path, small, allow_shape={"emb/t": "pad"}),
        model("b", kind, tmp_path, large, allow_shape={"emb/t": "slice"}),
    ]
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore(models, shared=[lr.Shared("emb", models=("a", "b"))])
    assert ids(caught.value.findings) == ["shared-differs"]
    for owner, expected in (("a", padded(small, [3, 2])), ("b", large[:3])):
        shared = [lr.Shared("emb", models=("a", "b"), owner=owner)]
        with lr.restore(models, shared=shared, verify="session") as restored:
            for name in "ab":
                assert_same(
                    values_in(restored, name),
                    {"emb/t": expected, "w": numbers((2,), 5)},
                )


def test_a_swap_compares_what_is_made_of_the_tensor(kind, tmp_path):
    stored = numbers((4, 2))
    more = {"allow_shape": {"emb/t": "slice"}}
    models = [model(name, kind, tmp_path, stored, **more) for name in "ab"]
    same = numbers((5, 2))
    same[:3] = stored[:3]
    weights = {"w": numbers((2,), 6)}
    alike = write(tmp_path / "c" / "ckpt", {"emb/t": same, **weights})
    other = write(tmp_path / "d" / "ckpt", {"emb/t": numbers((5, 2), 1), **weights})
    shared = [lr.Shared("emb", models=("a", "b"))]
    with lr.restore(models, shared=shared) as restored:
        for name in "ab":
            with pytest.raises(errors.RestoreError) as caught:
                restored[name].swap(other)
            assert ids(caught.value.findings) == ["shared-differs"]
            restored[name].swap(alike)
            expected = {"emb/t": stored[:3], "w": weights["w"]}
            assert_same(values_in(restored, name), expected)
            restored.check().raise_if_failed()
