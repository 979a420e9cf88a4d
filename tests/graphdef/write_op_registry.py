"""Writes the list of TensorFlow's own operations from genuine TensorFlows.

``legacy_restore/graphdef/tensorflow_ops.txt`` says of each operation in which releases
it is registered, and of contrib's below which module their library is. Nothing in it is
edited by hand::

    python write_op_registry.py list FOLDER            # under each TensorFlow
    python write_op_registry.py merge FOLDER TARGET    # under any Python 3

``list`` asks the C++ registry (``TF_GetAllOpList``), or in releases before 1.1, which
do not export that, the one that their Python wrappers fill. The operations that the
libraries below ``tensorflow.contrib`` register when they are loaded are contrib's, all
others the core's. Releases are those of the golden checkpoints
(``tests/golden/README.md`` says how to install them), each in its build for CPUs: an
operation that only the builds for GPUs register, such as TensorRT's, is in none.

This script runs under Python 2.7, 3.6, 3.7 and 3.11, hence no annotations.
"""

from __future__ import absolute_import, division, print_function

import ctypes
import fnmatch
import io
import os
import sys

CONTRIB = "contrib"


class _Buffer(ctypes.Structure):
    """``TF_Buffer`` of ``tensorflow/c/c_api.h``."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    ]


def _files(folder, pattern):
    return sorted(
        os.path.join(directory, name)
        for directory, _, names in os.walk(folder)
        for name in fnmatch.filter(names, pattern)
    )


def _registered(package):
    from tensorflow.core.framework.op_def_pb2 import OpList
    from tensorflow.python import pywrap_tensorflow
    from tensorflow.python.framework import op_def_registry

    ops = OpList()
    if hasattr(pywrap_tensorflow, "TF_GetAllOpList"):  # 1.1 to 1.15.
        buffer = pywrap_tensorflow.TF_GetAllOpList()
        ops.ParseFromString(pywrap_tensorflow.TF_GetBuffer(buffer))
    elif hasattr(op_def_registry, "get_registered_ops"):  # Before.
        return set(op_def_registry.get_registered_ops())
    else:
        (path,) = _files(package, "libtensorflow_cc.so.2")
        library = ctypes.CDLL(path)
        library.TF_GetAllOpList.restype = ctypes.POINTER(_Buffer)
        buffer = library.TF_GetAllOpList().contents
        ops.ParseFromString(ctypes.string_at(buffer.data, buffer.length))
    return {op.name for op in ops.op}


def write_list(folder):
    """Writes one line for each operation of the running TensorFlow."""
    import tensorflow as tf
    from tensorflow.python.framework import load_library

    package = load_library.__file__
    for _ in ("load_library.py", "framework", "python"):
        package = os.path.dirname(package)
    contrib = {}
    for path in _files(os.path.join(package, "contrib"), "*.so"):
        try:
            module = load_library.load_op_library(path)
        except Exception as error:  # What a library raises differs by release.
            print("not loaded: %s: %s" % (path, error), file=sys.stderr)
            continue
        below = os.path.relpath(path, os.path.join(package, "contrib"))
        for op in module.OP_LIST.op:
            contrib[op.name] = below.split(os.sep)[0]
    core = _registered(package) - set(contrib)
    release = ".".join(tf.__version__.split(".")[:2])
    lines = [name + "\t" + release for name in core]
    lines += [
        "%s\t%s-%s.%s" % (name, release, CONTRIB, module)
        for name, module in contrib.items()
    ]
    path = os.path.join(folder, release + ".txt")
    with io.open(path, "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in sorted(lines)))
    print("%s: %d core, %d contrib" % (path, len(core), len(contrib)))


def merge(folder, target):
    """Writes the list of all releases."""
    found = {}
    for path in _files(folder, "*.txt"):
        with io.open(path, encoding="utf-8") as file:
            for line in file:
                name, release = line.rstrip("\n").split("\t")
                found.setdefault(name, []).append(release)
    order = {"0": 0, "1": 1, "2": 2}

    def key(release):
        numbers = release.split("-")[0].split(".")
        return order[numbers[0]], int(numbers[1]), release

    with io.open(target, "w", encoding="utf-8") as file:
        file.write("# Written by tests/graphdef/write_op_registry.py.\n")
        for name in sorted(found):
            releases = " ".join(sorted(found[name], key=key))
            file.write("%s %s\n" % (name, releases))
    print("%s: %d operations" % (target, len(found)))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "list":
        write_list(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "merge":
        merge(sys.argv[2], sys.argv[3])
    else:
        raise SystemExit(__doc__)
