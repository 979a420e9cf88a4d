"""Clusters of real server processes on this machine, for tests.

One process imports TensorFlow and forks a server for each task that is asked for. The
servers end when that process does, and it ends when the tests do, however they end.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

from legacy_restore.tf import tf

_PROGRAM = """
import json, os, sys
import tensorflow.compat.v1 as tf

ends, lives = os.pipe()
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    pid = os.fork()
    if not pid:
        os.close(lives)
        os.chdir(order["directory"])
        cluster = tf.train.ClusterSpec(order["cluster"])
        server = tf.train.Server(cluster, order["job"], order["task"])
        print(os.getpid(), flush=True)
        os.read(ends, 1)
        os._exit(0)
"""


class Servers:
    """Starts servers; a context manager that ends all of them."""

    def __enter__(self):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            universal_newlines=True,
        )
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def start(self, cluster, job, task, directory="/"):
        """Starts a server; returns its process id once it is there."""
        order = {"cluster": cluster, "job": job, "task": task, "directory": directory}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Cluster:
    """Two parameter servers and a worker.

    Attributes:
      jobs: The addresses of the tasks, as ``tf.train.ClusterSpec`` takes them.
      target: The worker.
      pids: The process of each task that was started, by job and number.
    """

    def __init__(self, servers, tasks, directory):
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(3)]
        self.jobs = {"ps": addresses[:2], "worker": addresses[2:]}
        self.target = f"grpc://{addresses[2]}"
        self._servers = servers
        self._directory = directory
        self.pids = {}
        for job, task in tasks:
            self.start(job, task)

    def start(self, job, task):
        """Starts a task, in a directory of its own."""
        directory = os.path.join(str(self._directory), f"{job}{task}")
        os.makedirs(directory, exist_ok=True)
        self.pids[job, task] = self._servers.start(self.jobs, job, task, directory)

    def setter(self):
        """A device function that spreads variables over the parameter servers."""
        return tf.train.replica_device_setter(cluster=tf.train.ClusterSpec(self.jobs))

    def signal(self, job, task, number):
        """Sends a signal to a task."""
        os.kill(self.pids[job, task], number)

    @contextlib.contextmanager
    def stopped(self, job, task):
        """Stops a task meanwhile: it is there, and does not answer."""
        self.signal(job, task, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(job, task, signal.SIGCONT)

    def close(self):
        """Ends all tasks."""
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


ALL = (("ps", 0), ("ps", 1), ("worker", 0))


@contextlib.contextmanager
def cluster_of(servers, directory, tasks=ALL):
    """A cluster of which only some tasks may be started."""
    cluster = Cluster(servers, tasks, directory)
    try:
        yield cluster
    finally:
        cluster.close()


def _free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
