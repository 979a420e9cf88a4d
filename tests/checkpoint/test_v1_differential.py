"""TensorFlow writes V1 checkpoints, we read them, and it reads them too."""

import numpy as np
import pytest

from legacy_restore.checkpoint import open_checkpoint
from tests.checkpoint import golden
from tests.checkpoint.builders import SNAPPY, pairs_of, strings, table
from tests.checkpoint.v1_builders import small_v1

tf = pytest.importorskip("tensorflow.compat.v1")

# Those for which the V1 writer of TensorFlow 1.15 and 2.21 has a place.
DTYPES = (
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 bool complex64 "
    "complex128"
)
KEYS = [
    "plain",
    "with space",
    "a=b[0]?*",
    "../up",
    "/root/",
    "uml\u00e4ut/\u4e2d",
    "line\nend",
    "back\\slash",
    "nul\x01",
    "long" * 200,
    "a",
    "a/b",
]


def write(path, tensors, specs=None):
    """Writes numpy values as one V1 file; ``specs`` are shapes and slices."""
    with tf.Graph().as_default(), tf.Session() as session:
        # Constants would make quiet NaNs of signalling ones.
        fed = [tf.placeholder(tf.as_dtype(one.dtype)) for _, one in tensors]
        save = tf.raw_ops.SaveSlices(
            filename=str(path),
            tensor_names=[key for key, _ in tensors],
            shapes_and_slices=specs or [""] * len(tensors),
            data=fed,
        )
        session.run(save, dict(zip(fed, (value for _, value in tensors))))


def read_by_tensorflow(prefix, tensors):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(
            tf.raw_ops.RestoreV2(
                prefix=str(prefix),
                tensor_names=[key for key, _ in tensors],
                shape_and_slices=[""] * len(tensors),
                dtypes=[tf.as_dtype(value.dtype) for _, value in tensors],
            )
        )


def assert_equal(prefix, tensors):
    """Our values are those that were written and those that TensorFlow reads."""
    theirs = read_by_tensorflow(prefix, tensors)
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.format == "V1"
        assert list(checkpoint) == sorted({key for key, _ in tensors})
        for (key, value), other in zip(tensors, theirs):
            found = checkpoint[key]
            assert found.dtype == value.dtype
            assert found.shape == value.shape == np.shape(other)
            assert golden.contents_of(found) == golden.contents_of(value), key
            if value.dtype != object:
                assert found.tobytes() == other.tobytes(), key


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.ckpt"


@pytest.mark.parametrize("dtype", DTYPES.split())
def test_every_dtype(path, dtype):
    random = np.random.RandomState(0)
    itemsize = np.dtype(dtype).itemsize
    raw = random.randint(0, 256, 60 * itemsize).astype(np.uint8)
    values = (raw % 2).astype(bool) if dtype == "bool" else raw.view(dtype)
    tensors = [("w", values.reshape([3, 4, 5])), ("scalar", values.reshape(-1)[7])]
    tensors = [(key, np.asarray(value)) for key, value in tensors]
    tensors.append(("none", values[:0].reshape([0, 2])))
    write(path, tensors)
    assert_equal(path, tensors)


def test_strings_and_names(path):
    tensors = [("words", strings(b"", b"nul\0", b"\xff" * 300))]
    tensors += [(key, np.array([number], np.int32)) for number, key in enumerate(KEYS)]
    write(path, tensors)
    assert_equal(path, tensors)


def test_random_tensors(tmp_path):
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies
    shapes = some.lists(some.integers(0, 4), max_size=4)

    @hypothesis.settings(deadline=None, max_examples=15, derandomize=True)
    @hypothesis.given(
        tensors=some.dictionaries(
            some.text(min_size=1, max_size=6).filter(lambda one: one[0] < "\ud800"),
            some.tuples(some.sampled_from(DTYPES.split()), shapes, some.integers(0)),
            min_size=1,
            max_size=6,
        )
    )
    def check(tensors):
        made = []
        for key, (dtype, shape, seed) in sorted(tensors.items()):
            random = np.random.RandomState(seed % 2**32)
            values = random.standard_normal(shape) * 100
            kind = "float64" if dtype == "bool" else dtype
            value = (values > 0) if dtype == "bool" else values.astype(kind)
            made.append((key, np.asarray(value, dtype)))
        path = tmp_path / "model.ckpt"
        write(path, made)
        assert_equal(path, made)

    check()


def test_tensors_in_many_blocks_and_one_that_is_large(path):
    random = np.random.RandomState(1)
    tensors = [
        (f"block{number}/kernel", random.standard_normal([30, 60]))
        for number in range(60)
    ]
    tensors.append(("large", random.standard_normal([1000, 500])))
    write(path, tensors)
    assert_equal(path, tensors)


def test_five_thousand_tensors(path):
    tensors = [
        (f"net/unit_{number // 5}/w{number % 5}", np.full([2], number, np.float32))
        for number in range(5000)
    ]
    write(path, tensors)
    assert_equal(path, tensors)


@pytest.mark.parametrize("pairs_per_block", [None, 1, 5])
def test_blocks_that_are_compressed_afterwards(path, pairs_per_block):
    cramjam = pytest.importorskip("cramjam")
    random = np.random.RandomState(2)
    tensors = [(f"w{number}", random.randint(0, 5, [100])) for number in range(20)]
    write(path, tensors)
    before = path.read_bytes()
    path.write_bytes(
        table(
            sorted(pairs_of(path).items()),
            pairs_per_block=pairs_per_block,
            compress=lambda one: bytes(cramjam.snappy.compress_raw(one)),
            compression=SNAPPY,
        )
    )
    assert path.read_bytes() != before
    assert_equal(path, tensors)


def values_in(prefix):
    with open_checkpoint(prefix) as checkpoint:
        return [(key, checkpoint[key]) for key in checkpoint]


# Else the files that these tests build would prove nothing about damaged ones.
@pytest.mark.parametrize(
    "layout", [{}, {"restart_interval": 1}, {"pairs_per_block": 2}]
)
def test_built_files_are_tensorflows_too(path, layout):
    small_v1(path, **layout)
    assert_equal(path, values_in(path))


@pytest.mark.parametrize("prefix", [one for one in golden.prefixes() if "_v1" in one])
def test_golden_files_are_what_tensorflow_reads(prefix):
    with open_checkpoint(golden.path_of(prefix)) as checkpoint:
        found = checkpoint.prefix
        plain = [
            (entry.key, checkpoint[entry.key])
            for entry in checkpoint.entries()
            if not entry.dtype.startswith("q")
        ]
    theirs = read_by_tensorflow(found, plain)
    assert len(plain) >= 4
    for (key, value), other in zip(plain, theirs):
        if value.dtype != object:
            assert value.tobytes() == np.asarray(other).tobytes(), key
        elif value.shape:
            assert value.tolist() == other.tolist(), key


def test_slices_over_two_files(tmp_path):
    whole = np.arange(20, dtype=np.float32).reshape([4, 5])
    write(
        tmp_path / "m-00000-of-00002",
        [("w", whole[:2]), ("other", np.array([1]))],
        ["4 5 0,2:-", ""],
    )
    write(
        tmp_path / "m-00001-of-00002",
        [("w", whole[2:, :3]), ("w", whole[2:, 3:])],
        ["4 5 2,2:0,3", "4 5 2,2:3,2"],
    )
    pattern = tmp_path / "m-?????-of-00002"
    assert_equal(pattern, [("w", whole), ("other", np.array([1]))])


def saved_by_saver(folder, sharded):
    """A model with a partitioned variable, saved in V1; returns values and prefix."""
    devices = iter(["/cpu:0", "/cpu:1", "/cpu:2"] * 3)

    def device_of(operation):
        is_variable = operation.type in ("VariableV2", "VarHandleOp")
        return next(devices) if is_variable else operation.device

    with tf.Graph().as_default() as graph, tf.device(device_of):
        tf.get_variable("rows", [7, 3], partitioner=tf.fixed_size_partitioner(3))
        columns = tf.get_variable("columns", [2, 5])
        tf.get_variable("step", [], tf.int64, initializer=tf.ones_initializer())
        with tf.device(None):
            saver = tf.train.Saver(write_version=tf.train.SaverDef.V1, sharded=sharded)
        config = tf.ConfigProto(device_count={"CPU": 3})
        with tf.Session(graph=graph, config=config) as session:
            session.run(tf.global_variables_initializer())
            prefix = saver.save(session, str(folder / "model.ckpt"), 12)
            rows = [one for one in tf.global_variables() if "rows" in one.name]
            values = {
                "rows": np.concatenate(session.run(rows)),
                "columns": session.run(columns),
                "step": np.int64(1),
            }
    return values, prefix


@pytest.mark.parametrize("sharded", [False, True])
def test_what_a_saver_writes_is_what_it_had(tmp_path, sharded):
    values, prefix = saved_by_saver(tmp_path, sharded)
    tensors = [(key, np.asarray(value)) for key, value in sorted(values.items())]
    for location in (prefix, tmp_path, tmp_path / "model.ckpt-12", f"{tmp_path}@12"):
        with open_checkpoint(location) as checkpoint:
            assert checkpoint.prefix == prefix
    assert_equal(prefix, tensors)


@pytest.mark.parametrize("sharded", [False, True])
def test_listing_is_that_of_tensorflow(tmp_path, sharded):
    _, prefix = saved_by_saver(tmp_path, sharded)
    reader = tf.train.NewCheckpointReader(prefix)
    theirs = {
        key: (dtype.name, tuple(reader.get_variable_to_shape_map()[key]))
        for key, dtype in reader.get_variable_to_dtype_map().items()
    }
    with open_checkpoint(prefix) as checkpoint:
        ours = {one.key: (one.dtype, one.shape) for one in checkpoint.entries()}
    assert ours == theirs
    assert not reader.has_tensor("absent")
    assert "absent" not in ours
