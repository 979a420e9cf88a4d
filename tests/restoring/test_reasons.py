"""What TensorFlow says went wrong, in one line."""

import pytest

from legacy_restore.restoring.reasons import reason_of
from legacy_restore.tf import tf


@pytest.mark.parametrize(
    "message, reason",
    [
        ("it is so\n\t [[{{node a}}]]", "it is so"),
        ("Graph execution error:\n\nit is so\n\t [[{{node a}}]]", "it is so"),
        (
            "Graph execution error:\n\nDetected at node 'a' defined at (most recent "
            "call last):\n    File \"x.py\", line 1\nNode: 'a'\nit is so\n"
            "\t [[{{node a}}]]",
            "it is so",
        ),
        ("", ""),
        ("\n\n", ""),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_line_that_says_what_happened(message, reason):
    assert reason_of(tf.errors.InternalError(None, None, message)) == reason
    assert reason_of(ValueError(message)) == reason


def test_what_a_session_of_this_tensorflow_raises():
    with tf.Graph().as_default(), tf.Session() as session:
        read = tf.raw_ops.RestoreV2(
            prefix="/no/such/file",
            tensor_names=["a"],
            shape_and_slices=[""],
            dtypes=[tf.float32],
        )
        with pytest.raises(tf.errors.OpError) as caught:
            session.run(read)
    assert reason_of(caught.value).startswith("Unsuccessful TensorSliceReader")
