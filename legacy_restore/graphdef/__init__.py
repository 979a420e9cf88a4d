"""Saved graphs - .meta files, SavedModels, GraphDefs - read without TensorFlow."""
