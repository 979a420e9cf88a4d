"""Restores two models into one session: a start for a migration of your own.

Copy it, put your builders in the place of the two below, and run it:

    python restore_models.py --encoder=runs/encoder --decoder=runs/decoder@latest
"""

from __future__ import annotations

import sys

import tensorflow.compat.v1 as tf
from absl import app, flags
from absl.flags import argparse_flags

import legacy_restore as lr

_ENCODER = flags.DEFINE_string("encoder", None, "Location of the encoder's checkpoint.")
_DECODER = flags.DEFINE_string("decoder", None, "Location of the decoder's checkpoint.")
_UNITS = flags.DEFINE_integer("units", 16, "Size of the code between the two.")
_FEATURES = flags.DEFINE_integer("features", 64, "Size of what is encoded.")


def build_encoder() -> tf.Tensor:
    """Your first model: placeholders, layers, and what it returns."""
    inputs = tf.placeholder(tf.float32, [None, _FEATURES.value], name="inputs")
    weights = tf.get_variable("dense/weights", [_FEATURES.value, _UNITS.value])
    biases = tf.get_variable("dense/biases", [_UNITS.value])
    return tf.nn.relu(tf.matmul(inputs, weights) + biases)


def build_decoder() -> tf.Tensor:
    """Your second model; that its variables have the same names does no harm."""
    code = tf.placeholder(tf.float32, [None, _UNITS.value], name="code")
    weights = tf.get_variable("dense/weights", [_UNITS.value, _FEATURES.value])
    biases = tf.get_variable("dense/biases", [_FEATURES.value])
    return tf.matmul(code, weights) + biases


def main(_: object) -> int:
    """Restores both, proves it, and says what was restored."""
    models = [
        lr.Model("encoder", build_encoder, _ENCODER.value),
        lr.Model("decoder", build_decoder, _DECODER.value),
    ]
    try:
        with lr.restore(models) as restored:
            print(restored.report)
            check = restored.check()
            print(check)
            check.raise_if_failed()
            # From here on: restored["encoder"](inputs=...) and so on.
    except lr.errors.LegacyRestoreError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def parse_flags(argv: list) -> object:
    """Reads the flags; ``--help`` ends with 0, a mistake with 2."""
    parser = argparse_flags.ArgumentParser(description=__doc__.splitlines()[0])
    found = parser.parse_args(argv[1:])
    missing = [flag.name for flag in (_ENCODER, _DECODER) if not flag.value]
    if missing:
        parser.error("these flags are required: " + ", ".join(missing))
    return found


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
