"""The digits that the example trains and tests on.

Source: the UCI Machine Learning Repository's "Optical Recognition of Handwritten
Digits" (E. Alpaydin and C. Kaynak, 1998), licence CC BY 4.0. scikit-learn ships its
test part, 1797 images of 8x8 pixels with integer values from 0 to 16, so nothing is
downloaded here.

The arrays are the same bits on every version of NumPy and scikit-learn: the pixels
are sixteenths, which float32 holds exactly, and the noise comes from the legacy
generator's ``random_sample``, which is frozen and calls no mathematical library, as
is the ``permutation`` that splits them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

# A fifth, taken after a shuffle: the images stand in the order of their writers.
TEST_COUNT = 360
SPLIT_SEED = 10
# Pixels run from 0 to 16.
MAX_PIXEL = 16.0
# The share of pixels that noise overwrites: a person still reads most of the digits, a
# classifier that never saw noise misses many.
NOISE_SHARE = 0.2
NOISE_SEED = 20


@dataclass(frozen=True)
class DigitsData:
    """The digits, split and with a noisy copy of the test images.

    Attributes:
        train_images: float32 ``[1437, 64]``, rows of pixels in [0, 1].
        train_labels: int64 ``[1437]``, the digits 0 to 9.
        test_images: float32 ``[360, 64]``, in [0, 1].
        test_labels: int64 ``[360]``, the digits 0 to 9.
        noisy_test_images: float32 ``[360, 64]``, in [0, 1]: ``test_images`` with
            noise.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    noisy_test_images: np.ndarray


def load_data(noise_seed: int = NOISE_SEED) -> DigitsData:
    """Loads the digits that scikit-learn ships.

    Args:
        noise_seed: The seed of the noise on the test images.

    Returns:
        The split data.
    """
    digits = load_digits()
    images = (digits.data / MAX_PIXEL).astype(np.float32)
    labels = digits.target.astype(np.int64)
    rows = np.random.RandomState(SPLIT_SEED).permutation(len(images))
    train_rows, test_rows = rows[:-TEST_COUNT], rows[-TEST_COUNT:]
    test_images = images[test_rows]
    return DigitsData(
        train_images=images[train_rows],
        train_labels=labels[train_rows],
        test_images=test_images,
        test_labels=labels[test_rows],
        noisy_test_images=add_noise(test_images, np.random.RandomState(noise_seed)),
    )


def add_noise(images: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Overwrites random pixels with black or white ("salt and pepper").

    Args:
        images: float32 of any shape, in [0, 1].
        random: Where the noise is drawn from; it moves on by two draws a pixel.

    Returns:
        float32 of the same shape, in [0, 1].
    """
    overwritten = random.random_sample(images.shape) < NOISE_SHARE
    white = random.random_sample(images.shape) < 0.5
    return np.where(overwritten, white, images).astype(np.float32)
