"""Trains with each optimizer, saves, and goes on.

``python -m tests.golden.write_trainings``, in the root of this repository, with the
TensorFlow that the folder is named for. README.md describes what it writes.
"""

import json
import os
import shutil

import numpy as np

from legacy_restore.tf import tf
from tests.eager.training import Family, Library, eagerly, train_eagerly, train_in_graph

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trainings", "tf1_15")

_RMSPROP = {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.9, "epsilon": 1e-2}
TRAININGS = {
    "momentum": (Family.MOMENTUM, {"learning_rate": 0.05, "momentum": 0.9}),
    "adam": (
        Family.ADAM,
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-2},
    ),
    "rmsprop": (Family.RMSPROP, _RMSPROP),
    "centered": (Family.RMSPROP, {**_RMSPROP, "centered": True}),
    "adagrad": (Family.ADAGRAD, {"learning_rate": 0.1, "epsilon": 1e-2}),
    "ftrl": (
        Family.FTRL,
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 1e-3,
            "l2_regularization_strength": 1e-2,
            "l2_shrinkage_regularization_strength": 1e-2,
        },
    ),
}
STEPS = 5


def main():
    assert tf.__version__.startswith("1.15"), tf.__version__
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, (family, hyperparameters) in TRAININGS.items():
        for kind in ("graph", "keras"):
            folder = os.path.join(FOLDER, f"{name}_{kind}")
            os.makedirs(folder)
            prefix = os.path.join(folder, "ckpt")
            if kind == "graph":
                saved = train_in_graph(family, prefix, "ref", STEPS, **hyperparameters)
            else:
                with eagerly():
                    saved = train_eagerly(
                        Library.LEGACY_KERAS, family, prefix, STEPS, **hyperparameters
                    )
            for left in ("checkpoint", os.path.basename(saved.prefix) + ".meta"):
                if os.path.exists(os.path.join(folder, left)):
                    os.remove(os.path.join(folder, left))
            expected = {
                "tensorflow": tf.__version__,
                "prefix": os.path.basename(saved.prefix),
                "weights": [np.asarray(one).tolist() for one in saved.weights],
                "losses": saved.losses.tolist(),
            }
            with open(os.path.join(folder, "losses.json"), "w") as file:
                json.dump(expected, file, indent=1, sort_keys=True)
                file.write("\n")


if __name__ == "__main__":
    main()
