"""Differential tests: TensorFlow writes and lists, and what is read is the same."""

import os

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import (
    checksum,
    dtypes,
    open_checkpoint,
    resolve_location,
)
from legacy_restore.checkpoint.slices import slice_key
from tests.checkpoint import golden
from tests.checkpoint.builders import (
    SNAPPY,
    BundleBuilder,
    pairs_of,
    parts_along,
    strings,
)

tf = pytest.importorskip("tensorflow.compat.v1")

WORDS = strings(b"", b"plain", b"\xff\0", b"x" * 300)


@pytest.fixture(scope="module")
def session():
    config = tf.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default(), tf.Session(config=config) as one:
        yield one


@pytest.fixture
def save(session, tmp_path):
    """Saves values under their keys and slice specifications."""

    def run(pieces, name="model.ckpt"):
        prefix = str(tmp_path / name)
        keys, specifications, values = zip(*pieces)
        with session.graph.as_default():
            # Fed, not constants: those make quiet NaNs of signalling ones.
            inputs = [tf.placeholder(_dtype_of(one), np.shape(one)) for one in values]
            operation = tf.raw_ops.SaveV2(
                prefix=prefix,
                tensor_names=list(keys),
                shape_and_slices=list(specifications),
                tensors=inputs,
            )
        session.run(operation, dict(zip(inputs, values)))
        return prefix

    return run


@pytest.fixture
def restore(session):
    """Reads values with the operation that every Saver uses."""

    def run(prefix, keys, types):
        with session.graph.as_default():
            operation = tf.raw_ops.RestoreV2(
                prefix=prefix,
                tensor_names=keys,
                shape_and_slices=[""] * len(keys),
                dtypes=types,
            )
        return session.run(operation)

    return run


@pytest.fixture
def compare(restore):
    """Compares keys, shapes, dtypes and values with TensorFlow's; gives their count."""

    def run(prefix):
        keys = compare_lists(prefix)
        with open_checkpoint(prefix) as checkpoint:
            types = [tf.as_dtype(checkpoint.entry(key).dtype) for key in keys]
            for key, expected in zip(keys, restore(prefix, keys, types)):
                assert_same(checkpoint[key], expected)
        return len(keys)

    return run


def compare_lists(prefix):
    """Compares keys, shapes and dtypes with TensorFlow's; gives the keys."""
    reader = tf.train.load_checkpoint(prefix)
    shapes = reader.get_variable_to_shape_map()
    types = reader.get_variable_to_dtype_map()
    with open_checkpoint(prefix) as checkpoint:
        assert list(checkpoint) == sorted(shapes)
        for entry in checkpoint.entries():
            assert list(entry.shape) == list(shapes[entry.key])
            assert entry.dtype == tf.as_dtype(types[entry.key]).name
        return list(checkpoint)


def _dtype_of(value):
    dtype = np.asarray(value).dtype
    return tf.string if dtype.kind == "O" else tf.as_dtype(dtype)


def assert_same(found, expected):
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    if found.dtype == object:
        expected = expected.astype(object)
    else:
        assert found.dtype.itemsize == expected.dtype.itemsize
    assert golden.contents_of(found) == golden.contents_of(expected)


def fill(dtype, shape, seed=0):
    """Values of a NumPy dtype with every bit pattern that it may have."""
    random = np.random.RandomState(seed)
    if dtype == np.dtype(bool):
        return random.randint(0, 2, shape).astype(bool)
    count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = random.randint(0, 256, count).astype(np.uint8)
    return np.frombuffer(raw.tobytes(), dtype).reshape(shape)


def test_names_and_numbers_of_dtypes_are_tensorflows():
    types_pb2 = pytest.importorskip("tensorflow.core.framework.types_pb2")
    numbers = [number for number in types_pb2.DataType.values() if 0 < number < 100]
    assert len(numbers) >= 23
    for number in numbers:
        assert dtypes.from_number(number).name == tf.as_dtype(number).name


NUMPY_TYPES = [
    name
    for name, one in dtypes.BY_NAME.items()
    if one.numpy_name == name and not one.in_ml_dtypes
]


@pytest.mark.parametrize("shape", [[], [0], [5], [2, 0, 3], [2, 1, 3, 1, 2]])
def test_every_numpy_dtype_is_read_bit_by_bit(save, shape, compare):
    values = {name: fill(np.dtype(name), shape) for name in NUMPY_TYPES}
    prefix = save([(name, "", value) for name, value in values.items()])
    assert compare(prefix) == len(NUMPY_TYPES)
    with open_checkpoint(prefix) as checkpoint:
        for name, value in values.items():
            assert checkpoint[name].dtype == value.dtype
            assert checkpoint[name].tobytes() == value.tobytes()


@pytest.mark.parametrize(
    "name", ["bfloat16", "qint8", "quint8", "qint16", "quint16", "qint32"]
)
def test_dtype_that_tensorflow_alone_has_is_read_bit_by_bit(session, tmp_path, name):
    dtype = dtypes.BY_NAME[name]
    prefix = str(tmp_path / "model.ckpt")
    bits = fill(np.dtype("uint16" if name == "bfloat16" else dtype.numpy_name), [9])
    with session.graph.as_default():
        operation = tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=["t"],
            shape_and_slices=[""],
            tensors=[tf.bitcast(bits, tf.as_dtype(name))],
        )
    session.run(operation)
    assert compare_lists(prefix) == ["t"]
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.entry("t").dtype == name
        crc = checkpoint.entry("t").crc32c
        assert checksum.unmask(crc) == checksum.crc32c(bits.tobytes())
        if dtype.in_ml_dtypes:
            pytest.importorskip("ml_dtypes")
        assert checkpoint["t"].tobytes() == bits.tobytes()


NARROW = [name for name, one in dtypes.BY_NAME.items() if one.number >= 24]


@pytest.mark.parametrize("name", NARROW)
def test_narrow_dtype_is_read_bit_by_bit_where_tensorflow_saves_it(save, name):
    pytest.importorskip("ml_dtypes")
    try:
        tf.as_dtype(name)
    except TypeError:
        pytest.skip(f"TensorFlow {tf.__version__} has no {name}")
    value = np.array([0, 1, 1, 0, 1], np.float32).astype(
        dtypes.BY_NAME[name].to_numpy()
    )
    try:
        prefix = save([("t", "", value)])
    except tf.errors.OpError as error:
        pytest.skip(f"TensorFlow {tf.__version__} does not save {name}: {error}")
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.entry("t").dtype == name
        assert checkpoint["t"].dtype == value.dtype
        assert checkpoint["t"].tobytes() == value.tobytes()


@pytest.mark.parametrize(
    "words", [WORDS, WORDS.reshape([2, 1, 2]), WORDS[:0], np.array(b"one", object)]
)
def test_strings_are_read_byte_by_byte(save, words, compare):
    prefix = save([("t", "", words)])
    assert compare(prefix) == 1
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint["t"].shape == words.shape
        assert list(checkpoint["t"].reshape(-1)) == list(words.reshape(-1))
        crc = checkpoint.entry("t").crc32c
        assert checksum.unmask(crc) == checksum.tensor_crc(words)


def test_keys_of_any_kind_are_listed_alike(save, compare):
    names = ["a", "a/b", "a/b/c", "a-b", "ä/ö", "x" * 300, "model_1/w", "model_10/w"]
    prefix = save([(name, "", np.float32(n)) for n, name in enumerate(names)])
    assert compare(prefix) == len(names)


TABLE = np.arange(60, dtype=np.float32).reshape([12, 5])


@pytest.mark.parametrize(
    "cuts",
    [
        ["0,4:-", "4,4:-", "8,4:-"],
        ["-:0,2", "-:2,3"],
        ["0,5:0,2", "0,5:2,3", "5,7:0,5"],
        ["0,12:0,5"],
        ["-:-"],
        ["8,4:-", "0,8:-"],
    ],
)
def test_slices_are_assembled_as_tensorflow_does(save, cuts, compare):
    pieces = []
    for cut in cuts:
        index = tuple(
            slice(None)
            if one == "-"
            else slice(int(one.split(",")[0]), sum(map(int, one.split(","))))
            for one in cut.split(":")
        )
        pieces.append(("t", f"12 5 {cut}", TABLE[index]))
    prefix = save([*pieces, ("u", "", np.float32(3))])
    assert compare(prefix) == 2
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint["t"].tobytes() == TABLE.tobytes()
        # A slice that is the whole is stored as a whole.
        count = len(cuts) if len(cuts) > 1 else 0
        assert len(checkpoint.entry("t").slices) == count


@pytest.mark.parametrize("size", [63, 64, 65, 8191, 8192, 8193, 1 << 20, 1 << 21])
def test_slice_keys_of_every_length_are_tensorflows(save, size, compare):
    value = np.arange(size + 3, dtype=np.int32)
    specification = f"{size + 3} "
    pieces = [
        ("t\xe9", f"{specification}0,{size}", value[:size]),
        ("t\xe9", f"{specification}{size},3", value[size:]),
    ]
    prefix = save(pieces)
    stored = {key for key in pairs_of(prefix + ".index") if key.startswith(b"\0")}
    parts = parts_along(0, value.shape, [size, 3])
    assert stored == {slice_key("t\xe9".encode(), part) for part in parts}
    assert compare(prefix) == 1


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
def test_saver_of_partitioned_variables_is_read(tmp_path, use_resource, compare):
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("net", use_resource=use_resource):
            kernel = tf.get_variable(
                "kernel", [10, 7], partitioner=tf.fixed_size_partitioner(3)
            )
            columns = tf.get_variable(
                "columns", [4, 9], partitioner=tf.fixed_size_partitioner(4, axis=1)
            )
            tf.get_variable("bias", [7])
            tf.get_variable("words", initializer=tf.constant([b"a", b"\xff"]))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(sharded=True)
        prefix = saver.save(session, str(tmp_path / "model.ckpt"), global_step=7)
        values = session.run([list(kernel), list(columns)])
    assert compare(prefix) == 4
    with open_checkpoint(str(tmp_path)) as checkpoint:
        assert checkpoint.prefix == prefix
        assert checkpoint["net/kernel"].tobytes() == np.concatenate(values[0]).tobytes()
        found = checkpoint["net/columns"]
        assert found.tobytes() == np.concatenate(values[1], 1).tobytes()


@pytest.fixture
def saver_in(session):
    """Saves three steps into a directory, of which the last two are kept."""

    def run(folder, **options):
        folder.mkdir()
        with session.graph.as_default():
            variable = tf.Variable(1.5, name="v")
            saver = tf.train.Saver([variable], max_to_keep=2, **options)
        session.run(variable.initializer)
        for step in (5, 50, 500):
            prefix = saver.save(
                session, str(folder / "model"), step, write_meta_graph=False
            )
        return prefix

    return run


@pytest.mark.parametrize("is_relative", [True, False], ids=["relative", "absolute"])
@pytest.mark.parametrize("is_sharded", [True, False], ids=["sharded", "one shard"])
def test_latest_is_the_one_that_tensorflow_names(
    saver_in, tmp_path, is_relative, is_sharded
):
    folder = tmp_path / "run"
    prefix = saver_in(folder, save_relative_paths=is_relative, sharded=is_sharded)
    location = resolve_location(folder)
    assert location.prefix == prefix == tf.train.latest_checkpoint(str(folder))
    assert location.findings == ()
    folder.rename(tmp_path / "moved")
    folder.mkdir()  # Else TensorFlow 1.15 raises where it gives None otherwise.
    folder = tmp_path / "moved"
    location = resolve_location(folder)
    assert location.prefix == str(folder / "model-500")
    if is_relative:
        assert location.prefix == tf.train.latest_checkpoint(str(folder))
    else:
        assert tf.train.latest_checkpoint(str(folder)) is None
        assert [one.id for one in location.findings] == ["state-file-moved"]


@pytest.mark.parametrize(
    "name", ["a b", "lr=0.1", "run@5", "run[1]", "~", "Gr\xfc\xdfe", "\u6a21", "a'b\"c"]
)
def test_state_files_with_odd_names_are_read_as_tensorflow_means_them(
    saver_in, tmp_path, name
):
    saver_in(tmp_path / name)
    (tmp_path / "checkpoint").write_bytes((tmp_path / name / "checkpoint").read_bytes())
    location = resolve_location(tmp_path)
    assert location.prefix == str(tmp_path / name / "model-500")
    assert [one.id for one in location.findings] == ["state-file-elsewhere"]
    with open_checkpoint(location.prefix) as checkpoint:
        assert list(checkpoint.values()) == [1.5]


def test_merged_shards_are_read(session, save, tmp_path, compare):
    parts = [
        save(
            [(f"t{n}", "", np.full([3], n)), ("cut", f"4 {n},1", np.full([1], n))],
            f"p{n}",
        )
        for n in range(4)
    ]
    prefix = str(tmp_path / "merged")
    with session.graph.as_default():
        merge = tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=parts, destination_prefix=prefix, delete_old_dirs=False
        )
    session.run(merge)
    assert compare(prefix) == 5
    with open_checkpoint(prefix) as checkpoint:
        assert len(checkpoint.paths()) == 5
        assert list(checkpoint["cut"]) == [0, 1, 2, 3]


def test_random_tensors_in_random_slices_are_read(save):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    def cuts_of(length):
        return some.lists(some.integers(1, max(length - 1, 1)), max_size=3).map(
            lambda inner: sorted({0, length, *(one for one in inner if one < length)})
        )

    @hypothesis.settings(deadline=None, max_examples=25, derandomize=True)
    @hypothesis.given(
        data=some.data(),
        dtype=some.sampled_from([*NUMPY_TYPES, "string"]),
        shape=some.lists(some.integers(1, 70), min_size=1, max_size=3),
        axis=some.integers(0, 2),
    )
    def check(data, dtype, shape, axis):
        axis %= len(shape)
        bounds = data.draw(cuts_of(shape[axis]))
        if dtype == "string":
            value = np.array(
                [b"%d" % n * (n % 5) for n in range(int(np.prod(shape)))], object
            ).reshape(shape)
        else:
            value = fill(np.dtype(dtype), shape)
        pieces = []
        for start, end in zip(bounds, bounds[1:]):
            cut = ["-"] * len(shape)
            cut[axis] = f"{start},{end - start}"
            index = [slice(None)] * len(shape)
            index[axis] = slice(start, end)
            text = " ".join(map(str, shape)) + " " + ":".join(cut)
            pieces.append(("t", text, value[tuple(index)]))
        prefix = save(pieces)
        # Not by value: TensorFlow assembles no slices of unsigned integers.
        assert compare_lists(prefix) == ["t"]
        with open_checkpoint(prefix) as checkpoint:
            assert golden.contents_of(checkpoint["t"]) == golden.contents_of(value)

    check()


# What the builders of these tests write is what TensorFlow takes for a checkpoint too;
# else they would prove nothing about damaged ones.


@pytest.mark.parametrize(
    "layout",
    [{}, {"restart_interval": 1}, {"pairs_per_block": 1}, {"compression": SNAPPY}],
    ids=["plain", "restarts", "blocks", "snappy"],
)
@pytest.mark.parametrize("is_big_endian", [False, True], ids=["little", "big"])
def test_built_checkpoints_are_tensorflows_too(
    tmp_path, is_big_endian, layout, compare
):
    if "compression" in layout:
        cramjam = pytest.importorskip("cramjam")
        layout = dict(
            layout, compress=lambda data: bytes(cramjam.snappy.compress_raw(data))
        )
    builder = BundleBuilder(num_shards=2, is_big_endian=is_big_endian)
    for number, name in enumerate(NUMPY_TYPES):
        builder.add(name, fill(np.dtype(name), [3, 2]), shard=number % 2)
    builder.add("words", WORDS, shard=1)
    builder.add_sliced("t", TABLE, parts_along(0, TABLE.shape, [5, 7]), shards=[1, 0])
    prefix = builder.write(tmp_path / "model.ckpt", **layout)
    assert compare(prefix) == len(NUMPY_TYPES) + 2


@pytest.mark.parametrize("prefix", golden.prefixes())
def test_golden_checkpoints_are_listed_as_tensorflow_lists_them(prefix):
    assert compare_lists(resolve_location(golden.path_of(prefix)).prefix)


def test_flipped_byte_is_found_by_both(save, restore):
    prefix = save([("t", "", TABLE), ("u", "", np.float32(3))])
    path = prefix + ".data-00000-of-00001"
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) - 6)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(tf.errors.DataLossError):
        restore(prefix, ["t"], [tf.float32])
    with open_checkpoint(prefix) as checkpoint:
        with pytest.raises(errors.CorruptCheckpointError):
            checkpoint["t"]
        assert [checkpoint["u"]] == restore(prefix, ["u"], [tf.float32])
