"""What the benchmark runs in processes of their own: ``child.py JOB JSON``.

The last line on stdout is the result as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
from typing import Any, Dict

import tensorflow.compat.v1 as tf
from cases import Case, training_builder
from variants import BY_NAME


def write(case: Dict[str, Any], prefixes: Dict[str, str]) -> Dict[str, Any]:
    """Writes a checkpoint for each model as its own training would have done."""
    build = training_builder(Case(**case))
    for prefix in prefixes.values():
        os.makedirs(os.path.dirname(prefix))
        with tf.Graph().as_default(), tf.Session() as session:
            build()
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, prefix, write_meta_graph=False)
    return {
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }


def run(
    case: Dict[str, Any], prefixes: Dict[str, str], kind: str, variant: str
) -> Dict[str, Any]:
    """Restores once."""
    return dataclasses.asdict(BY_NAME[variant](Case(**case), kind, prefixes))


_JOBS = {"write": write, "run": run}

if __name__ == "__main__":
    print(json.dumps(_JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
