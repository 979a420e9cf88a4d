"""What all tests of the graph layer share."""

import contextlib
import os
import tempfile

import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf

MAX_LINES = 15


@pytest.fixture(params=["ref", "resource"])
def kind(request):
    """The kind of all variables of a test."""
    return request.param


@pytest.fixture(autouse=True)
def own_temporary_directory(tmp_path_factory, monkeypatch):
    """Keeps what other test runs put into the machine's temporary directory out."""
    directory = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(directory))


class Sessions:
    """The sessions that are opened and closed, by id."""

    def __init__(self):
        self.opened = []
        self.closed = []
        # One that nobody has any more closes itself; that must not count as closed.
        self.kept = []


@contextlib.contextmanager
def counted_sessions():
    """Counts the sessions that are opened and closed within it."""
    counted = Sessions()

    class Session(tf.Session):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            counted.opened.append(id(self))
            counted.kept.append(self)

        def close(self):
            super().close()
            counted.closed.append(id(self))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf, "Session", Session)
        yield counted


def temporary_files():
    """The names of what the toolkit has put into the temporary directory."""
    names = os.listdir(tempfile.gettempdir())
    return sorted(name for name in names if name.startswith("legacy_restore-"))


@pytest.fixture
def refused():
    """Restores what has to be refused; shows that nothing was left, gives the error."""

    def refuse(models, error=errors.RestoreError, sessions_opened=0, **kwargs):
        files = temporary_files()
        operations = len(tf.get_default_graph().get_operations())
        with counted_sessions() as sessions, pytest.raises(error) as caught:
            lr.restore(models, **kwargs)
        assert type(caught.value) is error
        assert len(sessions.opened) == sessions_opened
        assert sessions.closed == sessions.opened
        assert temporary_files() == files
        assert len(tf.get_default_graph().get_operations()) == operations
        assert len(str(caught.value).splitlines()) <= MAX_LINES
        return caught.value

    return refuse
