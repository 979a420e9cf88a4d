"""Tables that Savers of a saved graph restore, and what is refused."""

import pytest

import legacy_restore as lr
from legacy_restore.graph.saved_saveables import saved_saveables
from legacy_restore.graph.tables import table_of
from legacy_restore.importing.saver_table import SavedObject
from legacy_restore.tf import IS_TF1, tf
from tests.graph.test_saved_graphs import model_of
from tests.importing.graphs import exported, graph_of
from tests.importing.graphs import table_of as saver_table_of
from tests.saved_graphs import saved_case


def mutable_table(name="words"):
    """A mutable table from texts to integers."""
    if IS_TF1:
        import tensorflow.contrib.lookup as lookup
    else:
        lookup = tf.lookup.experimental
    return lookup.MutableHashTable(tf.string, tf.int64, -1, name=name)


def imported(meta_graph, scope="m"):
    tf.import_graph_def(meta_graph.graph_def, name=scope)
    return tf.get_default_graph()


def test_a_table_is_restored_and_read_back(tmp_path):
    with graph_of("ref") as graph, tf.Session() as session:
        table = mutable_table()
        node = table.resource_handle.op.name
        saver = tf.train.Saver()
        meta_graph = exported(graph, saver)
        session.run(
            table.insert(tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64))
        )
        prefix = saver.save(session, str(tmp_path / "ckpt"), write_meta_graph=False)
    objects = saver_table_of(meta_graph).objects
    with tf.Graph().as_default(), tf.Session() as session:
        graph = imported(meta_graph)
        found = saved_saveables(graph, "model", "m", objects)
        assert not found.findings
        [owned] = found.owned
        assert [row.name for row in owned.rows] == [
            f"m/{node}-keys",
            f"m/{node}-values",
        ]
        assert [row.stock_key for row in owned.rows] == ["words-keys", "words-values"]
        assert [row.dtype for row in owned.rows] == ["string", "int64"]
        assert owned.rows[0].shape == (None,)
        assert table_of(owned.tensors) is owned.table
        assert all(one.name.startswith("m/legacy_restore") for one in owned.tensors)
        saver = tf.train.Saver([owned.saveable])
        saver.restore(session, prefix)
        keys, values = session.run(list(owned.tensors))
        assert dict(zip(keys.tolist(), values.tolist())) == {b"a": 1, b"b": 2}


def test_a_table_of_tensorflow_1_is_a_reference(tmp_path):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        with tf.name_scope("m"):
            handle = tf.raw_ops.MutableHashTable(
                key_dtype=tf.string, value_dtype=tf.int64, shared_name="t"
            )
        held = SavedObject(
            "LookupTableImport", handle.op.name[2:], ("k", "v"), is_table=True
        )
        [owned] = saved_saveables(graph, "m", "m", [held]).owned
        restored = owned.saveable.restore(
            [tf.constant(["a"]), tf.constant([3], tf.int64)], None
        )
        session.run(restored)
        assert [one.tolist() for one in session.run(list(owned.tensors))] == [
            [b"a"],
            [3],
        ]


@pytest.mark.parametrize(
    ("held", "what"),
    [
        (
            SavedObject("CudnnRNNCanonicalToParams", "w", ("a", "b")),
            "CudnnRNNCanonicalToParams",
        ),
        (SavedObject("DeserializeIterator", "w", ("a",)), "DeserializeIterator"),
        (
            SavedObject("LookupTableImportV2", "w", ("a", "b"), is_table=True),
            "takes none",
        ),
    ],
)
def test_what_is_needed_and_cannot_be_restored_is_refused(held, what):
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("m"):
            tf.get_variable("w", [2])
        found = saved_saveables(graph, "model", "m", [held])
    [finding] = found.findings
    assert (finding.id, finding.subject, finding.model) == (
        "saveable-object",
        "m/w",
        "model",
    )
    assert what in finding.message and finding.is_error
    assert not found.owned


def test_what_was_not_imported_is_nobodys():
    held = SavedObject("CudnnRNNCanonicalToParams", "w", ("a", "b"))
    with tf.Graph().as_default() as graph:
        found = saved_saveables(graph, "model", "m", [held])
        assert found == type(found)((), ()) or (not found.owned and not found.findings)
        assert not graph.get_operations()


@pytest.mark.parametrize("name", ["mutable_table", "mutable_table_resource"])
def test_a_saver_of_the_whole_graph_saves_the_tables_of_all_models(name, tmp_path):
    case = saved_case(name)
    models = [model_of(case, "a", prune=False), model_of(case, "b", prune=False)]
    with lr.restore(models) as restored, restored.graph.as_default():
        held = tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
        path = tf.train.Saver().save(restored.session, str(tmp_path / "all"))
    # Stock TensorFlow has the operation there, of which no Saver can be made.
    assert [one.op.op.name for one in held] == ["a/table", "b/table"]
    with lr.open_checkpoint(case.prefix) as own, lr.open_checkpoint(path) as found:
        keys = set(own.keys())
        assert set(found.keys()) == {f"{one}/{key}" for one in "ab" for key in keys}
        for key in keys:
            for one in "ab":
                value = found[f"{one}/{key}"]
                assert sorted(value.ravel()) == sorted(own[key].ravel())
