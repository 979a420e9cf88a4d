"""Swapping to what a training job writes, and deletes, meanwhile."""

import threading

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import ids, variables, write

SHAPES = {f"layer_{number}/w": (64, 64) for number in range(8)}
SWAPS = 60


class Job:
    """Writes a step after the other and keeps two; all values are the step's number."""

    def __init__(self, directory):
        self.directory = directory
        self.failed = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._first = threading.Event()

    def __enter__(self):
        self._thread.start()
        assert self._first.wait(120)
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join(120)
        assert not self._thread.is_alive()
        assert not self.failed

    def _train(self):
        try:
            with tf.Graph().as_default(), tf.Session() as session:
                step = tf.placeholder(tf.float32, [])
                made = [
                    tf.get_variable(name, shape, initializer=tf.zeros_initializer())
                    for name, shape in SHAPES.items()
                ]
                assign = [tf.assign(one, tf.fill(one.shape, step)) for one in made]
                saver = tf.train.Saver(made, max_to_keep=2)
                session.run(tf.global_variables_initializer())
                number = 0
                while not self._stop.is_set():
                    number += 1
                    session.run(assign, {step: number})
                    prefix = str(self.directory / "model.ckpt")
                    saver.save(session, prefix, number, write_meta_graph=False)
                    self._first.set()
        except BaseException as error:
            self.failed.append(error)
            self._first.set()
            raise


@pytest.mark.parametrize("memory", ["full", "low"])
def test_a_swap_gives_one_step_or_none(kind, tmp_path, memory):
    start = write(
        tmp_path / "start", {key: np.zeros(SHAPES[key], "f") for key in SHAPES}
    )
    model = lr.Model("m", variables(kind, SHAPES), start)
    (tmp_path / "job").mkdir()
    with Job(tmp_path / "job") as job, lr.restore([model]) as restored:
        operations = len(restored.graph.get_operations())
        seen = [0.0]
        for _ in range(SWAPS):
            try:
                restored["m"].swap(job.directory, memory=memory)
            except errors.RestoreError as error:  # It was deleted before it was opened.
                assert ids(error.findings)[0] in ("checkpoint-changed", "corrupt")
            values = restored.session.run(restored["m"].variables)
            [step] = {float(number) for one in values for number in np.unique(one)}
            seen.append(step)
        assert seen == sorted(seen)
        assert len(set(seen)) > 2
        assert len(restored.graph.get_operations()) == operations
