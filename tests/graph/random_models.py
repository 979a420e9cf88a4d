"""Random models, and checkpoints of them with faults that are known."""

import contextlib
import dataclasses
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from hypothesis import strategies as st

from legacy_restore.tf import tf
from tests.graph.helpers import IS_TF1

NAMES = (
    *("w", "W", "w_1", "a/w", "A/w", "a/b/w", "kernel", "kernel_1", "part_0"),
    *("m/w", "model/w", "model_1/w", "model_10/w", "Model_1/b", "w/read", "save/w"),
    *("a.b-c/w", "restore", "Adam_", "x/w", "beta/gamma/delta/w"),
)
SCOPES = ("m", "model", "model_1", "model_10", "Model_2", "a/b", "save", "w", "X.y-z")
# Where a checkpoint has a model: under which scope its graph was built, and what was
# put before the names when it was saved.
PREFIXES = ("x", "old/scope", "model_1", "model_10", "w", "a", "a/b", "MODEL", "m")
SHAPES = ((), (1,), (3,), (2, 3), (5, 3), (4, 1, 2), (0,), (2, 0))
DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "bool", "string"),
    # TensorFlow 1 has no kernels that assign them.
    *(() if IS_TF1 else ("uint32", "uint64")),
)
TRAINED = ("float32", "float64")
OPTIMIZERS = {
    "": None,
    "Momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
    "Adam": lambda: tf.train.AdamOptimizer(0.1),
    "Adagrad": lambda: tf.train.AdagradOptimizer(0.1),
}
FAULTS = ("dropped", "reshaped", "retyped", "extra", "waiver", "untrained", "decoy")
DECOY = "decoy"


@dataclasses.dataclass(frozen=True)
class RandomVariable:
    """A variable; a partitioner is its kind, its size and its axis."""

    name: str
    dtype: str
    shape: Tuple[int, ...]
    is_resource: bool
    in_graph: Optional[Tuple[str, int, int]]
    in_file: Optional[Tuple[str, int, int]]


@dataclasses.dataclass(frozen=True)
class Training:
    """What a builder adds to its variables."""

    optimizer: str = ""
    average: bool = False

    def __bool__(self):
        return bool(self.optimizer) or self.average


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, what its checkpoint has, and how that was spoilt.

    ``layout`` is where the checkpoint has the model: the scope in which it was built,
    and what was put before its names.
    """

    scope: str
    variables: Tuple[RandomVariable, ...]
    in_graph: Training
    in_file: Training
    layout: Tuple[str, str]
    faults: Tuple[str, ...]
    targets: Tuple[int, ...]
    extra: str
    is_waived: bool
    is_waived_by_all: bool
    seed: int

    def has(self, fault, number=None):
        """Whether there is a fault, of a variable if its number is given."""
        return fault in self.faults and (number is None or number in self.targets)


def _partitioners(shape):
    choices: List[Any] = [st.none()]
    if shape and all(shape):
        axes = st.integers(0, len(shape) - 1)
        fixed = axes.flatmap(
            lambda axis: st.tuples(
                st.just("fixed"), st.integers(1, min(3, shape[axis])), st.just(axis)
            )
        )
        by_size = st.tuples(st.just("size"), st.sampled_from((8, 16, 40)), axes)
        choices += [fixed, by_size]
    return st.one_of(choices)


@st.composite
def _variables(draw, name):
    shape = draw(st.sampled_from(SHAPES))
    dtype = draw(st.sampled_from(DTYPES) | st.just("float32"))
    return RandomVariable(
        name=name,
        dtype=dtype,
        shape=shape,
        is_resource=draw(st.booleans()),
        in_graph=draw(_partitioners(shape)),
        in_file=draw(_partitioners(shape)),
    )


@st.composite
def cases(draw, scope):
    """A model under a scope, and its checkpoint."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    variables = tuple(draw(_variables(name)) for name in names)
    # Half of all cases have no fault.
    faults = tuple(
        draw(
            st.just(())
            | st.lists(st.sampled_from(FAULTS), min_size=1, max_size=2, unique=True)
        )
    )
    training = draw(
        st.builds(Training, st.sampled_from(sorted(OPTIMIZERS)), st.booleans())
    )
    is_kept = draw(st.booleans())
    other = draw(st.sampled_from([one for one in PREFIXES if one != scope]))
    layout = draw(st.sampled_from((("", ""), (scope, ""), (other, ""), ("", other))))
    if "decoy" in faults:
        faults, is_kept = ("decoy",), False
    if "untrained" in faults:
        training = Training(training.optimizer or "Adam", training.average)
        is_kept = True
    if layout[0] or is_kept:
        # In a scope, TensorFlow cuts the name of a partition's slot at a wrong place
        # (_create_slot_var in tensorflow/python/training/slot_creator.py).
        variables = tuple(
            dataclasses.replace(one, in_graph=None, in_file=None)
            if training and one.dtype in TRAINED
            else one
            for one in variables
        )
    if len({name.lower() for name in names}) < len(names) or "w/read" in names:
        # Then operations get other names, which depend on what there is besides.
        variables = tuple(
            dataclasses.replace(one, in_file=one.in_graph) for one in variables
        )
    return Case(
        scope=scope,
        variables=variables,
        in_graph=training if is_kept else Training(),
        in_file=Training() if "untrained" in faults else training,
        layout=layout,
        faults=faults,
        targets=tuple(draw(st.sets(st.integers(0, len(names) - 1), min_size=1))),
        extra=draw(st.sampled_from(("left", "zz/left", "other_1/kernel_9"))),
        is_waived=draw(st.booleans()),
        is_waived_by_all=draw(st.booleans()),
        seed=draw(st.integers(0, 9999)),
    )


@st.composite
def models(draw):
    """One or two models, each with a scope of its own."""
    scopes = draw(
        st.lists(st.sampled_from(SCOPES), min_size=1, max_size=2, unique=True)
    )
    return [draw(cases(scope)) for scope in scopes]


@dataclasses.dataclass(frozen=True)
class Group:
    """A variable of a graph, whole or in parts, and the one that it belongs to."""

    name: str
    parts: Tuple[Any, ...]
    saveable: Any
    owner: Optional[int] = None


def _partitioner(choice):
    if choice is None:
        return None
    kind, size, axis = choice
    if kind == "fixed":
        return tf.fixed_size_partitioner(size, axis)
    return tf.variable_axis_size_partitioner(size, axis)


def initial_value(variable, shape):
    """The constant that a variable's initialiser gives."""
    if variable.dtype == "string":
        return np.full(shape, b"initial", object)
    value = len(variable.name) % 2 if variable.dtype == "bool" else len(variable.name)
    return np.full(shape, value).astype(tf.as_dtype(variable.dtype).as_numpy_dtype)


def _initializer(variable):
    def initialize(shape, dtype=None, partition_info=None):
        sizes = [int(size) for size in shape]
        return tf.constant(initial_value(variable, sizes), variable.dtype, sizes)

    return initialize


def build(case, part):
    """Builds a case, ``part`` is "in_graph" or "in_file"; returns its groups."""
    training = getattr(case, part)
    made = []
    for variable in case.variables:
        one = tf.get_variable(
            variable.name,
            variable.shape,
            tf.as_dtype(variable.dtype),
            initializer=_initializer(variable),
            use_resource=variable.is_resource,
            partitioner=_partitioner(getattr(variable, part)),
            trainable=variable.dtype in TRAINED,
        )
        parts = tuple(one) if _is_partitioned(one) else (one,)
        made.append(Group(_name(parts[0]), parts, one))
    trained = [
        (number, variable)
        for number, group in enumerate(made)
        for variable in group.parts
        if case.variables[number].dtype in TRAINED
    ]
    return made + _train(training, trained)


def _train(training, trained):
    before = len(tf.global_variables())
    owners = {}
    if training.optimizer and trained:
        optimizer = OPTIMIZERS[training.optimizer]()
        optimizer.apply_gradients([(tf.zeros_like(v), v) for _, v in trained])
        for number, variable in trained:
            for name in optimizer.get_slot_names():
                owners[optimizer.get_slot(variable, name).op.name] = number
    # TensorFlow 2 makes averages of ref variables with control flow v1 only.
    averaged = [(number, one) for number, one in trained if IS_TF1 or _is_resource(one)]
    if training.average and averaged:
        average = tf.train.ExponentialMovingAverage(0.9)
        average.apply([variable for _, variable in averaged])
        for number, variable in averaged:
            owners[average.average(variable).op.name] = number
    parts: Dict[str, List[Any]] = {}
    for variable in tf.global_variables()[before:]:
        parts.setdefault(_name(variable), []).append(variable)
    return [
        Group(
            name,
            tuple(own),
            own if own[0]._get_save_slice_info() else own[0],
            owners.get(own[0].op.name),
        )
        for name, own in parts.items()
    ]


def _is_partitioned(one):
    return not hasattr(one, "initializer")


def _is_resource(variable):
    return variable.op.type == "VarHandleOp"


def _name(variable):
    info = variable._get_save_slice_info()
    return variable.op.name if info is None else info.full_name


@contextlib.contextmanager
def scope_of(name):
    """A variable scope, or none for an empty name."""
    with contextlib.ExitStack() as stack:
        if name:
            stack.enter_context(tf.variable_scope(name))
        yield


def random_value(random, dtype, shape):
    """Any bits; of strings any bytes."""
    count = int(np.prod(shape, dtype=int))
    if dtype == "string":
        texts = [random.bytes(random.randint(0, 9)) for _ in range(count)]
        value = np.empty(count, object)
        value[:] = texts
        return value.reshape(shape)
    if dtype == "bool":
        return random.randint(0, 2, shape).astype(bool)
    kind = np.dtype(tf.as_dtype(dtype).as_numpy_dtype)
    raw = np.frombuffer(random.bytes(count * kind.itemsize), np.uint8)
    return raw.view(kind).reshape(shape)


@dataclasses.dataclass
class File:
    """What the test knows of a checkpoint that it wrote.

    Attributes:
      prefix: Its prefix.
      keys: The key of each group, by its place; None for what is not there.
      owners: The number of the variable to which the training state of a key belongs.
      extra: Keys that no group has.
    """

    prefix: str
    keys: List[Optional[str]]
    owners: Dict[str, int]
    extra: List[str]


def write(case, prefix):
    """Writes a case's checkpoint with a stock Saver."""
    random = np.random.RandomState(case.seed)
    scope, before = case.layout
    file = File(prefix, [], {}, [])
    saved: Dict[str, Any] = {}
    values: List[Tuple[Any, Any]] = []
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        with scope_of(scope):
            groups = build(case, "in_file")
        root = before + "/" if before else ""

        def add(key, dtype, shape):
            value = random_value(random, dtype, shape)
            fed = tf.placeholder(tf.as_dtype(dtype), shape)
            saved[key] = tf.Variable(fed, name=f"added_{len(saved)}", use_resource=True)
            values.append((saved[key], value))

        for number, group in enumerate(groups):
            key = root + group.name
            if number < len(case.variables):
                if case.has("dropped", number):
                    file.keys.append(None)
                    continue
                dtype, shape = spoilt(case, number)
                if (dtype, shape) != unspoilt(case, number):
                    add(key, dtype, shape)
            if key not in saved:
                saved[key] = group.saveable
                for part in group.parts:
                    shape = part.shape.as_list()
                    value = random_value(random, part.dtype.base_dtype.name, shape)
                    values.append((part, value))
            file.keys.append(key)
            if group.owner is not None:
                file.owners[key] = group.owner
        inside = root + (scope + "/" if scope else "")
        if case.has("extra") or not saved:
            file.extra = [inside + case.extra, case.extra + "/top"]
            for key in file.extra:
                add(key, "float32", (2,))
        if case.has("decoy"):
            for group, variable in zip(groups, case.variables):
                name = group.name[len(scope) + 1 :] if scope else group.name
                file.extra.append(f"{DECOY}/{name}")
                add(file.extra[-1], variable.dtype, variable.shape)
        _assign(session, values)
        saver = tf.train.Saver(saved)
        saver.save(session, prefix, write_meta_graph=False, write_state=False)
    return file


def _assign(session, values):
    """Feeds values in the place of the initial ones, all at once if that can be."""
    pairs = [(one.initializer, value) for one, value in values]
    feeds = {initializer.inputs[1]: value for initializer, value in pairs}
    if len({tensor.name for tensor in feeds}) == len(pairs):
        session.run([initializer for initializer, _ in pairs], feeds)
        return
    for initializer, value in pairs:
        session.run(initializer, {initializer.inputs[1]: value})


def unspoilt(case, number):
    """Dtype and shape of a variable."""
    return case.variables[number].dtype, case.variables[number].shape


def spoilt(case, number):
    """Dtype and shape of a variable in the file."""
    dtype, shape = unspoilt(case, number)
    if case.has("reshaped", number):
        shape = (shape[0] + 1, *shape[1:]) if shape else (1,)
    if case.has("retyped", number):
        dtype = "int32" if dtype == "float32" else "float32"
    return dtype, shape
