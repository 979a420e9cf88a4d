"""Running programs in processes of their own that begin with TensorFlow imported.

An import of TensorFlow takes seconds of a processor, and tests run hundreds of
programs. So one process imports it and does nothing else; each program runs in a fork
of that one, which is taken before there is a session or a thread.
"""

import functools
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile

_PRELOADED = ["tensorflow.compat.v1", "google.protobuf.text_format"]


def is_possible():
    """Whether this system can fork."""
    return "forkserver" in multiprocessing.get_all_start_methods()


def run_warm(command, cwd, environment, timeout):
    """Runs ``python COMMAND``, and returns it as ``subprocess.run`` does.

    Args:
      command: What stands behind ``python``: ``-m MODULE`` or a script, and arguments.
      cwd: The directory to run in.
      environment: All environment variables of the program.
      timeout: In seconds.
    """
    with tempfile.TemporaryDirectory() as directory:
        names = [os.path.join(directory, name) for name in ("out", "err")]
        process = _context().Process(
            target=_run, args=(command, cwd, environment, *names)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        out, err = (_text_of(name) for name in names)
    return subprocess.CompletedProcess(command, process.exitcode, out, err)


@functools.lru_cache(maxsize=None)
def _context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _text_of(path):
    with open(path, encoding="utf-8", newline=None) as file:
        return file.read()


def _run(command, cwd, environment, out, err):
    """Makes the fork what ``python COMMAND`` would have been."""
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    for path, number in ((out, 1), (err, 2)):
        with open(path, "wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    is_module = command[0] == "-m"
    sys.argv = list(command[1:] if is_module else command)
    sys.path[0:0] = [
        str(cwd) if is_module else os.path.dirname(os.path.abspath(command[0])),
        *environment.get("PYTHONPATH", "").split(os.pathsep),
    ]
    if is_module:
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(command[0], run_name="__main__")
