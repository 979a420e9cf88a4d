"""Restores a denoiser and a classifier, trained by TensorFlow 1.15.5, into one session.

Both were written for a graph of their own and share variable names. Here each is built
in a variable scope of its own; the denoiser's images are fed to the classifier, and
what comes out is compared with what TensorFlow 1.15.5 gave for the same images.
"""

from __future__ import annotations

import os

import digits_data
import models
import numpy as np
from absl import app, flags
from absl.flags import argparse_flags

import legacy_restore as lr

_HERE = os.path.dirname(os.path.abspath(__file__))
_DENOISER = flags.DEFINE_string(
    "denoiser",
    os.path.join(_HERE, "checkpoints", "denoiser"),
    "Location of the denoiser's checkpoint.",
)
_CLASSIFIER = flags.DEFINE_string(
    "classifier",
    os.path.join(_HERE, "checkpoints", "classifier"),
    "Location of the classifier's checkpoint.",
)


def main(_: object) -> int:
    """Restores, proves, runs and compares."""
    data = digits_data.load_data()
    with np.load(os.path.join(_HERE, "expected.npz")) as file:
        expected = dict(file)

    denoiser = lr.Model("denoiser", models.build_denoiser, _DENOISER.value)
    classifier = lr.Model("classifier", models.build_classifier, _CLASSIFIER.value)
    with lr.restore([denoiser, classifier]) as restored:
        print(restored.plan)
        check = restored.check()
        check.raise_if_failed()
        cleaned = restored["denoiser"](images=data.noisy_test_images)["images"]
        answer = restored["classifier"](images=cleaned)

    accuracy = np.mean(answer["classes"] == data.test_labels)
    difference = max(
        np.abs(cleaned - expected["denoised"]).max(),
        np.abs(answer["probabilities"] - expected["probabilities"]).max(),
    )
    print(f"\n{check}")
    print(f"accuracy {accuracy:.4f}, with TensorFlow 1.15.5 {expected['accuracy']:.4f}")
    print(f"largest difference from TensorFlow 1.15.5's outputs {difference:.1e}")
    return 0


def parse_flags(argv: list) -> object:
    """Reads the flags; ``--help`` ends with 0, a mistake with 2."""
    return argparse_flags.ArgumentParser(description=__doc__).parse_args(argv[1:])


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
