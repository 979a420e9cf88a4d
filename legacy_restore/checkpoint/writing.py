"""Writing a whole checkpoint from a mapping of tensors, without TensorFlow."""

from __future__ import annotations

import heapq
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.bundle_writer import BundleWriter, encoded_key
from legacy_restore.checkpoint.data_files import prefix_of_member
from legacy_restore.checkpoint.placing import PrefixLike, checked_prefix
from legacy_restore.checkpoint.slice_specs import SliceLike, SlicesError
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.sources import Planned, Source, source_of
from legacy_restore.checkpoint.storable import NotStorableError
from legacy_restore.checkpoint.tensor_bytes import stored_array
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text


def write_checkpoint(
    prefix: PrefixLike,
    tensors: Mapping[str, Any],
    *,
    shards: int = 1,
    slices: Optional[Mapping[str, Sequence[SliceLike]]] = None,
    dtypes: Optional[Mapping[str, str]] = None,
    overwrite: bool = False,
) -> str:
    """Writes a V2 checkpoint, byte by byte as TensorFlow would write it.

    The files are written aside, synced to the disk, read back and compared, and take
    their names last, the index after the data. On failure nothing of them is left. One
    tensor at a time is read from ``tensors``, and no second copy of it made. A mapping
    that is no ``Checkpoint`` is asked for each tensor twice: to find all that cannot be
    written before anything is, and to write it.

    Args:
      prefix: Path stem of the files, in a directory that is there.
      tensors: Arrays by key, in any layout and byte order, of the dtypes that
        TensorFlow has (those of ``ml_dtypes`` too), and what NumPy makes such arrays
        of: Python's numbers become ``int64``, ``float64`` and so on. ``bytes``, lists
        of them and object arrays of them are strings; so are NumPy's arrays of fixed
        width (``S``), in which a string has no NUL bytes at its end. Text is refused:
        encode it. Nothing is converted. An open ``Checkpoint`` keeps its dtypes, such
        as ``quint8``, and its slices, also where they are not all there.
      shards: Number of data files. The largest tensor or slice goes first, each to the
        file that has the fewest bytes so far, of equal ones to the first; in a file
        they are in the order of their keys.
      slices: Tensors to be stored in slices, as partitioned variables are: for a key
        ``TensorSlice`` objects, as entries have them, or pairs of start and shape, such
        as ``[((0, 0), (2, 4)), ((2, 0), (1, 4))]``. They make up the tensor and do not
        overlap. One that is all of the tensor stores it in one piece. TensorFlow does
        not put together slices of ``float16``, of unsigned integers of more than 8
        bits, of ``qint16``, ``quint16`` and of strings (``HANDLE_COPY`` in
        ``tensor_bundle.cc``): it restores them into the same parts only.
      dtypes: TensorFlow's names of dtypes that arrays do not tell: ``qint8`` for an
        array of ``int8``, ``quint8``, ``qint16``, ``quint16``, ``qint32``.
      overwrite: Permits to replace a checkpoint that has the prefix, with all of its
        files, a graph beside it (``.meta``) and one of the format V1 too. If the new
        data files have other names - another number of shards - whoever opens the
        prefix meanwhile gets the old one or the new one. Else there is no checkpoint
        for the moment of some renames; one that was opened before may lose the data
        it has not opened, which its checksums tell.

    Returns:
      The prefix.

    Raises:
      UsageError: The prefix, a key, a value, slices or a dtype cannot be written; all
        that cannot are in ``findings``.
      WriteError: There is a checkpoint already, or the system refuses.
      CheckpointError: ``tensors`` is a checkpoint and cannot be read, or files of it
        are missing.
    """
    target = checked_target(prefix)
    if not isinstance(tensors, Mapping):
        raise errors.UsageError(
            f"tensors has to be a mapping from keys to arrays, not {type(tensors)}"
        )
    if not tensors:
        raise errors.UsageError(f"there is no tensor to write to {target}")
    writer = BundleWriter(target, shards, overwrite=overwrite)
    source = source_of(tensors, _mapping(slices), _mapping(dtypes))
    planned = _plan(source, target)
    assigned = _assign(planned, writer.num_shards)
    with writer:
        for one in planned:
            _write(writer, source, one, assigned)
        writer.finish()
    return target


def checked_target(prefix: PrefixLike) -> str:
    """Returns the prefix of a checkpoint to write.

    Raises:
      UsageError: As ``checked_prefix``, or it is the name of a file of a checkpoint.
    """
    target = checked_prefix(prefix)
    prefix_of_file = prefix_of_member(target)
    if prefix_of_file is not None:
        raise errors.UsageError(
            f"{target!r} is the name of one file of a checkpoint", hint=prefix_of_file
        )
    return target


def _mapping(given: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise errors.UsageError(f"a mapping from keys is needed, not {given!r}")
    return given


def _plan(source: Source, target: str) -> List[Planned]:
    """Returns what is to be written, in the order of the keys in the index.

    Raises:
      UsageError: Something cannot be.
    """
    findings: List[Finding] = []
    planned: Dict[bytes, Planned] = {}
    for key in source.tensors:
        try:
            name = encoded_key(key)
            if name in planned:
                raise NotStorableError("two keys have the same bytes")
            planned[name] = source.plan(key)
        except errors.UsageError as error:
            findings += error.findings
        except NotStorableError as error:
            findings.append(_finding("value-not-storable", key, error, error.hint))
        except SlicesError as error:
            findings.append(_finding("slices-mismatch", key, error))
    for argument, given in (("slices", source.slices), ("dtypes", source.dtype_names)):
        findings += [
            Finding(KINDS["unknown-key"], str(key), f"{argument} names it")
            for key in given
            if key not in source.tensors
        ]
    if findings:
        raise errors.UsageError(
            refusal_text(f"{target} is not written", findings), findings=findings
        )
    return [planned[name] for name in sorted(planned)]


def _finding(
    kind: str, key: str, error: Exception, hint: Optional[str] = None
) -> Finding:
    return Finding(KINDS[kind], key, str(error), hint=hint)


_Piece = Tuple[str, TensorSlice]


def _assign(planned: Sequence[Planned], shards: int) -> Dict[_Piece, int]:
    """Returns the data file of each slice: the largest first, to the smallest file."""
    pieces = [
        (size, (one.key, part))
        for one in planned
        for part, size in zip(one.slices, one.sizes)
    ]
    # Sorting is stable: pieces of one size stay in their order.
    pieces.sort(key=lambda piece: -piece[0])
    filled = [(0, shard) for shard in range(shards)]
    assigned: Dict[_Piece, int] = {}
    for size, piece in pieces:
        total, shard = filled[0]
        assigned[piece] = shard
        heapq.heapreplace(filled, (total + size, shard))
    return assigned


def _write(
    writer: BundleWriter,
    source: Source,
    planned: Planned,
    assigned: Mapping[_Piece, int],
) -> None:
    for part, values in source.parts(planned):
        tensor = stored_array(values, planned.dtype)
        shard = assigned[planned.key, part]
        writer.add_slice(planned.key, planned.shape, part, tensor, shard)
