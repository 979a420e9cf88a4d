"""Looking into checkpoints: what is in them, what is wrong; no TensorFlow."""
