"""Builders and functions that a spawned process can import, for test_map_each."""

import os
import signal

from tests.graph.helpers import linear
from tests.saved_graphs import saved_case


class TakesTwo(Exception):
    """An exception that pickle cannot make again from its arguments."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def build():
    """Builds a small model of resource variables."""
    return linear("resource")()


def build_ref():
    """Builds the same of ref variables."""
    return linear("ref")()


def broken():
    """A builder that fails."""
    raise ValueError("no such layer")


def behave(restored):
    """Does what the model's name says."""
    [name] = restored
    return BEHAVIOURS[name.rstrip("0123456789")](restored[name])


def total(model):
    """Returns what only the restored values give, and the process."""
    kernel = model.variables[0]
    return float(model._owner.session.run(kernel).sum()), os.getpid(), os.getcwd()


def raises(model):
    """Raises what can be pickled."""
    raise KeyError("where it failed")


def raises_two(model):
    """Raises what cannot be read."""
    raise TakesTwo(1, 2)


def dies(model):
    """Is killed, as where memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def orphans(model):
    """Is killed, and leaves a process that holds all that it held."""
    pid = os.fork()
    if not pid:
        signal.alarm(60)
        signal.pause()
        os._exit(0)
    with open(os.environ["ORPHAN"], "w") as file:
        file.write(str(pid))
    os.kill(os.getpid(), signal.SIGKILL)


def leaves(model):
    """Ends the process without a word."""
    os._exit(0)


def exits(model):
    """Ends the process as a program does."""
    raise SystemExit(3)


def interrupted(model):
    """Is interrupted, as by Ctrl-C."""
    raise KeyboardInterrupt


def gives_lambda(model):
    """Returns what cannot be pickled."""
    return lambda: None


BEHAVIOURS = {
    "total": total,
    "raises": raises,
    "two": raises_two,
    "dies": dies,
    "leaves": leaves,
    "orphans": orphans,
    "exits": exits,
    "interrupted": interrupted,
    "lambda": gives_lambda,
}


def outputs_of_case(restored):
    """What a saved graph of the fixtures computes; its model has the case's name."""
    (model,) = restored.values()
    return model(saved_case(model.name).inputs)
