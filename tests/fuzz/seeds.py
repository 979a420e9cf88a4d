"""The checkpoints that fuzzing begins with: small files of every kind that is read."""

import dataclasses
import pathlib
from typing import Dict, List

import numpy as np

from legacy_restore.checkpoint.slices import Extent
from tests.checkpoint import golden
from tests.checkpoint.builders import BundleBuilder, parts_along, strings
from tests.checkpoint.object_builders import (
    adam_graph,
    adam_tensors,
    write_object_based,
)
from tests.graphdef import builders as graph_builders

_MAX_BYTES = 40_000


@dataclasses.dataclass(frozen=True)
class Seed:
    """A sound checkpoint.

    Attributes:
      name: What a report calls it.
      files: The contents of its files, by their names.
      location: What names it, relative to the folder of the files.
    """

    name: str
    files: Dict[str, bytes]
    location: str

    def write(self, folder: pathlib.Path, files: Dict[str, bytes]) -> str:
        """Writes files into a folder and returns the location."""
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return str(folder / self.location)


def all_seeds(folder: pathlib.Path) -> List[Seed]:
    """Returns all seeds; those that are built are written into ``folder`` first."""
    objects = write_object_based(folder / "objects", adam_graph(), adam_tensors())
    graph = graph_builders.write(folder / "lone.meta", graph_builders.everything())
    return [
        *_golden_seeds(),
        *_built_seeds(folder),
        _seed_of("object-based", pathlib.Path(objects)),
        _seed_of("lone .meta", pathlib.Path(graph)),
    ]


def _golden_seeds() -> List[Seed]:
    found = []
    for prefix in golden.prefixes():
        path = pathlib.Path(golden.path_of(prefix))
        seed = _seed_of(prefix, path)
        if sum(map(len, seed.files.values())) <= _MAX_BYTES:
            found.append(seed)
    return found


def _built_seeds(folder: pathlib.Path) -> List[Seed]:
    return [
        _seed_of(name, pathlib.Path(builder.write(folder / name)))
        for name, builder in _builders().items()
    ]


def _builders() -> Dict[str, BundleBuilder]:
    table = np.arange(24, dtype=np.float32).reshape([4, 6])
    words = strings(b"", b"one", b"\xff\0" * 40)
    built = {}
    for order in ("little", "big"):
        builder = BundleBuilder(num_shards=2, is_big_endian=order == "big")
        builder.add("a/table", table).add("a/words", words, shard=1)
        builder.add("half", np.float16([1.5, np.nan, -0.0])).add("none", table[:0])
        rows = parts_along(0, table.shape, [1, 3])
        builder.add_sliced("rows", table, rows, shards=[0, 1])
        builder.add_sliced("columns", words, [(Extent(0, 2),)])
        built[f"two_shards_{order}"] = builder.add("step", np.int64(7))
    return built


def _seed_of(name: str, prefix: pathlib.Path) -> Seed:
    paths = sorted(prefix.parent.glob(prefix.name + "*"))
    return Seed(name, {path.name: path.read_bytes() for path in paths}, prefix.name)
