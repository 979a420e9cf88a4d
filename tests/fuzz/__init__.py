"""Damages small checkpoints at random and looks at them: ``python -m tests.fuzz``."""
