"""Mutable tables and other saveable objects: planned, restored, refused."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.planning.plan import Action
from legacy_restore.tf import BaseSaverBuilder, tf
from tests.checkpoint import golden
from tests.graph.helpers import (
    assert_same,
    ids,
    linear,
    linear_values,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    write,
)
from tests.graph.table_models import (
    COUNTS,
    DenseTable,
    HashTable,
    expected,
    looked_up,
    saved,
    tables,
)

WORDS = ["words-keys", "words-values"]
KEYS = [*WORDS, "vectors-keys", "vectors-values", "counts-keys", "counts-values"]
ROWS = [f"m/{key}" for key in KEYS]


def values_of_file(prefix):
    """All values of a checkpoint, by key."""
    with lr.open_checkpoint(prefix) as checkpoint:
        return {key: checkpoint[key] for key in checkpoint}


def statuses(restored):
    return {row.variable: row.status.value for row in restored.check().rows}


def one_table(table, kind="ref"):
    """A builder of a layer and a table that is looked up."""

    def build():
        build.made = table()
        return {"t": build.made.lookup(tf.constant([b"a", b"?"])), **linear(kind)()}

    return build


def words(**more):
    """Makes a table from texts to numbers."""
    more.setdefault("name", "words")
    return lambda: HashTable(tf.string, tf.int64, -1, **more)


def table_file(tmp_path, keys=(b"a", b"b"), values=(1, 2), more=()):
    """A checkpoint that fits ``one_table(words())``."""
    stored = {"words-keys": np.array(keys, object), "words-values": np.int64(values)}
    return write(tmp_path / "m", {**linear_values(), **stored, **dict(more)})


# Rows and values.


@pytest.mark.parametrize("scope", [None, "old", "very/old"])
def test_tables_are_restored_from_whatever_scope(kind, tmp_path, scope):
    prefix = saved(tmp_path / "m", tables(kind, scope))
    plan = lr.plan([lr.Model("m", tables(kind), prefix)])
    assert [row.variable.name for row in plan.rows] == ["m/w", *ROWS]
    assert [row.key for row in plan.rows] == [f"{scope}/w" if scope else "w", *KEYS]
    with lr.restore(plan) as restored:
        assert_same(looked_up(restored["m"]), expected())
        found = restored["m"](word=[], number=np.int64([]))
        assert found["sizes"].tolist() == [3, 2]
        assert statuses(restored) == dict.fromkeys(["m/w", *ROWS], "equal")
        assert len(restored["m"].variables) == 1


def test_the_rows_of_a_table_say_what_it_takes(kind, tmp_path):
    prefix = saved(tmp_path / "m", tables(kind))
    plan = lr.plan([lr.Model("m", tables(kind), prefix)])
    rows = plan.to_json()["models"][0]["rows"]
    assert [row["kind"] for row in rows] == [kind, *["table"] * 6]
    assert [(row["dtype"], row["shape"]) for row in rows[1:]] == [
        ("string", [None]),
        ("int64", [None]),
        ("int64", [None]),
        ("float32", [None, 2]),
        ("int64", [None, 1]),
        ("int64", [None, 1]),
    ]
    assert plan.coverage.variables == plan.coverage.restored_variables == 7


def test_two_models_have_tables_of_their_own(kind, tmp_path):
    models = [
        lr.Model(name, tables(kind), saved(tmp_path / name, tables(kind, name), add))
        for name, add in (("a", 0), ("b", 100))
    ]
    with lr.restore(models, verify="session") as restored:
        assert_same(looked_up(restored["a"]), expected())
        assert_same(looked_up(restored["b"]), expected(100))


def test_rules_apply_to_tables(kind, tmp_path):
    stored = values_of_file(saved(tmp_path / "m", tables(kind)))
    renamed = {key.replace("words", "vocabulary"): stored[key] for key in stored}
    rule = lr.Rename("^vocabulary-", "words-")
    model = lr.Model("m", tables(kind), write(tmp_path / "r", renamed), rules=[rule])
    with lr.restore([model], verify="session") as restored:
        assert_same(looked_up(restored["m"]), expected())


def test_a_scope_around_everything_is_found(kind, tmp_path):
    stored = values_of_file(saved(tmp_path / "m", tables(kind)))
    under = {f"v1/{key}": stored[key] for key in stored}
    model = lr.Model("m", tables(kind), write(tmp_path / "r", under))
    with lr.restore([model], verify="session") as restored:
        assert restored.plan["m"].rows[1].key == "v1/words-keys"
        assert_same(looked_up(restored["m"]), expected())


def test_a_table_whose_name_has_the_scope(kind, tmp_path):
    def build():
        scope = tf.get_variable_scope().name
        return one_table(words(name=f"{scope}/words" if scope else "words"), kind)()

    with lr.restore([lr.Model("m", build, table_file(tmp_path))]) as restored:
        assert [row.variable.name for row in restored.plan.rows][2:] == ROWS[:2]
        assert restored["m"](x=np.zeros([1, 3]))["t"].tolist() == [1, -1]


@pytest.mark.parametrize("parts", [1, 3])
def test_tables_beside_partitioned_variables(kind, tmp_path, parts):
    def build():
        partitioner = tf.fixed_size_partitioner(parts)
        p = tf.get_variable("p", [6, 2], partitioner=partitioner)
        build.made = words()()
        found = build.made.lookup(tf.constant([b"a", b"?"]))
        return tf.convert_to_tensor(p), found

    p = numbers([6, 2])
    stored = {"words-keys": np.array([b"a"], object), "words-values": np.int64([1])}
    prefix = write(tmp_path / "m", {"p": p, **stored})
    model = lr.Model("m", of_kind(kind, build), prefix)
    with lr.restore([model], verify="session") as restored:
        found = restored["m"]()
        assert (found[0] == p).all()
        assert found[1].tolist() == [1, -1]


def test_what_tensorflow_1_15_wrote(kind):
    def build():
        tf.get_variable("weights", [3, 2])
        vectors = HashTable(tf.int64, tf.float32, [0.0, 0.0], name="vectors")
        counts = DenseTable(
            tf.int64,
            tf.int64,
            default_value=0,
            empty_key=-1,
            deleted_key=-2,
            initial_num_buckets=8,
            name="counts",
        )
        asked = tf.constant([b"plain", b"", b"nul\0", b"nul"])
        return {
            "words": words()().lookup(asked),
            "vectors": vectors.lookup(tf.constant([7, 8, 9], tf.int64)),
            "counts": counts.lookup(tf.constant([4, 5, 6], tf.int64)),
        }

    name = "tf1_15_tables/model.ckpt"
    model = lr.Model("m", of_kind(kind, build), golden.path_of(name))
    with lr.restore([model], verify="session") as restored:
        found = restored["m"]()
        assert found["words"].tolist() == [1, 2, 3, -1]
        vectors = np.float32([[0.5, -0.0], [np.inf, 1.0], [0, 0]])
        assert found["vectors"].tobytes() == vectors.tobytes()
        assert found["counts"].tolist() == [40, 0, 60]
        weights = golden.expected_of(name)["trained/weights"]
        assert values_in(restored, "m")["weights"].tobytes() == weights.contents
        assert set(statuses(restored).values()) == {"equal"}


def test_a_model_of_nothing_but_a_table(tmp_path):
    def build():
        return words()().lookup(tf.constant([b"a", b"?"]))

    stored = {"words-keys": np.array([b"a"], object), "words-values": np.int64([1])}
    model = lr.Model("m", build, write(tmp_path / "m", stored))
    with lr.restore([model]) as restored:
        assert restored["m"]().tolist() == [1, -1]
        assert [row.key for row in restored.plan.rows] == WORDS


def test_an_empty_table_in_the_checkpoint_empties_nothing_else(tmp_path):
    prefix = table_file(tmp_path, [], [])
    with lr.restore([lr.Model("m", one_table(words()), prefix)]) as restored:
        assert restored["m"](x=np.zeros([1, 3]))["t"].tolist() == [-1, -1]
        assert statuses(restored)["m/words-keys"] == "equal"


# Initialisers.


def filled_by_initializer(kind):
    """A builder whose table initialiser puts an entry into a mutable table."""

    def build():
        outputs = one_table(words(), kind)()
        static = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant([5], tf.int64), tf.constant([50], tf.int64)
            ),
            -1,
        )
        [own] = tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS)
        [saveable] = tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
        insert = saveable.op.insert(tf.constant([b"?"]), tf.constant([9], tf.int64))
        tf.get_collection_ref(tf.GraphKeys.TABLE_INITIALIZERS)[:] = [
            tf.group(own, insert)
        ]
        outputs["static"] = static.lookup(tf.constant([5], tf.int64))
        return outputs

    return build


def test_what_fills_a_restored_table_is_not_run(kind, tmp_path):
    model = lr.Model("m", filled_by_initializer(kind), table_file(tmp_path))
    with lr.restore([model], verify="session") as restored:
        found = restored["m"](x=np.zeros([1, 3]))
        assert found["t"].tolist() == [1, -1]
        assert found["static"].tolist() == [50]


def test_what_fills_a_table_that_may_be_missing_is_run(kind, tmp_path):
    prefix = write(tmp_path / "m", linear_values())
    model = lr.Model(
        "m", filled_by_initializer(kind), prefix, allow_missing=["words-.*"]
    )
    with lr.restore([model]) as restored:
        assert restored["m"](x=np.zeros([1, 3]))["t"].tolist() == [-1, 9]


# Missing and unfit.


def test_a_table_that_may_be_missing_stays_empty(kind, tmp_path):
    prefix = write(tmp_path / "m", linear_values())
    build = one_table(words(), kind)
    plan = lr.plan([lr.Model("m", build, prefix, allow_missing=["words-.*"])])
    assert [row.action for row in plan.rows][2:] == [Action.INITIALIZE] * 2
    assert {one.subject for one in of_id(plan.findings, "left-to-initializer")} == set(
        ROWS[:2]
    )
    assert "(empty)" in str(plan)
    with lr.restore(plan) as restored:
        assert restored["m"](x=np.zeros([1, 3]))["t"].tolist() == [-1, -1]
        assert statuses(restored)["m/words-keys"] == "initialised"


def test_a_missing_table_is_refused(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", linear_values())
    error = refused([lr.Model("m", one_table(words(), kind), prefix)])
    assert ids(error.findings) == ["missing-key"] * 2
    assert [one.waiver[1] for one in of_id(error.findings, "missing-key")] == WORDS
    assert "allow_missing" in str(error)


@pytest.mark.parametrize("half", WORDS)
def test_half_a_table_is_refused_also_if_it_may_be_missing(tmp_path, refused, half):
    stored = values_of_file(table_file(tmp_path))
    other = next(key for key in WORDS if key != half)
    del stored[half]
    prefix = write(tmp_path / "half", stored)
    model = lr.Model("m", one_table(words()), prefix, allow_missing=[half])
    error = refused([model])
    finding = only(error.findings, "missing-key")
    assert ids(error.findings) == ["missing-key"]
    assert (finding.subject, finding.waiver) == (f"m/{half}", None)
    assert other in finding.message


@pytest.mark.parametrize(
    "keys, values, identifier",
    [
        ([1, 2], np.int64([1, 2]), "dtype-mismatch"),
        ([b"a", b"b"], np.float32([1, 2]), "dtype-mismatch"),
        ([b"a", b"b"], np.int64([[1], [2]]), "shape-mismatch"),
        ([b"a", b"b"], np.int64([1, 2, 3]), "shape-mismatch"),
        ([[b"a"], [b"b"]], np.int64([1, 2]), "shape-mismatch"),
    ],
)
def test_other_keys_or_values_are_refused(tmp_path, refused, keys, values, identifier):
    array = np.int64(keys) if isinstance(keys[0], int) else np.array(keys, object)
    stored = {**linear_values(), "words-keys": array, "words-values": values}
    error = refused([lr.Model("m", one_table(words()), write(tmp_path / "m", stored))])
    assert ids(error.findings) == [identifier]


def test_the_size_of_the_values_is_known_before(tmp_path, refused):
    stored = values_of_file(saved(tmp_path / "m", tables()))
    stored["vectors-values"] = np.zeros([2, 3], np.float32)
    error = refused([lr.Model("m", tables(), write(tmp_path / "r", stored))])
    assert only(error.findings, "shape-mismatch").subject == "m/vectors-values"


def test_a_table_that_the_model_lacks_is_refused(tmp_path, refused):
    error = refused([lr.Model("m", linear("ref"), table_file(tmp_path))])
    assert {one.subject for one in of_id(error.findings, "unused-weights")} == set(
        WORDS
    )


# Dense tables.


def test_another_empty_key_is_refused(kind, tmp_path, refused):
    prefix = saved(tmp_path / "m", tables(kind))
    error = refused([lr.Model("m", tables(kind, empty_key=-9), prefix)])
    assert ids(error.findings) == ["table-mismatch"]
    finding = only(error.findings, "table-mismatch")
    assert finding.subject == "m/counts-keys"
    assert "-9" in finding.message


def test_entries_of_another_kind_of_table_are_no_buckets(tmp_path, refused):
    stored = values_of_file(saved(tmp_path / "m", tables()))
    stored["counts-keys"] = np.int64([[key] for key in COUNTS])
    stored["counts-values"] = np.int64([[value] for value in COUNTS.values()])
    error = refused([lr.Model("m", tables(), write(tmp_path / "r", stored))])
    finding = only(error.findings, "table-mismatch")
    assert "power of two" in finding.message


def test_a_swap_to_other_buckets_is_refused(tmp_path):
    prefix = saved(tmp_path / "m", tables())
    other = saved(tmp_path / "other", tables(empty_key=-9))
    with lr.restore([lr.Model("m", tables(), prefix)]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].swap(other)
        assert ids(caught.value.findings) == ["table-mismatch"]
        assert_same(looked_up(restored["m"]), expected())


@pytest.mark.parametrize("default", [-1, [0, 0]])
def test_dense_tables_with_vectors_as_keys(tmp_path, default):
    def build():
        table = DenseTable(
            tf.int64,
            tf.int64,
            default_value=default,
            empty_key=[-1, -1],
            deleted_key=[-2, -2],
            initial_num_buckets=4,
            name="dense",
        )
        build.made = table
        return table.lookup(tf.constant([[1, 2], [3, 4]], tf.int64))

    with tf.Graph().as_default(), tf.Session() as session:
        build()
        value = [[7, 8]] if isinstance(default, list) else [7]
        keys = tf.constant([[1, 2]], tf.int64)
        session.run(build.made.insert(keys, tf.constant(value, tf.int64)))
        prefix = tf.train.Saver().save(session, str(tmp_path / "d"))
    with lr.restore([lr.Model("m", build, prefix)], verify="session") as restored:
        assert restored["m"]().tolist() == [value[0], default]


# Objects of other kinds.


class Halves(BaseSaverBuilder.SaveableObject):
    """Saves a variable as two tensors."""

    def __init__(self, variable, name):
        specs = [
            BaseSaverBuilder.SaveSpec(variable[:2], "", f"{name}/low"),
            BaseSaverBuilder.SaveSpec(
                lambda: variable[2:] + 0.0, "", f"{name}/high", tf.float32, ""
            ),
        ]
        super().__init__(variable, specs, name)

    def restore(self, restored_tensors, restored_shapes):
        del restored_shapes
        return self.op.assign(tf.concat(restored_tensors, 0)).op


def with_object(kind, make, name="halves"):
    """A builder with a local variable and an object that saves it."""

    def build():
        variable = tf.get_variable(
            "v",
            [4],
            initializer=tf.zeros_initializer(),
            collections=[tf.GraphKeys.LOCAL_VARIABLES],
        )
        tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, make(variable, name))
        return tf.identity(variable)

    return of_kind(kind, build)


def test_any_object_that_names_its_tensors_is_planned(kind, tmp_path):
    stored = {"halves/low": numbers([2], 1), "halves/high": numbers([2], 2)}
    model = lr.Model("m", with_object(kind, Halves), write(tmp_path / "m", stored))
    plan = lr.plan([model])
    found = [(row.variable.name, row.variable.kind, row.key) for row in plan.rows]
    assert found[1:] == [
        ("m/halves/low", "saveable", "halves/low"),
        ("m/halves/high", "saveable", "halves/high"),
    ]


class Restored(Halves):
    """An object whose operations are no assignments of variables."""

    def restore(self, restored_tensors, restored_shapes):
        raise ValueError("it has been broken for years")


def test_an_object_that_makes_no_operations_is_refused(kind, tmp_path, refused):
    stored = {"halves/low": numbers([2], 1), "halves/high": numbers([2], 2)}
    prefix = write(tmp_path / "m", stored)
    model = lr.Model("m", with_object(kind, Restored), prefix)
    error = refused([model])
    finding = only(error.findings, "saveable-object")
    assert finding.subject == "halves"
    assert "broken for years" in finding.message


def nothing(variable, name):
    del variable
    return BaseSaverBuilder.SaveableObject(None, [], name)


def text(variable, name):
    del variable
    return name


def slice_only(variable, name):
    spec = BaseSaverBuilder.SaveSpec(variable[:2], "4 0,2", name)
    return BaseSaverBuilder.SaveableObject(variable, [spec], name)


def of_another_graph(variable, name):
    del variable
    with tf.Graph().as_default():
        spec = BaseSaverBuilder.SaveSpec(tf.constant([1.0]), "", name)
        return BaseSaverBuilder.SaveableObject(None, [spec], name)


def nameless(variable, name):
    spec = BaseSaverBuilder.SaveSpec(variable[:2], "", None)
    return BaseSaverBuilder.SaveableObject(variable, [spec], name)


def iterator(variable, name):
    del variable
    data = tf.data.make_initializable_iterator(tf.data.Dataset.range(3))
    saveable = tf.data.experimental.make_saveable_from_iterator(data)
    saveable.name = name
    return saveable


@pytest.mark.parametrize(
    "make", [nothing, text, slice_only, of_another_graph, nameless, iterator]
)
def test_what_cannot_be_restored_is_refused_by_name(kind, tmp_path, refused, make):
    prefix = write(tmp_path / "m", {"halves": numbers([2])})
    error = refused([lr.Model("m", with_object(kind, make), prefix)])
    finding = only(error.findings, "saveable-object")
    assert (finding.subject, finding.model) == ("halves", "m")
    assert finding.message
    assert "SAVEABLE_OBJECTS" in finding.hint


def test_a_variable_among_the_saveable_objects_is_a_row_once(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, w)
        return tf.identity(w)

    prefix = write(tmp_path / "m", {"w": numbers([2])})
    model = lr.Model("m", of_kind(kind, build), prefix)
    with lr.restore([model]) as restored:
        assert (restored["m"]() == numbers([2])).all()


@pytest.mark.skipif(
    not hasattr(tf.raw_ops, "AnonymousMutableHashTable"), reason="not in TF 1.15"
)
def test_a_table_that_is_forgotten_after_every_run_is_refused(tmp_path, refused):
    build = one_table(words(experimental_is_anonymous=True))
    error = refused([lr.Model("m", build, table_file(tmp_path))])
    assert only(error.findings, "saveable-object").subject == "words"


# Tables that no checkpoint holds, and tables that share.


def test_a_table_that_is_not_saved_is_remarked(kind, tmp_path):
    prefix = write(tmp_path / "m", linear_values())
    build = one_table(words(checkpoint=False), kind)
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        assert only(restored.plan.findings, "table-not-saved").subject == "m/words"
        assert restored["m"](x=np.zeros([1, 3]))["t"].tolist() == [-1, -1]


def raw(operation, shared_name):
    """A builder of a table by a raw operation, which no class stands for."""

    def build():
        more = {}
        if "Dense" in operation:
            more = {"empty_key": tf.constant(b"")}
            if operation.endswith("V2"):
                more["deleted_key"] = tf.constant(b"$")
        else:
            more = {"key_dtype": tf.string}
        getattr(tf.raw_ops, operation)(
            value_dtype=tf.int64, shared_name=shared_name, name="raw", **more
        )
        return linear("ref")()

    return build


OPERATIONS = [
    kind + version
    for kind in (
        "MutableHashTable",
        "MutableHashTableOfTensors",
        "MutableDenseHashTable",
    )
    for version in ("", "V2")
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_raw_tables_are_remarked(tmp_path, operation):
    prefix = write(tmp_path / "m", linear_values())
    plan = lr.plan([lr.Model("m", raw(operation, ""), prefix)])
    assert plan.ok
    assert only(plan.findings, "table-not-saved").subject == "m/raw"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_tables_of_two_models_with_one_storage_are_refused(
    tmp_path, refused, operation
):
    prefix = write(tmp_path / "m", linear_values())
    models = [lr.Model(name, raw(operation, "shared"), prefix) for name in "ab"]
    error = refused(models)
    finding = only(error.findings, "variable-claimed")
    assert (finding.subject, finding.model) == ("b/raw", "b")
    assert "'shared'" in finding.message
    assert "a/raw" in finding.message


def test_a_table_of_another_model_is_claimed(kind, tmp_path, refused):
    owner = one_table(words(), kind)

    def thief():
        return owner.made.lookup(tf.constant([b"a"])), linear(kind)()

    models = [
        lr.Model("a", owner, table_file(tmp_path)),
        lr.Model("b", thief, write(tmp_path / "b", linear_values())),
    ]
    found = of_id(refused(models).findings, "variable-claimed")
    assert "a/words" in {one.subject for one in found}
    assert {one.model for one in found} == {"b"}


def test_two_tables_of_one_name_are_refused(kind, tmp_path, refused):
    def build():
        for scope in ("x", "y"):
            with tf.variable_scope(scope):
                words()()
        return linear(kind)()

    error = refused([lr.Model("m", build, table_file(tmp_path))])
    found = of_id(error.findings, "key-claimed-twice")
    assert {one.subject for one in found} == set(ROWS[:2])
    assert "name of its own" in str(error)
