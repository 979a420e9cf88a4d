"""Directories for the tests of ``diagnose``."""

import numpy as np

from tests.checkpoint.builders import BundleBuilder, small_checkpoint
from tests.checkpoint.v1_builders import V1Builder, small_v1


def run_of(folder, steps, stem="model.ckpt"):
    """Writes checkpoints of some steps; returns their prefixes."""
    folder.mkdir(parents=True, exist_ok=True)
    return [small_checkpoint(folder / f"{stem}-{step}") for step in steps]


def with_keys(prefix, *keys):
    """Writes a checkpoint with these keys."""
    builder = BundleBuilder()
    for key in keys:
        builder.add(key, np.zeros([2], np.float32))
    return builder.write(prefix)


def v1_with_keys(path, *keys):
    """Writes a V1 checkpoint with these keys."""
    builder = V1Builder()
    for key in keys:
        builder.add(key, np.zeros([2], np.float32))
    return builder.write(path)


def v1_shards(folder, stem, count):
    """Writes a V1 checkpoint in shards."""
    for shard in range(count):
        builder = V1Builder()
        builder.add(f"part{shard}/w", np.zeros([2], np.float32))
        builder.write(folder / f"{stem}-{shard:05d}-of-{count:05d}")


def small_v1_at(path):
    """Writes a V1 file of a few tensors."""
    return small_v1(path)


def cut_data(prefix, nbytes=1):
    """Shortens the data file of a checkpoint."""
    path = prefix + ".data-00000-of-00001"
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[:-nbytes])


def ids_of(findings):
    """The ids of findings, sorted."""
    return sorted(one.id for one in findings)


LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:" + b"ab" * 32 + b"\nsize 123456\n"
)
HTML = b"<!DOCTYPE html><html><head><title>Not found</title></head></html>"
