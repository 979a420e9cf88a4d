"""Small checkpoints, written by stock TensorFlow, and builders that fit them."""

import os

import numpy as np

import legacy_restore as lr
from legacy_restore.checkpoint.bundle_index import read_index
from legacy_restore.tf import tf

IS_TF1 = tf.__version__.startswith("1.")

LINEAR = {"dense/kernel": (3, 2), "dense/bias": (2,)}


def numbers(shape, seed=0):
    """Values that differ from element to element, and from seed to seed."""
    random = np.random.RandomState(seed)
    return random.uniform(-1, 1, shape).astype(np.float32)


def values_of(shapes, seed=0):
    """Values for variables with these shapes."""
    return {
        name: numbers(shapes[name], 1000 * seed + place)
        for place, name in enumerate(sorted(shapes))
    }


def linear_values(seed=0):
    """Values for the variables of ``linear``."""
    return values_of(LINEAR, seed)


def write(prefix, values):
    """Writes arrays under their keys with a stock Saver; returns the prefix."""
    return _saved(prefix, values)


def write_v1(prefix, values, shards=None):
    """Writes them in the format V1; returns the prefix.

    Args:
      prefix: Path of the file, or what the paths of the shards begin with.
      values: Arrays by their keys.
      shards: Number of shards, None for one file of the prefix itself.
    """
    options = {"write_version": tf.train.SaverDef.V1, "sharded": shards is not None}
    return _saved(prefix, values, shards or 1, **options)


def _saved(prefix, values, cpus=1, **options):
    prefix = os.fspath(prefix)
    os.makedirs(os.path.dirname(prefix), exist_ok=True)
    config = tf.ConfigProto(device_count={"CPU": cpus})
    with tf.Graph().as_default() as graph, tf.Session("", graph, config) as session:
        saved = {}
        feeds = {}
        for number, (key, value) in enumerate(values.items()):
            with tf.device(f"/cpu:{number % cpus}"):
                fed = tf.placeholder(dtype_of(value), np.shape(value))
                saved[key] = tf.Variable(fed, name=f"v{number}", use_resource=False)
            feeds[fed] = value
        session.run([one.initializer for one in saved.values()], feeds)
        saver = tf.train.Saver(saved, **options)
        return saver.save(session, prefix, write_meta_graph=False, write_state=False)


def dtype_of(value):
    """TensorFlow's dtype of an array; objects are strings."""
    found = np.asarray(value).dtype
    return tf.string if found.kind in "OSU" else tf.as_dtype(found)


def of_kind(kind, build):
    """The builder, all of its variables of one kind, "ref" or "resource"."""

    def build_of_kind():
        tf.get_variable_scope().set_use_resource(kind == "resource")
        return build()

    return build_of_kind


def linear(kind, name="dense", inputs=3, outputs=2):
    """A builder of one layer: ``x`` times a kernel plus a bias."""

    def build():
        x = tf.placeholder(tf.float32, [None, inputs], name="x")
        with tf.variable_scope(name):
            kernel = tf.get_variable("kernel", [inputs, outputs])
            bias = tf.get_variable("bias", [outputs])
        return {"y": tf.matmul(x, kernel) + bias}

    return of_kind(kind, build)


def variables(kind, shapes, dtype=tf.float32):
    """A builder of variables by name and shape; it returns their values."""

    def build():
        return {
            name: tf.identity(tf.get_variable(name, shape, dtype))
            for name, shape in shapes.items()
        }

    return of_kind(kind, build)


def linear_model(kind, name, tmp_path, seed=0, **more):
    """A model of ``linear`` with a checkpoint of its own."""
    prefix = write(tmp_path / name / "model.ckpt", linear_values(seed))
    return lr.Model(name, linear(kind), prefix, **more)


def apply(values, x):
    """What ``linear`` computes, in NumPy."""
    return x @ values["dense/kernel"] + values["dense/bias"]


def data_file(prefix, shard=0, shards=1):
    """The path of a data file."""
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


def flip(path, offset):
    """Inverts one bit of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def damage(prefix, key):
    """Inverts one bit of a tensor in a checkpoint's only data file."""
    flip(data_file(prefix), read_index(prefix + ".index").entries[key].offset + 1)


def values_in(restored, name):
    """The values of a restored model's variables, by name without the scope."""
    model = restored[name]
    found = restored.session.run({one.op.name: one for one in model.variables})
    return {key[len(model.scope) + 1 :]: value for key, value in found.items()}


def assert_same(found, expected):
    """Compares arrays by name, bit by bit."""
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        value = np.asarray(value)
        assert found[name].dtype == value.dtype, name
        assert found[name].shape == value.shape, name
        if value.dtype == object:
            assert found[name].tolist() == value.tolist(), name
        else:
            assert found[name].tobytes() == value.tobytes(), name


def ids(findings):
    """The ids of the findings that refuse, sorted."""
    return sorted(finding.id for finding in findings if finding.is_error)


def of_id(findings, identifier):
    """The findings of one kind."""
    return [finding for finding in findings if finding.id == identifier]


def only(findings, identifier):
    """The one finding of a kind."""
    [finding] = of_id(findings, identifier)
    return finding
