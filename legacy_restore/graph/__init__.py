"""TensorFlow graphs: building models, restoring them into one session, checking it."""
