"""Trains eager models, saves them by objects, and goes on.

``python -m tests.golden.write_eager_models``, in the root of this repository, with
TensorFlow 1.15. README.md describes what it writes.
"""

import json
import os
import shutil

from legacy_restore.tf import tf
from tests.eager.eager_models import MODELS, STEPS, begin

FOLDER = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "eager_models", "tf1_15"
)


def main():
    assert tf.__version__.startswith("1.15"), tf.__version__
    tf.enable_eager_execution()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for number, kind in enumerate(MODELS):
        tf.set_random_seed(number)
        folder = os.path.join(FOLDER, kind)
        os.makedirs(folder)
        training = begin(tf.keras, kind)
        training.run(STEPS)
        prefix = training.root().save(os.path.join(folder, "ckpt"))
        os.remove(os.path.join(folder, "checkpoint"))
        expected = {
            "tensorflow": tf.__version__,
            "prefix": os.path.basename(prefix),
            "outputs": training.outputs().tolist(),
            "losses": training.run(10).tolist(),
        }
        with open(os.path.join(folder, "expected.json"), "w") as file:
            json.dump(expected, file, indent=1, sort_keys=True)
            file.write("\n")


if __name__ == "__main__":
    main()
