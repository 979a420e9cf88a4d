"""One kind of checkpoint file into the other, without TensorFlow."""
