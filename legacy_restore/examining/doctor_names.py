"""What the files of one directory are: by their names, then by their first bytes.

Few files are opened: those which may be V1 files, and those which are called like a
checkpoint and are none.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Dict, List, Optional, Sequence, Tuple

from legacy_restore.checkpoint.data_files import lookalike_at
from legacy_restore.checkpoint.directory import Candidate, candidates_among
from legacy_restore.checkpoint.graph_files import META_SUFFIX, graph_without_tensors
from legacy_restore.checkpoint.keras_files import keras_format_of
from legacy_restore.checkpoint.lookalikes import Lookalike
from legacy_restore.checkpoint.state_file import is_state_file
from legacy_restore.checkpoint.v1_files import shard_set_of_pattern, stem_of
from legacy_restore.graphdef.locating import SAVED_MODEL_FILE, TEXT_SUFFIX

STATE_FILE = "checkpoint"

_DATA = re.compile(r"(?P<prefix>.+)\.data-\d{5}-of-\d{5}", re.DOTALL)
_TEMPORARY = re.compile(r".*\.tempstate\d+", re.DOTALL)
_ARCHIVE = re.compile(r".*\.(?:tar|tgz|gz|zip|bz2|tbz2?|xz|txz|zst|7z|rar)", re.DOTALL)
_OTHER_LIBRARY = re.compile(
    r".*\.(?:h5|hdf5|keras|pth?|safetensors|tflite|onnx|caffemodel)", re.DOTALL
)
_MACOS = "._"
# Protocol buffers that stand beside the graph of a SavedModel.
_NO_GRAPHS = frozenset(
    ["tfhub_module.pb", "keras_metadata.pb", "fingerprint.pb", "smart_module.pb"]
)
# What a text has that is a graph; label maps and configurations have that suffix too.
_TEXT_GRAPH = re.compile(
    rb"^\s*(?:node|graph_def|meta_info_def|meta_graphs|versions)\s*\{"
    rb"|^\s*saved_model_schema_version",
    re.MULTILINE,
)
_TEXT_BEGIN = 4096

# How people call checkpoints, and what is called after them and is none.
_LIKE_CHECKPOINT = re.compile(
    r".*(?:ckpt|checkpoint).*|(?:.*[._-])?model(?:[._-].*)?|.+-\d+", re.I | re.DOTALL
)
_KNOWN_SUFFIX = re.compile(
    r".*\.(?:py|pyc|txt|json|jsonl|md|rst|ya?ml|cfg|ini|conf|toml|csv|tsv|log|sh|lua|m"
    r"|c|cc|cpp|h|cu|js|html?|css|xml|ipynb|png|jpe?g|gif|bmp|svg|pdf|np[yz]|pkl"
    r"|pickle|mat|wav|mp[34]|tfrecords?|prototxt|pb|pbtxt|index|meta|lock|cmd)",
    re.I | re.DOTALL,
)
_SURE_NAME = re.compile(r"(?:.*\.)?ckpt(?:-\d+)?(?:-\d{5}-of-\d{5})?", re.I | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Suspect:
    """A file that is called like a checkpoint, or holds one, and is not one.

    Attributes:
      path: Its path.
      lookalike: What it is instead, or None where that is not known.
    """

    path: str
    lookalike: Optional[Lookalike]


@dataclasses.dataclass(frozen=True)
class Sorted:
    """The files of a directory by what they are.

    Attributes:
      directory: Its path.
      candidates: The checkpoints, by stem and step.
      orphans: Data files without index, by prefix.
      state_files: Paths of state files.
      metas: Paths of ``.meta`` files, by prefix.
      saved_model: Path of the SavedModel's graph, or None.
      graphs: Paths of what may be graphs in binary form.
      text_graphs: Paths of graphs in text form.
      leftovers: Files that a save which did not end left behind, or macOS.
      archives: Archives, of which nobody knows what is in them.
      suspects: What is called like a checkpoint and is none.
      keras: Files in which Keras saved weights, by their content.
      others: Files of other libraries.
    """

    directory: str
    candidates: Tuple[Candidate, ...]
    orphans: Dict[str, List[str]]
    state_files: Tuple[str, ...]
    metas: Dict[str, str]
    saved_model: Optional[str]
    graphs: Tuple[str, ...]
    text_graphs: Tuple[str, ...]
    leftovers: Tuple[str, ...]
    archives: Tuple[Suspect, ...]
    suspects: Tuple[Suspect, ...]
    keras: Tuple[str, ...]
    others: Tuple[str, ...]

    def prefixes(self) -> List[str]:
        """Returns what stands before ``.meta`` for each checkpoint."""
        return [stem_of(one.prefix) for one in self.candidates]


def sort_names(directory: str, given: Sequence[str]) -> Sorted:
    """Says what the files of a directory are.

    Args:
      directory: Path of the directory.
      given: Names of files in it.
    """
    junk = [one for one in given if one.startswith(_MACOS) or _TEMPORARY.fullmatch(one)]
    names = [one for one in given if one not in set(junk)]
    candidates = candidates_among(directory, names)
    taken = {os.path.basename(path) for path in _v1_paths(candidates)}
    rest = [name for name in names if name not in taken]

    def paths(chosen: Sequence[str]) -> Tuple[str, ...]:
        return tuple(os.path.join(directory, name) for name in chosen)

    keras = [one for one in rest if _is_of_keras(directory, one)]
    rest = [name for name in rest if name not in set(keras)]
    archives = [one for one in rest if _ARCHIVE.fullmatch(one)]
    other_libraries = [one for one in rest if _OTHER_LIBRARY.fullmatch(one)]
    text = [one for one in rest if _is_text_graph(directory, one)]
    metas = {
        os.path.join(directory, one[: -len(META_SUFFIX)]): os.path.join(directory, one)
        for one in rest
        if one.endswith(META_SUFFIX) and one != META_SUFFIX
    }
    told = {*archives, *other_libraries, *text}
    odd = _odd(directory, [one for one in rest if one not in told], metas)
    return Sorted(
        directory=directory,
        candidates=tuple(candidates),
        orphans=_orphans(directory, rest),
        state_files=(
            *paths([one for one in rest if one == STATE_FILE]),
            *odd.state_files,
        ),
        metas=metas,
        saved_model=_saved_model(directory, rest),
        graphs=(*paths([one for one in rest if _may_be_graph(one)]), *odd.graphs),
        text_graphs=paths(text),
        leftovers=paths(junk),
        archives=tuple(Suspect(one, lookalike_at(one)) for one in paths(archives)),
        suspects=odd.suspects,
        keras=paths(keras),
        others=paths(other_libraries),
    )


def _is_of_keras(directory: str, name: str) -> bool:
    if not _OTHER_LIBRARY.fullmatch(name):
        if _DATA.fullmatch(name) or _KNOWN_SUFFIX.fullmatch(name):
            return False
        if not _LIKE_CHECKPOINT.fullmatch(name):
            return False
    return keras_format_of(os.path.join(directory, name)) is not None


def _v1_paths(candidates: Sequence[Candidate]) -> List[str]:
    found = []
    for one in candidates:
        shards = shard_set_of_pattern(one.prefix)
        found += [one.prefix] if shards is None else shards.paths()
    return found


def _orphans(directory: str, names: Sequence[str]) -> Dict[str, List[str]]:
    there = set(names)
    found: Dict[str, List[str]] = {}
    for name in names:
        match = _DATA.fullmatch(name)
        if match is not None and match["prefix"] + ".index" not in there:
            prefix = os.path.join(directory, match["prefix"])
            found.setdefault(prefix, []).append(os.path.join(directory, name))
    return found


def _saved_model(directory: str, names: Sequence[str]) -> Optional[str]:
    for name in (SAVED_MODEL_FILE, SAVED_MODEL_FILE + "txt"):
        if name in names:
            return os.path.join(directory, name)
    return None


def _may_be_graph(name: str) -> bool:
    return name.endswith(".pb") and name not in _NO_GRAPHS and name != SAVED_MODEL_FILE


def _is_text_graph(directory: str, name: str) -> bool:
    if not name.endswith(TEXT_SUFFIX) or name == SAVED_MODEL_FILE + "txt":
        return False
    path = os.path.join(directory, name)
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return _TEXT_GRAPH.search(file.read(_TEXT_BEGIN)) is not None
    except OSError:
        return False


@dataclasses.dataclass(frozen=True)
class _Odd:
    """What files without a telling name turned out to be."""

    state_files: Tuple[str, ...]
    graphs: Tuple[str, ...]
    suspects: Tuple[Suspect, ...]


def _odd(directory: str, names: Sequence[str], metas: Dict[str, str]) -> _Odd:
    state_files: List[str] = []
    graphs: List[str] = []
    suspects: List[Suspect] = []
    for name in names:
        path = os.path.join(directory, name)
        if name == STATE_FILE or _DATA.fullmatch(name) or _KNOWN_SUFFIX.fullmatch(name):
            continue
        if not _LIKE_CHECKPOINT.fullmatch(name) or not os.path.isfile(path):
            continue
        if os.path.isfile(path + ".index"):
            continue  # TensorFlow reads that one; this has nothing to do with it.
        if is_state_file(path):
            state_files.append(path)
        elif graph_without_tensors(path) is not None:
            graphs.append(path)
        else:
            lookalike = lookalike_at(path)
            # A file of any other kind may end in a number.
            is_sure = path in metas or _SURE_NAME.fullmatch(name)
            if is_sure or (lookalike is not None and lookalike.is_certain):
                suspects.append(Suspect(path, lookalike))
    return _Odd(tuple(state_files), tuple(graphs), tuple(suspects))
