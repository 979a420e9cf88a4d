"""Differential tests: what is written without TensorFlow is what TensorFlow reads."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.checkpoint import dtypes
from tests.checkpoint import golden
from tests.checkpoint.builders import strings

tf = pytest.importorskip("tensorflow.compat.v1")

# Those that TensorFlow and its NumPy types hold; the others are refused by it.
NAMES = [
    one.name
    for one in dtypes.BY_NUMBER.values()
    if one.numpy_name is not None and hasattr(tf.dtypes, one.name)
]
SHAPES = [(), (1,), (7,), (2, 3), (0,), (3, 0, 2), (2, 1, 3, 2, 4)]


def numpy_type(name):
    """The type of arrays; TensorFlow 1.15 has a bfloat16 of its own."""
    one = dtypes.BY_NAME[name]
    if one.in_ml_dtypes:
        return np.dtype(tf.as_dtype(name).as_numpy_dtype)
    return np.dtype(one.numpy_name)


def fill(name, shape, seed=0):
    """Values of a dtype with every bit pattern that it may have."""
    random = np.random.RandomState(seed)
    count = int(np.prod(shape, dtype=np.int64))
    if name == "string":
        array = np.empty(count, object)
        array[:] = [random.bytes(random.randint(0, 40)) for _ in range(count)]
        return array.reshape(shape)
    dtype = numpy_type(name)
    if name == "bool":
        return np.array(random.randint(0, 2, shape)).astype(bool)
    if name in ("int4", "uint4", "int2", "uint2", "float4_e2m1fn"):
        return np.array(random.randint(0, 2, shape)).astype(dtype)
    raw = random.bytes(count * dtype.itemsize)
    return np.frombuffer(raw, dtype).reshape(shape)


@pytest.fixture(scope="module")
def session():
    config = tf.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default(), tf.Session(config=config) as one:
        yield one


@pytest.fixture
def restore(session):
    """Reads values with the operation that every Saver uses."""

    def run(prefix, keys, names, specifications=None):
        with session.graph.as_default():
            operation = tf.raw_ops.RestoreV2(
                prefix=prefix,
                tensor_names=keys,
                shape_and_slices=specifications or [""] * len(keys),
                dtypes=[tf.as_dtype(name) for name in names],
            )
        return session.run(operation)

    return run


def assert_same(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if expected.dtype == object:
        assert found.astype(object).tolist() == expected.tolist()
    else:
        assert found.dtype.itemsize == expected.dtype.itemsize
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_all_dtypes_and_shapes(tmp_path, restore, shards):
    values, names = {}, {}
    for name in NAMES:
        for count, shape in enumerate(SHAPES):
            values[f"{name}/{count}"] = fill(name, shape, count)
            names[f"{name}/{count}"] = name
    prefix = lr.write_checkpoint(tmp_path / "m", values, shards=shards, dtypes=names)
    reader = tf.train.load_checkpoint(prefix)
    shapes = reader.get_variable_to_shape_map()
    types = reader.get_variable_to_dtype_map()
    assert set(shapes) == set(values)
    for key, value in values.items():
        assert tuple(shapes[key]) == value.shape
        assert tf.as_dtype(types[key]).name == names[key]
    keys = sorted(values)
    for key, found in zip(keys, restore(prefix, keys, [names[k] for k in keys])):
        assert_same(found, values[key])
    for key in keys:
        if names[key] in ("float32", "int64", "string", "bool", "complex128"):
            assert_same(reader.get_tensor(key), values[key])


def test_every_dtype_that_tensorflow_has_is_tested():
    assert len(NAMES) >= 21
    tensorflow = {
        name
        for name in dir(tf.dtypes)
        if isinstance(getattr(tf.dtypes, name), tf.DType) and not name.endswith("_ref")
    }
    aliases = {"half", "double"}
    assert tensorflow - aliases - {"resource", "variant"} == set(NAMES)


@pytest.mark.parametrize("use_resource", [False, True])
@pytest.mark.parametrize("shards", [1, 3])
def test_savers_restore_into_variables(tmp_path, use_resource, shards):
    names = ["float32", "float64", "int32", "int64", "float16", "complex64", "bool"]
    names += ["uint8", "string", "bfloat16"]
    values = {f"v/{name}": fill(name, (3, 2)) for name in names}
    values["v/scalar"] = np.float32(3)
    values["v/empty"] = np.zeros([0, 2], np.float32)
    values["v/part"] = fill("float32", (5, 2), 9)
    prefix = lr.write_checkpoint(
        tmp_path / "m",
        values,
        shards=shards,
        slices={"v/part": [((0, 0), (3, 2)), ((3, 0), (2, 2))]},
    )
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("v", use_resource=use_resource):
            variables = {
                key: tf.get_variable(
                    key[2:], value.shape, _type(value), initializer=_zeros(value)
                )
                for key, value in values.items()
            }
        tf.train.Saver().restore(session, prefix)
        for key, variable in variables.items():
            assert_same(session.run(variable), values[key])


def _type(value):
    return tf.string if value.dtype == object else tf.as_dtype(value.dtype)


def _zeros(value):
    def initial(shape, dtype=None, partition_info=None):
        return tf.zeros(shape, dtype)

    return initial


ODD = ["a b", "ä/ß", "a\nb", "x" * 5000, "%s{}", "\udcff\udcfe", "a\0b", "\0", "~", "."]


def test_names_with_odd_characters(tmp_path, restore):
    values = {key: np.int32(count) for count, key in enumerate(ODD)}
    whole = fill("int16", (4,))
    values["p\0\xff"] = whole
    slices = {"p\0\xff": [((0,), (1,)), ((1,), (3,))]}
    prefix = lr.write_checkpoint(tmp_path / "m", values, slices=slices, shards=2)
    encoded = [key.encode("utf-8", "surrogateescape") for key in ODD]
    found = restore(prefix, encoded, ["int32"] * len(ODD))
    assert found == [values[key] for key in ODD]
    name = "p\0\xff".encode()
    assert_same(restore(prefix, [name], ["int16"])[0], whole)
    assert_same(restore(prefix, [name], ["int16"], ["4 1,2"])[0], whole[1:3])
    with lr.open_checkpoint(prefix) as checkpoint:
        assert set(checkpoint) == set(values)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("name", ["float32", "bfloat16", "bool", "complex128"])
def test_partitioned_tensors_are_read_whole_in_parts_and_across(
    tmp_path, restore, shards, name
):
    whole = fill(name, (6, 4))
    slices = [((0, 0), (2, 4)), ((2, 0), (4, 1)), ((2, 1), (4, 3))]
    prefix = lr.write_checkpoint(
        tmp_path / "m",
        {"w": whole, "v": np.int8(1)},
        shards=shards,
        slices={"w": slices},
    )
    specs = ["", "6 4 -:-", "6 4 0,2:-", "6 4 2,4:1,3", "6 4 1,3:0,2", "6 4 5,1:3,1"]
    expected = [whole, whole, whole[:2], whole[2:, 1:], whole[1:4, :2], whole[5:, 3:]]
    found = restore(prefix, ["w"] * len(specs), [name] * len(specs), specs)
    for one, other in zip(found, expected):
        assert_same(one, other)


def test_slices_of_every_dtype_are_read_and_put_together_where_tensorflow_does(
    tmp_path, restore
):
    values = {name: fill(name, (4,)) for name in NAMES}
    prefix = lr.write_checkpoint(
        tmp_path / "m",
        values,
        slices={name: [((0,), (1,)), ((1,), (3,))] for name in NAMES},
        dtypes={name: name for name in NAMES},
    )
    refused = set()
    for name in NAMES:
        assert_same(restore(prefix, [name], [name], ["4 1,3"])[0], values[name][1:])
        try:
            assert_same(restore(prefix, [name], [name])[0], values[name])
        except tf.errors.InvalidArgumentError:
            refused.add(name)
    assert refused == {
        "string",
        "float16",
        "uint16",
        "uint32",
        "uint64",
        "qint16",
        "quint16",
    }
    with lr.open_checkpoint(prefix) as checkpoint:
        for name in {"string", "float16", "uint16", "uint32", "uint64"}:
            assert_same(checkpoint[name], values[name])


@pytest.mark.parametrize("use_resource", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_partitioned_variables(tmp_path, use_resource, parts):
    whole = fill("float32", (7, 2))
    slices = [((0, 0), (3, 2)), ((3, 0), (2, 2)), ((5, 0), (2, 2))]
    prefix = lr.write_checkpoint(
        tmp_path / "m", {"w": whole}, shards=2, slices={"w": slices}
    )
    with tf.Graph().as_default(), tf.Session() as session:
        partitioner = tf.fixed_size_partitioner(parts)
        with tf.variable_scope("", partitioner=partitioner, use_resource=use_resource):
            variable = tf.get_variable("w", [7, 2])
        tf.train.Saver().restore(session, prefix)
        assert_same(session.run(tf.convert_to_tensor(variable)), whole)


@pytest.mark.parametrize("shards", [1, 7])
def test_five_thousand_tensors(tmp_path, restore, shards):
    values = {
        f"net/block_{count % 50}/layer_{count}/kernel": fill("float32", (3,), count)
        for count in range(5000)
    }
    prefix = lr.write_checkpoint(tmp_path / "m", values, shards=shards)
    assert len(tf.train.load_checkpoint(prefix).get_variable_to_shape_map()) == 5000
    keys = sorted(values)
    for key, found in zip(keys, restore(prefix, keys, ["float32"] * len(keys))):
        assert_same(found, values[key])


def test_a_tensor_in_thousands_of_slices_and_several_blocks(tmp_path, restore):
    whole = fill("int32", (9000,))
    slices = {"w": [((place,), (1,)) for place in range(9000)]}
    prefix = lr.write_checkpoint(tmp_path / "m", {"w": whole}, slices=slices)
    assert (tmp_path / "m.index").stat().st_size > 256 << 10
    assert_same(restore(prefix, ["w"], ["int32"])[0], whole)


def test_golden_checkpoints_that_are_written_again(tmp_path, restore):
    for prefix in golden.prefixes():
        expected = {
            key: one
            for key, one in golden.expected_of(prefix).items()
            if one.dtype in NAMES
        }
        with lr.open_checkpoint(golden.path_of(prefix)) as checkpoint:
            kept = {
                key: _values(restore, checkpoint, key)
                for key in expected
                if checkpoint.entry(key).is_complete
            }
            slices = {
                key: checkpoint.entry(key).slices
                for key in kept
                if checkpoint.entry(key).slices
            }
            names = {key: expected[key].dtype for key in kept}
        written = lr.write_checkpoint(
            tmp_path / "m", kept, shards=2, slices=slices, dtypes=names, overwrite=True
        )
        keys = sorted(kept)
        found = restore(written, keys, [names[key] for key in keys])
        for key, array in zip(keys, found):
            if names[key] == "string":
                array = np.asarray(array, dtype=object)
            array = np.asarray(array)
            assert array.shape == expected[key].shape
            assert golden.contents_of(array) == expected[key].contents


def _values(restore, checkpoint, key):
    name = checkpoint.entry(key).dtype
    if not dtypes.BY_NAME[name].in_ml_dtypes:
        return checkpoint[key]
    return restore(checkpoint.prefix, [key], [name])[0]


def test_what_tensorflow_writes_of_the_same_values_is_the_same_file(tmp_path, session):
    values = {
        f"{name}/{count}": fill(name, shape, count)
        for name in ("float32", "int64", "string", "bool", "complex64")
        for count, shape in enumerate(SHAPES)
    }
    values["text"] = strings(b"x" * 300, b"", b"y" * 70000)
    keys = sorted(values)
    with session.graph.as_default():
        inputs = [
            tf.placeholder(_type(np.asarray(values[key])), np.shape(values[key]))
            for key in keys
        ]
        operation = tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "tf"),
            tensor_names=keys,
            shape_and_slices=[""] * len(keys),
            tensors=inputs,
        )
    session.run(operation, dict(zip(inputs, (values[key] for key in keys))))
    lr.write_checkpoint(tmp_path / "we", values)
    for ending in (".index", ".data-00000-of-00001"):
        written = (tmp_path / ("we" + ending)).read_bytes()
        assert written == (tmp_path / ("tf" + ending)).read_bytes()
