"""Findings, reports and their texts; no TensorFlow, no flags."""
