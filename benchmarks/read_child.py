"""What the benchmark of reading runs in processes of their own: ``JOB JSON``.

The last line on stdout is the result as JSON. TensorFlow is imported only where it is
what is measured, or writes, or checks afterwards.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from typing import Any, Callable, Dict

import memory
from read_cases import OURS, TENSORFLOW


def write(prefix: str, tensors: int, elements: int) -> Dict[str, Any]:
    """Writes a checkpoint of random values with TensorFlow."""
    import tensorflow.compat.v1 as tf

    names = [f"model/block_{n // 10}/layer_{n % 10}/kernel" for n in range(tensors)]
    with tf.Graph().as_default(), tf.Session() as session:
        value = tf.random.normal([elements])
        session.run(
            tf.raw_ops.SaveV2(
                prefix=prefix,
                tensor_names=names,
                shape_and_slices=[""] * tensors,
                tensors=[value] * tensors,
            )
        )
    return {
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }


def run(prefix: str, case: str, variant: str) -> Dict[str, Any]:
    """Does once what a case does, measures it, and looks at the result afterwards."""
    prepare, task, check = _TASKS[case, variant]
    prepare()
    refused = memory.reset_peak() if memory.is_available() else "no /proc"
    before = memory.resident() if memory.is_available() else 0
    started = time.perf_counter()
    result = task(prefix)
    seconds = time.perf_counter() - started
    peak = None if refused else max(0, memory.peak() - before)
    check(prefix, result)
    return {
        "seconds": seconds,
        "peak_bytes": peak,
        "remark": f"memory was not measured: {refused}" if refused else None,
    }


def _import_ours() -> None:
    # NumPy too, and what is imported where it is first needed.
    for name in ("legacy_restore.checkpoint", "legacy_restore.checkpoint.tensors"):
        importlib.import_module(name)


def _import_tensorflow() -> None:
    import tensorflow.compat.v1 as tf

    # Loads what TensorFlow loads when it is first used.
    _ = tf.train.load_checkpoint


def _open_ours(prefix: str) -> int:
    from legacy_restore import open_checkpoint

    with open_checkpoint(prefix) as checkpoint:
        return len([(one.key, one.dtype, one.shape) for one in checkpoint.entries()])


def _open_tensorflow(prefix: str) -> int:
    import tensorflow.compat.v1 as tf

    reader = tf.train.load_checkpoint(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    return len([(key, dtypes[key], shapes[key]) for key in sorted(shapes)])


def _verify_ours(prefix: str) -> int:
    from legacy_restore import open_checkpoint

    with open_checkpoint(prefix) as checkpoint:
        for key in checkpoint:
            checkpoint.verify_tensor(key)
        return len(checkpoint)


def _read_ours(prefix: str) -> int:
    from legacy_restore import open_checkpoint

    with open_checkpoint(prefix) as checkpoint:
        return sum(checkpoint[key].size > 0 for key in checkpoint)


def _read_tensorflow(prefix: str) -> int:
    import tensorflow.compat.v1 as tf

    reader = tf.train.load_checkpoint(prefix)
    keys = sorted(reader.get_variable_to_shape_map())
    return sum(reader.get_tensor(key).size > 0 for key in keys)


def _demand_count(prefix: str, found: int) -> None:
    import tensorflow.compat.v1 as tf

    reader = tf.train.load_checkpoint(prefix)
    expected = len(reader.get_variable_to_shape_map())
    if found != expected:
        raise AssertionError(f"{found} tensors of {expected}")


def _demand_values(prefix: str, found: int) -> None:
    """How fast wrong values are read is of no interest."""
    import tensorflow.compat.v1 as tf

    from legacy_restore import open_checkpoint

    _demand_count(prefix, found)
    reader = tf.train.load_checkpoint(prefix)
    with open_checkpoint(prefix) as checkpoint:
        for key, array in checkpoint.items():
            if array.tobytes() != reader.get_tensor(key).tobytes():
                raise AssertionError(f"{key} was read as something else")


_Task = Callable[[str], int]
_Check = Callable[[str, int], None]

_TASKS: Dict[Any, Any] = {
    ("open", OURS): (_import_ours, _open_ours, _demand_count),
    ("open", TENSORFLOW): (_import_tensorflow, _open_tensorflow, _demand_count),
    ("verify", OURS): (_import_ours, _verify_ours, _demand_count),
    ("verify", TENSORFLOW): (_import_tensorflow, _read_tensorflow, _demand_count),
    ("read", OURS): (_import_ours, _read_ours, _demand_values),
    ("read", TENSORFLOW): (_import_tensorflow, _read_tensorflow, _demand_count),
}

_JOBS: Dict[str, Callable[..., Dict[str, Any]]] = {"write": write, "run": run}

if __name__ == "__main__":
    print(json.dumps(_JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
