"""Pairing objects beside stock ``tf.train.Checkpoint``, on random programs.

What we give a key has its value after a stock restore; what we give none, and is in no
conflict, is as it was. Stock TensorFlow decides conflicts too, without a word.
"""

import importlib.util
import itertools
import random

import numpy as np
import pytest

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.planning.object_tree import ObjectTree, pair
from legacy_restore.tf import IS_TF1, tf
from tests import object_goldens
from tests.checkpoint.object_builders import VALUE

PROGRAMS = 40
NAMES = ["a", "b", "c.d", "e/f"]


class Holder(tf.Module):
    """Holds what it is given under names that need not be attributes."""

    def hold(self, name, other):
        """Holds another object."""
        self._track_trackable(other, name, overwrite=True)


def random_program(dice, prefix):
    """A root that holds objects and variables in many ways; cycles are among them."""
    holders = [Holder() for _ in range(dice.randrange(2, 5))]
    variables = [
        tf.get_variable(f"{prefix}{number}", initializer=np.float32(0))
        for number in range(dice.randrange(3, 7))
    ]
    for holder in holders:
        for name in NAMES:
            if dice.random() < 0.85:
                held = holders if dice.random() < 0.45 else variables
                holder.hold(name, dice.choice(held))
    return holders[0], variables


def like(dice, root):
    """A program like another one, in which some objects are held otherwise."""
    copies = {}
    number = itertools.count()

    def copy(one):
        if one in copies and dice.random() < 0.9:
            return copies[one]
        # What was one object becomes several, if it has been copied before.
        if not isinstance(one, Holder):
            name = f"live{next(number)}"
            copies[one] = tf.get_variable(name, initializer=np.float32(0))
            return copies[one]
        made = copies[one] = Holder()
        for name, other in children_of(one).items():
            if dice.random() < 0.9:
                made.hold(name, copy(other))
        return made

    return copy(root)


def children_of(one):
    if hasattr(one, "_trackable_children"):
        return dict(one._trackable_children())
    return {child.name: child.ref for child in one._checkpoint_dependencies}


def tree_of(root, name_of=lambda one: one.op.name):
    """A live root as data."""
    numbers = {id(root): 0}
    objects, children, variables = [root], [], {}
    for one in objects:
        held = {}
        for name, other in children_of(one).items():
            if id(other) not in numbers:
                numbers[id(other)] = len(objects)
                objects.append(other)
            held[name] = numbers[id(other)]
        children.append(held)
        if hasattr(one, "handle"):
            variables[numbers[id(one)]] = name_of(one)
    return ObjectTree(children, variables)


def checkpoint_of(root):
    checkpoint = tf.train.Checkpoint()
    checkpoint._track_trackable(root, "root")
    return checkpoint


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Programs with what stock TensorFlow made of their variables."""
    folder = tmp_path_factory.mktemp("programs")
    return [_restored_by_stock(folder, seed) for seed in range(PROGRAMS)]


def _restored_by_stock(folder, seed):
    dice = random.Random(seed)
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("", use_resource=True):
            root, saved = random_program(dice, "saved")
            live = like(dice, root) if seed % 3 else random_program(dice, "live")[0]
        for number, one in enumerate(saved):
            one.load(100.0 + number, session)
        saving, restoring = checkpoint_of(root), checkpoint_of(live)
        tf.train.Checkpoint.save_counter.fget(saving)
        session.run(saving.save_counter.initializer)
        prefix = saving.save(str(folder / f"program{seed}"), session=session)
        tree = tree_of(restoring)
        names = sorted(set(tree.variables.values()))
        for number, name in enumerate(names):
            _variable(name).load(-1.0 - number, session)
        before = {name: session.run(_variable(name)) for name in names}
        restoring.restore(prefix).expect_partial().run_restore_ops(session)
        after = {name: session.run(_variable(name)) for name in names}
    return prefix, tree, before, after


def _variable(name):
    return next(one for one in tf.global_variables() if one.op.name == name)


def test_what_is_paired_is_what_stock_restores(programs):
    seen = {"restored": 0, "left": 0, "in conflict": 0}
    for prefix, tree, before, after in programs:
        with open_checkpoint(prefix) as checkpoint:
            found = pair(tree, checkpoint.objects, required=set(before))
            if found.live_root or found.stored_root:
                # Stock TensorFlow knows no way but from root to root.
                found = pair(tree, checkpoint.objects, required={"none can"})
            values = {name: checkpoint[key] for name, key in found.keys.items()}
            undecided = {
                name: [checkpoint[key] for key in conflict.keys]
                for conflict in found.conflicts
                for name in conflict.variables
            }
        for name, value in after.items():
            if name in values:
                assert value == values[name], (prefix, name)
                seen["restored"] += 1
            elif name in undecided:
                assert value in [before[name], *undecided[name]], (prefix, name)
                seen["in conflict"] += 1
            else:
                assert value == before[name], (prefix, name)
                seen["left"] += 1
    assert min(seen.values()) >= 10, seen


def test_stock_decides_a_conflict_without_a_word(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("", use_resource=True):
            first = tf.get_variable("first", initializer=np.float32(1))
            second = tf.get_variable("second", initializer=np.float32(2))
            tied = tf.get_variable("tied", initializer=np.float32(0))
        session.run(tf.global_variables_initializer())
        saving = tf.train.Checkpoint(a=first, b=second)
        session.run(saving.save_counter.initializer)
        prefix = saving.save(str(tmp_path / "two"), session=session)
        restoring = tf.train.Checkpoint(a=tied, b=tied)
        status = restoring.restore(prefix).expect_partial()
        status.run_restore_ops(session)
        assert session.run(tied) in (1, 2)
        with open_checkpoint(prefix) as checkpoint:
            found = pair(tree_of(restoring), checkpoint.objects, required={"tied"})
    (conflict,) = found.conflicts
    assert conflict.variables == ("tied",)
    assert conflict.keys == ("a" + VALUE, "b" + VALUE)


# The programs that wrote the goldens, made anew with other values.


def _writer():
    path = object_goldens.FOLDER.parent / "write_objects.py"
    spec = importlib.util.spec_from_file_location("write_objects", str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _assert_paired(golden, saved, root):
    """Compares what our keys hold with what the live model had that was saved."""
    tree = tree_of(root, lambda one: str(id(one)))
    names = {path: str(id(one)) for path, one in saved.variables.items()}
    with open_checkpoint(golden.prefix) as checkpoint:
        found = pair(tree, checkpoint.objects, required=set(names.values()))
        assert (found.conflicts, found.ways) == ((), ())
        for path, value in golden.values.items():
            assert checkpoint[found.keys[names[path]]].tobytes() == value.tobytes()
    return found


@pytest.mark.skipif(IS_TF1, reason="needs eager execution, and Keras 3")
@pytest.mark.parametrize("name", object_goldens.NAMES)
def test_models_are_paired_with_what_was_saved_of_them(name):
    pytest.importorskip("keras")
    pytest.importorskip("tf_keras")
    golden = object_goldens.object_golden(name)
    saved = getattr(_writer(), name.partition("_")[2].partition("_")[2])()
    found = _assert_paired(golden, saved, saved.root)
    assert (found.live_root, found.stored_root) == (None, None)
    if "subclassed" in name:
        # The model was saved as the root. Now something else holds it.
        found = _assert_paired(golden, saved, tf.train.Checkpoint(net=saved.model))
        assert (found.live_root, found.stored_root) == ("net", None)
        return
    # The model alone, which is below the root of what was saved.
    found = _assert_paired(golden, saved, saved.model)
    assert found.stored_root in ("model", "net")
