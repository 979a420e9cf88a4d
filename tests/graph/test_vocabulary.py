"""Embeddings whose vocabulary changed, beside TensorFlow's own warm start."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.report.check_report import CheckStatus
from legacy_restore.tf import tf
from tests.graph.helpers import (
    assert_same,
    ids,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    write,
)

FILL = 7.0
OLD = ["the", "cat", "sat", "on", "mat", "dog"]
NEW = ["dog", "bird", "the", "mat", "tree"]
SIZE = 3


def vocabularies(directory, old=OLD, new=NEW):
    """Writes two files; returns their paths."""
    directory.mkdir(exist_ok=True, parents=True)
    paths = []
    for name, words in (("old.txt", old), ("new.txt", new)):
        path = directory / name
        path.write_bytes("".join(f"{word}\n" for word in words).encode())
        paths.append(str(path))
    return paths


def embedding(kind, rows, parts=1, names=("emb",)):
    """A builder of embeddings whose initialisers give 7 everywhere."""

    def build():
        partitioner = tf.fixed_size_partitioner(parts) if parts > 1 else None
        for name in names:
            tf.get_variable(
                name,
                [rows, SIZE],
                initializer=tf.constant_initializer(FILL),
                partitioner=partitioner,
            )
        tf.get_variable("b", [2])

    return of_kind(kind, build)


def remapped(stored, old=OLD, new=NEW, rows=None):
    """What a remap has to give."""
    value = np.full((rows or len(new), *stored.shape[1:]), FILL, stored.dtype)
    for row, word in enumerate(new):
        if word in old:
            value[row] = stored[old.index(word)]
    return value


def whole(restored, name, variable="emb"):
    """The value of a variable that may be in parts."""
    values = values_in(restored, name)
    parts = sorted(key for key in values if key.split("/part_")[0] == variable)
    return np.concatenate([values[key] for key in parts])


def warm_started(build, prefix, old_file, new_file, oov):
    """What TensorFlow's own warm start gives."""
    with tf.Graph().as_default(), tf.Session() as session:
        build()
        parts = [v for v in tf.global_variables() if v.op.name != "b"]
        info = tf.train.VocabInfo(
            new_vocab=new_file,
            new_vocab_size=len(NEW),
            num_oov_buckets=oov,
            old_vocab=old_file,
            backup_initializer=lambda shape, dtype=None: tf.fill(shape, FILL),
        )
        tf.train.warm_start(prefix, "emb", {"emb": info})
        session.run(tf.global_variables_initializer())
        return np.concatenate(session.run(parts))


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("oov", [0, 2])
def test_rows_are_those_of_a_warm_start(kind, tmp_path, parts, oov):
    old_file, new_file = vocabularies(tmp_path)
    stored = {"emb": numbers((len(OLD), SIZE)), "b": numbers((2,))}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    rows = len(NEW) + oov
    build = embedding(kind, rows, parts)
    remap = lr.VocabularyRemap("emb", old_file, new_file)
    with lr.restore([lr.Model("m", build, prefix, rules=[remap])]) as restored:
        found = whole(restored, "m")
        np.testing.assert_array_equal(found, remapped(stored["emb"], rows=rows))
        assert (restored.check().ok, restored.report.coverage.restored_parameters) == (
            True,
            3 * SIZE + 2,
        )
    expected = warm_started(build, prefix, old_file, new_file, oov)
    np.testing.assert_array_equal(found, expected)


def test_a_vocabulary_that_only_moved_needs_no_initialiser(kind, tmp_path):
    new = OLD[::-1]
    files = vocabularies(tmp_path, new=new)
    stored = {"emb": numbers((len(OLD), SIZE)), "b": numbers((2,))}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    model = lr.Model(
        "m",
        embedding(kind, len(new)),
        prefix,
        rules=[lr.VocabularyRemap("emb", *files)],
    )
    with lr.restore([model], verify="session") as restored:
        np.testing.assert_array_equal(whole(restored, "m"), stored["emb"][::-1])


def test_rules_rename_and_remap_together(kind, tmp_path):
    files = vocabularies(tmp_path)
    stored = {"old/table": numbers((len(OLD), SIZE)), "old/b": numbers((2,))}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    rules = [
        lr.VocabularyRemap("emb|other", *files),
        lr.Rename("^old/table$", "emb"),
        lr.Rename("^old/", ""),
    ]
    model = lr.Model("m", embedding(kind, len(NEW)), prefix, rules=rules)
    with lr.restore([model], verify="session") as restored:
        np.testing.assert_array_equal(
            whole(restored, "m"), remapped(stored["old/table"])
        )


def test_a_remapped_embedding_may_be_cast(kind, tmp_path):
    files = vocabularies(tmp_path)
    stored = {"emb": np.float64(numbers((len(OLD), SIZE))), "b": numbers((2,))}
    stored["emb"][OLD.index("sat")] = 1e300  # No word of the new vocabulary.
    prefix = write(tmp_path / "m" / "ckpt", stored)
    more = {"rules": [lr.VocabularyRemap("emb", *files)], "cast": {"emb": "float32"}}
    model = lr.Model("m", embedding(kind, len(NEW)), prefix, **more)
    with lr.restore([model], verify="session") as restored:
        expected = remapped(stored["emb"]).astype(np.float32)
        np.testing.assert_array_equal(whole(restored, "m"), expected)
    stored["emb"][OLD.index("mat"), 1] = 1e300
    prefix = write(tmp_path / "n" / "ckpt", stored)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([lr.Model("m", embedding(kind, len(NEW)), prefix, **more)])
    message = only(caught.value.findings, "cast-overflow").message
    # The row of the variable, not that of the file.
    assert message.endswith(f"the first at [{NEW.index('mat')}, 1]")


def test_what_a_remapped_model_takes_is_estimated(kind, tmp_path):
    files = vocabularies(tmp_path)
    stored = {"emb": numbers((len(OLD), SIZE)), "b": numbers((2,))}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    rules = [lr.VocabularyRemap("emb", *files)]
    model = lr.Model("m", embedding(kind, len(NEW)), prefix, rules=rules)
    halved = lr.Model("m", embedding(kind, 1), prefix, cast={".*": "float16"})
    assert lr.estimate([halved]).weights == 2 * (len(OLD) * SIZE + 2)
    assert lr.estimate([model]).weights == 4 * (len(OLD) * SIZE + 2)
    assert lr.estimate(lr.plan([model])).weights == 4 * (len(NEW) * SIZE + 2)


# Slots, averages, parts.

OPTIMIZERS = {
    "Adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    "Adam": lambda: tf.train.AdamOptimizer(0.1),
    "Momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
}


def trained(kind, rows, optimizer, parts):
    """A builder of an embedding that is trained and averaged."""

    def build():
        partitioner = tf.fixed_size_partitioner(parts) if parts > 1 else None
        emb = tf.get_variable(
            "emb",
            [rows, SIZE],
            initializer=tf.random_uniform_initializer(seed=1),
            partitioner=partitioner,
        )
        value = tf.convert_to_tensor(emb)
        loss = tf.reduce_sum(value**2 * tf.reshape(tf.range(1.0, rows + 1), [-1, 1]))
        train = OPTIMIZERS[optimizer]().minimize(loss)
        averages = tf.train.ExponentialMovingAverage(0.9)
        with tf.control_dependencies([train]):
            return {"train": averages.apply(tf.trainable_variables())}

    return of_kind(kind, build)


def after_a_step(prefix, build):
    """Writes what a stock Saver writes after a step."""
    prefix.parent.mkdir(parents=True)
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = build()
        weights = tf.trainable_variables()
        session.run(tf.variables_initializer(weights))
        names = {one.op.name for one in weights}
        others = [one for one in tf.global_variables() if one.op.name not in names]
        session.run(tf.variables_initializer(others))
        session.run(outputs["train"])
        return tf.train.Saver().save(session, str(prefix), write_meta_graph=False)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("old_parts", [1, 2])
@pytest.mark.parametrize("new_parts", [1, 3])
def test_slots_and_averages_move_with_their_rows(
    kind, tmp_path, optimizer, old_parts, new_parts
):
    files = vocabularies(tmp_path)
    build = trained(kind, len(OLD), optimizer, old_parts)
    prefix = after_a_step(tmp_path / "m" / "ckpt", build)
    model = lr.Model(
        "m",
        trained(kind, len(NEW), optimizer, new_parts),
        prefix,
        rules=[lr.VocabularyRemap("emb", *files)],
    )
    with lr.restore([model], verify="session") as restored:
        rows = restored.plan["m"].rows
        converted = [row for row in rows if row.conversion is not None]
        assert len(converted) >= 3  # The table, a slot, an average.
        known = [NEW.index(word) for word in NEW if word in OLD]
        with lr.open_checkpoint(prefix) as checkpoint:
            for row in converted:
                stored = checkpoint[row.key]
                owned = restored.plan.built["m"].variables[row.variable.name]
                offsets = owned.offsets or [(0, 0)]
                for part, (start, _) in zip(owned.parts, offsets):
                    value = restored.session.run(part)
                    for place in known:
                        if start <= place < start + len(value):
                            np.testing.assert_array_equal(
                                value[place - start], stored[OLD.index(NEW[place])]
                            )
        assert not restored.check().with_status(CheckStatus.UNPROVED)


# What is refused.


def test_files_are_looked_at_before_there_is_a_session(kind, tmp_path, refused):
    prefix = write(
        tmp_path / "m" / "ckpt", {"emb": numbers((2, 3)), "b": numbers((2,))}
    )
    old_file, new_file = vocabularies(tmp_path, ["a", "b", "a"], ["a"])

    def model(*files, **more):
        remap = lr.VocabularyRemap("emb", *files, **more)
        return lr.Model("m", embedding(kind, 2), prefix, rules=[remap])

    error = refused([model(old_file, new_file)])
    assert ids(error.findings) == ["vocabulary-mismatch"]
    assert "'a' stands in lines 1, 3" in str(error)
    error = refused([model(str(tmp_path / "none"), new_file)])
    assert ids(error.findings) == ["vocabulary-missing"]
    assert error.exit_code == 3
    old_file, new_file = vocabularies(tmp_path, ["a"], ["a"])
    error = refused([model(old_file, new_file)])
    assert "old_oov=1 if those are words out of it" in str(error)
    with lr.restore([model(old_file, new_file, old_oov=1)]) as restored:
        assert restored.check().ok


def test_a_remap_that_applies_to_nothing_is_refused(kind, tmp_path, refused):
    files = vocabularies(tmp_path)
    prefix = write(
        tmp_path / "m" / "ckpt", {"emb": numbers((5, 3)), "b": numbers((2,))}
    )
    remap = lr.VocabularyRemap("embedding", *files)
    error = refused([lr.Model("m", embedding(kind, 5), prefix, rules=[remap])])
    assert ids(error.findings) == ["unused-rule"]


# A living session.


def test_a_swap_remaps_again_and_keeps_rows_of_new_words(kind, tmp_path):
    files = vocabularies(tmp_path)
    prefixes = []
    for number in range(2):
        stored = {"emb": numbers((len(OLD), SIZE), number), "b": numbers((2,), number)}
        prefixes.append(write(tmp_path / str(number) / "ckpt", stored))
    remap = lr.VocabularyRemap("emb", *files)
    model = lr.Model("m", embedding(kind, len(NEW), 2), prefixes[0], rules=[remap])
    with lr.restore([model]) as restored:
        # What is swapped in goes by the files as they were when the plan was made.
        vocabularies(tmp_path, ["x"], ["y"])
        restored["m"].swap(prefixes[1])
        expected = remapped(numbers((len(OLD), SIZE), 1))
        np.testing.assert_array_equal(whole(restored, "m"), expected)
        restored.check().raise_if_failed()
        saved = restored["m"].save(tmp_path / "saved")
    with lr.restore([lr.Model("n", embedding(kind, len(NEW)), saved)]) as restored:
        np.testing.assert_array_equal(whole(restored, "n"), expected)


def test_a_scope_is_remapped(kind, tmp_path):
    files = vocabularies(tmp_path)
    stored = {"emb": numbers((len(OLD), SIZE)), "b": numbers((2,))}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    graph = tf.Graph()
    with graph.as_default(), tf.variable_scope("m"):
        embedding(kind, len(NEW))()
    with tf.Session(graph=graph) as session:
        remap = lr.VocabularyRemap("emb", *files)
        report = lr.restore_scope(session, "m", prefix, rules=[remap])
        assert len(of_id(report.findings, "converted")) == 1
        values = session.run(
            {v.op.name: v for v in lr.scope_variables("m", graph=graph)}
        )
    assert_same(values, {"m/emb": remapped(stored["emb"]), "m/b": stored["b"]})
