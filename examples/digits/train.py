r"""Trains both models on TensorFlow 1.15.5 and records what they answer there.

This is the legacy half of the example: it leaves two checkpoints as an old code base
would have left them, and the outputs that a restored copy has to reproduce. It needs
a Python 3.7 with TensorFlow 1.15.5; its results are kept beside it, so it has to run
again only when the models change.

    python3.7 examples/digits/train.py

Written below ``--output_dir``:

    checkpoints/denoiser/    model.ckpt-<step>.*, checkpoint
    checkpoints/classifier/  model.ckpt-<step>.*, checkpoint
    expected.npz             see ``Expected``
"""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import Iterator

import digits_data
import models
import numpy as np
import tensorflow.compat.v1 as tf
from absl import app, flags

LEGACY_VERSION = "1.15.5"
EXIT_USAGE = 2

BATCH_SIZE = 64
LEARNING_RATE = 2e-3
# Keeps the logits small: the larger they are, the more of their last digits two
# builds of TensorFlow round differently.
WEIGHT_DECAY = 3e-3

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    os.path.dirname(os.path.abspath(__file__)),
    "Directory for checkpoints/ and expected.npz.",
)
_DENOISER_STEPS = flags.DEFINE_integer(
    "denoiser_steps", 8000, "Training steps of the denoiser.", lower_bound=1
)
_CLASSIFIER_STEPS = flags.DEFINE_integer(
    "classifier_steps", 1500, "Training steps of the classifier.", lower_bound=1
)
_SEED = flags.DEFINE_integer(
    "seed", 7, "Seed of the initial weights, batches and training noise."
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the flags say.

    Attributes:
        output_dir: Directory for everything that is written.
        denoiser_steps: Training steps of the denoiser.
        classifier_steps: Training steps of the classifier.
        seed: Seed of the initial weights, batches and training noise.
    """

    output_dir: str
    denoiser_steps: int
    classifier_steps: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the saved models answer to the noisy test images; ``expected.npz``.

    Attributes:
        denoised: float32 ``[360, 64]``, the denoiser's images.
        probabilities: float32 ``[360, 10]``, the classifier's answer to ``denoised``.
        accuracy_noisy: float64 scalar in [0, 1], the classifier alone.
        accuracy: float64 scalar in [0, 1], the classifier behind the denoiser.
        tensorflow_version: string scalar, the version that computed all this.
    """

    denoised: np.ndarray
    probabilities: np.ndarray
    accuracy_noisy: np.ndarray
    accuracy: np.ndarray
    tensorflow_version: np.ndarray


def train_denoiser(data: digits_data.DigitsData, settings: Settings) -> str:
    """Trains the denoiser from noisy to clean images and saves it.

    Args:
        data: Its training images are used; each batch draws noise of its own.
        settings: Where to save, how many steps, which seed.

    Returns:
        The prefix of the checkpoint.
    """
    random = np.random.RandomState(settings.seed)
    with tf.Graph().as_default():
        tf.set_random_seed(settings.seed)
        outputs = models.build_denoiser()
        clean = tf.placeholder(tf.float32, [None, models.IMAGE_PIXELS], name="clean")
        loss = tf.reduce_mean(tf.squared_difference(outputs["images"], clean))

        feeds = (
            {
                "images:0": digits_data.add_noise(data.train_images[rows], random),
                "clean:0": data.train_images[rows],
                "is_training:0": True,
            }
            for rows in _batches(
                len(data.train_images), settings.denoiser_steps, random
            )
        )
        return _minimize_and_save(
            loss, feeds, os.path.join(settings.output_dir, "checkpoints", "denoiser")
        )


def train_classifier(data: digits_data.DigitsData, settings: Settings) -> str:
    """Trains the classifier on clean images and saves it.

    Args:
        data: Its training images and labels are used.
        settings: Where to save, how many steps, which seed.

    Returns:
        The prefix of the checkpoint.
    """
    random = np.random.RandomState(settings.seed)
    with tf.Graph().as_default():
        tf.set_random_seed(settings.seed)
        outputs = models.build_classifier()
        labels = tf.placeholder(tf.int64, [None], name="labels")
        loss = tf.losses.sparse_softmax_cross_entropy(labels, outputs["logits"])
        loss += WEIGHT_DECAY * tf.add_n(
            [tf.nn.l2_loss(variable) for variable in tf.trainable_variables()]
        )

        feeds = (
            {"images:0": data.train_images[rows], "labels:0": data.train_labels[rows]}
            for rows in _batches(
                len(data.train_images), settings.classifier_steps, random
            )
        )
        return _minimize_and_save(
            loss, feeds, os.path.join(settings.output_dir, "checkpoints", "classifier")
        )


def denoise(checkpoint: str, images: np.ndarray) -> np.ndarray:
    """Runs a saved denoiser in evaluation mode.

    Args:
        checkpoint: The prefix of its checkpoint.
        images: float32 ``[n, 64]``.

    Returns:
        The cleaned images, float32 ``[n, 64]``.
    """
    with tf.Graph().as_default():
        outputs = models.build_denoiser()
        return _restore_and_run(checkpoint, outputs["images"], images)


def classify(checkpoint: str, images: np.ndarray) -> np.ndarray:
    """Runs a saved classifier.

    Args:
        checkpoint: The prefix of its checkpoint.
        images: float32 ``[n, 64]``.

    Returns:
        The probabilities, float32 ``[n, 10]``.
    """
    with tf.Graph().as_default():
        outputs = models.build_classifier()
        return _restore_and_run(checkpoint, outputs["probabilities"], images)


def evaluate(denoiser: str, classifier: str, data: digits_data.DigitsData) -> Expected:
    """Runs both saved models on the noisy test images.

    Args:
        denoiser: The prefix of the denoiser's checkpoint.
        classifier: The prefix of the classifier's checkpoint.
        data: Its noisy test images and test labels are used.

    Returns:
        The answers and how good they are.
    """
    denoised = denoise(denoiser, data.noisy_test_images)
    probabilities = classify(classifier, denoised)
    probabilities_noisy = classify(classifier, data.noisy_test_images)
    return Expected(
        denoised=denoised,
        probabilities=probabilities,
        accuracy_noisy=_accuracy(probabilities_noisy, data.test_labels),
        accuracy=_accuracy(probabilities, data.test_labels),
        tensorflow_version=np.array(tf.VERSION),
    )


def write_expected(expected: Expected, path: str) -> None:
    """Writes ``expected`` as an ``.npz``, whole or not at all.

    Args:
        expected: What to write, one array a field.
        path: The file, replaced if it exists.
    """
    temporary = path + ".tmp"
    # Through a file object, since NumPy would add a suffix to the name.
    with open(temporary, "wb") as stream:
        np.savez_compressed(stream, **vars(expected))
    os.replace(temporary, path)


def _batches(
    count: int, steps: int, random: np.random.RandomState
) -> Iterator[np.ndarray]:
    """Yields the int64 row numbers of ``steps`` random batches."""
    for _ in range(steps):
        yield random.randint(count, size=BATCH_SIZE)


def _minimize_and_save(loss: tf.Tensor, feeds: Iterator[dict], directory: str) -> str:
    """Takes one Adam step a feed, saves to ``directory`` and returns the prefix."""
    global_step = tf.train.get_or_create_global_step()
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train_op = tf.train.AdamOptimizer(LEARNING_RATE).minimize(loss, global_step)
    # Relative, so that the checkpoint directory can be moved.
    saver = tf.train.Saver(max_to_keep=1, save_relative_paths=True)

    os.makedirs(directory, exist_ok=True)
    with tf.Session(config=_session_config()) as session:
        session.run(tf.global_variables_initializer())
        for feed in feeds:
            session.run(train_op, feed)
        return saver.save(
            session,
            os.path.join(directory, "model.ckpt"),
            global_step=global_step,
        )


def _restore_and_run(
    checkpoint: str, output: tf.Tensor, images: np.ndarray
) -> np.ndarray:
    """Restores the default graph's variables and returns ``output``'s value."""
    with tf.Session(config=_session_config()) as session:
        tf.train.Saver().restore(session, checkpoint)
        return session.run(output, {"images:0": images})


def _session_config() -> tf.ConfigProto:
    """Returns a configuration under which a run can be repeated."""
    # One thread: several add up gradients in whatever order they finish.
    return tf.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1
    )


def _accuracy(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the share of rows whose likeliest class is the label, as float64."""
    return np.mean(np.argmax(probabilities, axis=1) == labels)


def main(argv: list[str]) -> None:
    """Trains, saves, evaluates and prints the accuracies."""
    if len(argv) > 1:
        raise app.UsageError("Too many command-line arguments.")
    if tf.VERSION != LEGACY_VERSION:
        print(
            f"train.py needs TensorFlow {LEGACY_VERSION}; this is {tf.VERSION}.",
            file=sys.stderr,
        )
        sys.exit(EXIT_USAGE)
    settings = Settings(
        output_dir=_OUTPUT_DIR.value,
        denoiser_steps=_DENOISER_STEPS.value,
        classifier_steps=_CLASSIFIER_STEPS.value,
        seed=_SEED.value,
    )

    data = digits_data.load_data()
    denoiser = train_denoiser(data, settings)
    classifier = train_classifier(data, settings)
    expected = evaluate(denoiser, classifier, data)
    write_expected(expected, os.path.join(settings.output_dir, "expected.npz"))

    clean = _accuracy(classify(classifier, data.test_images), data.test_labels)
    print(f"tensorflow      {expected.tensorflow_version}")
    print(f"accuracy, clean {clean:.4f}")
    print(f"accuracy, noisy {expected.accuracy_noisy:.4f}")
    print(f"accuracy        {expected.accuracy:.4f}")


if __name__ == "__main__":
    app.run(main)
