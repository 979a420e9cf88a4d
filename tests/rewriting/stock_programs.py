"""Runs programs of stock TensorFlow, in processes of their own where they need one."""

import json
import os
import subprocess
import sys

_HEAD = """
import json, sys
import numpy as np
import tensorflow as tf
tf1 = tf.compat.v1
# What has attributes that a Checkpoint follows, in every release.
Base = tf.Module
"""
_GIVEN = """
given = json.loads(sys.argv[1])
"""
_TAIL = """
print(json.dumps(result))
"""


def run_program(program, given):
    """Returns what a program leaves as ``result``.

    Args:
      program: It has ``tf``, ``tf1``, ``np``, ``Base`` and ``given``.
      given: What it is given, JSON-ready.
    """
    done = subprocess.run(
        [sys.executable, "-c", _HEAD + _GIVEN + program + _TAIL, json.dumps(given)],
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.decode().splitlines()[-1])


def run_in_graph(program, given):
    """Returns what a program leaves as ``result``, without a process of its own.

    That is for programs that execute nothing eagerly; the start of one takes seconds.

    Args:
      program: As for ``run_program``.
      given: What it is given.
    """
    names = {"given": given}
    exec(_HEAD + program, names)
    return names["result"]
