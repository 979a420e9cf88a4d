"""Other names for paths that TensorFlow cannot restore from."""

import os

import pytest

from legacy_restore.graph.alias import readable_prefixes
from tests.graph.conftest import temporary_files

ENDINGS = (".index", ".data-00000-of-00001")


def files_of(directory, name="m"):
    """Writes two files, and returns their prefix and their paths."""
    os.makedirs(str(directory))
    prefix = str(directory / name)
    for ending in ENDINGS:
        with open(prefix + ending, "w") as file:
            file.write(prefix + ending)
    return prefix, [prefix + ending for ending in ENDINGS]


def test_plain_paths_are_taken_as_they_are(tmp_path):
    prefix, files = files_of(tmp_path / "run 1=@~ä")
    with readable_prefixes({"m": files}, {"m": prefix}) as found:
        assert found == {"m": prefix}


@pytest.mark.parametrize("name", ["run[1]", "a*", "a?b", "back\\slash", "["])
@pytest.mark.parametrize("where", ["directory", "prefix"])
def test_odd_paths_get_links_that_go_again(tmp_path, name, where):
    directory = tmp_path / (name if where == "directory" else "plain")
    prefix, files = files_of(directory, name if where == "prefix" else "m")
    before = temporary_files()
    with readable_prefixes({"m": files}, {"m": prefix}) as found:
        assert found["m"] != prefix
        for ending in ENDINGS:
            with open(found["m"] + ending) as file:
                assert file.read() == prefix + ending
        assert len(temporary_files()) == len(before) + 1
    assert temporary_files() == before
    assert all(os.path.exists(path) for path in files)


def test_links_go_when_what_is_done_with_them_fails(tmp_path):
    prefix, files = files_of(tmp_path / "run[1]")
    before = temporary_files()
    with pytest.raises(ZeroDivisionError), readable_prefixes(
        {"a": files, "b": files}, {"a": prefix, "b": prefix}
    ) as found:
        assert found["a"] != found["b"]
        raise ZeroDivisionError
    assert temporary_files() == before


def test_links_go_when_one_of_them_cannot_be_made(tmp_path, monkeypatch):
    prefix, files = files_of(tmp_path / "run[1]")
    before = temporary_files()

    def refuse(source, target):
        raise OSError("no links here")

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(OSError, match="no links here"), readable_prefixes(
        {"m": files}, {"m": prefix}
    ):
        pass
    assert temporary_files() == before
