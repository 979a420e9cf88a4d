"""Other weights where several models share some."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.report.check_report import CheckStatus
from tests.graph.helpers import (
    assert_same,
    damage,
    ids,
    only,
    values_in,
    values_of,
    variables,
    write,
    write_v1,
)
from tests.graph.test_swap import refuse_swap

SHAPES = {"emb/bias": (3,), "emb/w": (6, 3), "out/w": (3, 2)}
AB = ("a", "b")
SHARED = [lr.Shared("emb", models=AB)]
OWNED = [lr.Shared("emb", models=AB, owner="a")]


def values(seed, emb):
    """Values of a model of a seed, those below ``emb`` of another one."""
    own, of_emb = values_of(SHAPES, seed), values_of(SHAPES, emb)
    return {name: of_emb[name] if name.startswith("emb") else own[name] for name in own}


@pytest.fixture
def pair(kind, tmp_path):
    """Two models whose checkpoints agree in what is below ``emb``."""
    return [
        lr.Model(
            name,
            variables(kind, SHAPES),
            write(tmp_path / name / "m", values(seed, emb=0)),
        )
        for seed, name in enumerate(AB, 1)
    ]


@pytest.fixture
def same(tmp_path):
    """A checkpoint with the same shared values and others besides."""
    return write(tmp_path / "same" / "m", values(5, emb=0))


@pytest.fixture
def other(tmp_path):
    """A checkpoint with other shared values."""
    return write(tmp_path / "other" / "m", values(6, emb=6))


@pytest.mark.parametrize("name", AB)
@pytest.mark.parametrize("shared", [SHARED, OWNED])
def test_a_checkpoint_with_the_same_shared_values(pair, same, name, shared):
    with lr.restore(pair, shared=shared) as restored:
        before = len(restored.graph.get_operations())
        restored[name].swap(same)
        for seed, one in enumerate(AB, 1):
            expected = values(5 if one == name else seed, emb=0)
            assert_same(values_in(restored, one), expected)
        assert restored.check().ok
        assert len(restored.graph.get_operations()) == before


@pytest.mark.parametrize("name", AB)
def test_other_shared_values_are_refused_without_an_owner(pair, other, name):
    with lr.restore(pair, shared=SHARED) as restored:
        error = refuse_swap(restored, name, other)
        assert ids(error.findings) == ["shared-differs", "shared-differs"]
        message = next(
            f.message for f in error.findings if f.subject == f"{name}/emb/w"
        )
        one, two = (values(seed, seed)["emb/w"].astype(float) for seed in (0, 6))
        assert f"18 of 18 differ, at most by {np.abs(one - two).max():.6g}" in message
        assert "owner=" in str(error)


def test_the_owner_brings_other_values_for_all(pair, other):
    with lr.restore(pair, shared=OWNED) as restored:
        report = restored["a"].swap(other)
        assert_same(values_in(restored, "a"), values(6, emb=6))
        assert_same(values_in(restored, "b"), values(2, emb=6))
        remark = only(report.findings, "shared-swapped")
        assert "2 variables also of b" in remark.message
        assert remark.message in str(report)
        check = restored.check()
        assert check.ok and len(check.with_status(CheckStatus.EQUAL)) == 6
        # And back.
        restored["a"].swap(pair[0].checkpoint)
        assert_same(values_in(restored, "b"), values(2, emb=0))


def test_beside_an_owner_a_copy_is_left_alone(pair, other):
    with lr.restore(pair, shared=OWNED) as restored:
        report = restored["b"].swap(other)
        assert_same(values_in(restored, "b"), values(6, emb=0))
        assert_same(values_in(restored, "a"), values(1, emb=0))
        assert "2 variables" in only(report.findings, "shared-copy-differs").message
        assert restored.check().ok
        # What was said of that copy is no longer true of other values.
        restored["a"].swap(other)
        assert ids(restored.plan["b"].findings) == []
        assert "shared-copy-differs" not in {f.id for f in restored.plan.findings}


def test_what_was_trained_is_not_what_the_checkpoint_has(pair, same):
    with lr.restore(pair, shared=SHARED) as restored:
        with restored.graph.as_default():
            w = restored["b"].variables[1]
            w.load(values(9, 9)["emb/w"], restored.session)
        with pytest.raises(errors.RestoreError) as caught:
            restored["a"].swap(same)
        assert only(caught.value.findings, "shared-differs").subject == "a/emb/w"
        assert (values_in(restored, "a")["emb/w"] == values(9, 9)["emb/w"]).all()
        assert (values_in(restored, "a")["out/w"] == values(1, 0)["out/w"]).all()


@pytest.mark.parametrize("shared", [SHARED, OWNED])
def test_a_checkpoint_may_lack_what_comes_from_another_model(pair, tmp_path, shared):
    lacking = write(tmp_path / "lacking" / "m", {"out/w": values(7, 7)["out/w"]})
    with lr.restore(pair, shared=shared) as restored:
        restored["b"].swap(lacking)
        assert_same(values_in(restored, "b"), values(7, emb=0))
        assert restored.check().ok
        error = refuse_swap(restored, "a", lacking)
        assert ids(error.findings) == ["missing-key", "missing-key"]


def test_a_copy_of_another_shape_is_refused_without_an_owner(kind, pair, tmp_path):
    wide = {**values(7, 0), "emb/w": np.zeros([9, 3], "f4")}
    prefix = write(tmp_path / "wide" / "m", wide)
    with lr.restore(pair, shared=SHARED) as restored:
        error = refuse_swap(restored, "b", prefix)
        assert ids(error.findings) == ["shape-mismatch"]
    with lr.restore(pair, shared=OWNED) as restored:
        report = restored["b"].swap(prefix)
        assert "1 variable" in only(report.findings, "shared-copy-differs").message
        assert_same(values_in(restored, "b"), values(7, emb=0))


def test_files_without_checksums_are_read(pair, tmp_path):
    same = write_v1(tmp_path / "v1same" / "m", values(5, emb=0))
    other = write_v1(tmp_path / "v1other" / "m", values(6, emb=6))
    with lr.restore(pair, shared=SHARED) as restored:
        restored["b"].swap(same)
        assert_same(values_in(restored, "b"), values(5, emb=0))
        error = refuse_swap(restored, "b", other)
        assert ids(error.findings) == ["shared-differs", "shared-differs"]


def test_a_damaged_owner_leaves_all_as_it_was(pair, other):
    damage(other, "out/w")
    with lr.restore(pair, shared=OWNED) as restored:
        error = refuse_swap(restored, "a", other)
        assert ids(error.findings) == ["tensor-corrupt"]
        assert "shared-swapped" not in str(restored["a"].report)


def test_a_model_that_restores_nothing_itself(kind, pair, tmp_path):
    whole = [lr.Shared("", AB, owner="a")]
    with lr.restore(pair, shared=whole) as restored:
        report = restored["b"].swap(write(tmp_path / "m", values(3, emb=0)))
        assert "1 variable" in only(report.findings, "shared-copy-differs").message
        assert_same(values_in(restored, "b"), values(1, emb=0))
        restored["a"].swap(write(tmp_path / "n", values(4, emb=4)))
        assert_same(values_in(restored, "b"), values(4, emb=4))
        assert restored.check().ok
