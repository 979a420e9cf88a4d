"""Operations that reach beyond the graph: Python, files, the network, the process.

The table was made by going through the operations that genuine TensorFlows register
(``tensorflow_ops.txt``) and their kernels. An operation that is not TensorFlow's own
may do anything, and is in no table.

What is not in it: operations that only take such a resource (``ReaderReadV2`` reads by
a reader, ``WriteScalarSummary`` writes by a writer, which is made by an operation that
is in it), that put paths together (``ShardedFilename``), or that have their name alone
in common with files (``IdentityReaderV2``).
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Dict, Iterable, Mapping, Optional, Tuple


class Reach(enum.Enum):
    """What an operation reaches."""

    PYTHON = "calls Python"
    READS = "reads files"
    WRITES = "writes files"
    NETWORK = "uses the network"
    PROCESS = "acts on the process"
    HIDDEN = "runs what the graph does not show"
    LIBRARY = "is not TensorFlow's own"


@dataclasses.dataclass(frozen=True)
class DangerousOp:
    """What an operation reaches, and what says where.

    Attributes:
      reach: What it reaches.
      path_input: Number of the input that is the path or address, or None.
      path_attribute: Name of the attribute that is, or None.
      harmless: Paths with which it reaches nothing; empty where every one counts.
    """

    reach: Reach
    path_input: Optional[int] = None
    path_attribute: Optional[str] = None
    harmless: Tuple[str, ...] = ()


def _ops(names: str, reach: Reach, path_input: Optional[int]) -> Dict[str, DangerousOp]:
    return {name: DangerousOp(reach, path_input) for name in names.split()}


def _by_attribute(
    names: str, reach: Reach, attribute: str, harmless: Tuple[str, ...] = ()
) -> Dict[str, DangerousOp]:
    found = DangerousOp(reach, None, attribute, harmless)
    return dict.fromkeys(names.split(), found)


def _also_experimental(ops: Mapping[str, DangerousOp]) -> Dict[str, DangerousOp]:
    """Datasets had another name before 1.15; both are registered."""
    return {**ops, **{f"Experimental{name}": ops[name] for name in ops}}


# Streams that are no files; tensorflow/core/kernels/logging_ops.cc.
_STREAMS = ("", "stdout", "stderr", "log(info)", "log(warning)", "log(error)")

# tensorflow/core/util/proto/descriptors.cc: what is linked in, or in the node itself.
_DESCRIPTORS = ("", "local://", "bytes://")

DANGEROUS_OPS: Mapping[str, DangerousOp] = {
    **_ops("PyFunc PyFuncStateless EagerPyFunc", Reach.PYTHON, None),
    # Files, named by an input.
    **_ops(
        "ReadFile MatchingFiles MatchingFilesDataset TFRecordDataset TFRecordDatasetV2 "
        "TextLineDataset FixedLengthRecordDataset FixedLengthRecordDatasetV2 "
        "LoadDataset SnapshotDatasetReader SnapshotChunkDataset "
        "ListSnapshotChunksDataset SequenceFileDataset "
        "Restore RestoreSlice RestoreV2 DTensorRestoreV2 LoadAndRemapMatrix "
        "GenerateVocabRemapping",
        Reach.READS,
        0,
    ),
    **_also_experimental(
        _ops("CSVDataset LMDBDataset MatchingFilesDataset", Reach.READS, 0)
    ),
    **_ops("CSVDatasetV2", Reach.READS, 0),
    **_also_experimental(_ops("SqlDataset", Reach.READS, 1)),
    **_ops("InitializeTableFromTextFile InitializeTableFromTextFileV2", Reach.READS, 1),
    **_ops("WriteFile Save SaveSlices SaveV2", Reach.WRITES, 0),
    **_ops(
        "MergeV2Checkpoints SaveDataset SaveDatasetV2 SnapshotDataset "
        "SnapshotDatasetV2 DistributedSave CreateSummaryFileWriter "
        "CreateSummaryDbWriter",
        Reach.WRITES,
        1,
    ),
    **_also_experimental(_ops("DatasetToTFRecord", Reach.WRITES, 1)),
    # Without a path they cache in memory.
    **dict.fromkeys(
        ["CacheDataset", "CacheDatasetV2"], DangerousOp(Reach.WRITES, 1, None, ("",))
    ),
    # Files that come by a queue.
    **_ops(
        "WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 "
        "TFRecordReader TFRecordReaderV2 FixedLengthRecordReader "
        "FixedLengthRecordReaderV2 LMDBReader",
        Reach.READS,
        None,
    ),
    # Files that are named by an attribute.
    **_by_attribute("ImmutableConst", Reach.READS, "memory_region_name"),
    **_by_attribute("FixedUnigramCandidateSampler", Reach.READS, "vocab_file", ("",)),
    **_by_attribute("CalibrationStatisticsSaver", Reach.WRITES, "output_file_path"),
    **_by_attribute("RecordInput", Reach.READS, "file_pattern"),
    **_by_attribute("Skipgram", Reach.READS, "filename"),
    **_by_attribute("PrintV2", Reach.WRITES, "output_stream", _STREAMS),
    **_by_attribute("DumpTensor", Reach.WRITES, "log_dir_path"),
    **_by_attribute(
        "DecodeProtoV2 EncodeProto", Reach.READS, "descriptor_source", _DESCRIPTORS
    ),
    **_by_attribute(
        "DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount "
        "DebugNumericSummary",
        Reach.WRITES,
        "debug_urls",
        ("",),
    ),
    # tf.contrib.ffmpeg starts the program ffmpeg.
    **_ops(
        "DecodeAudio DecodeAudioV2 DecodeVideo EncodeAudio EncodeAudioV2 Abort "
        "RemoteFusedGraphExecute FileSystemSetConfiguration",
        Reach.PROCESS,
        None,
    ),
    # A graph that stands in a tensor, operations and all: the first in a text, the
    # second, on TensorFlow 1, in the state of an iterator
    # (tensorflow/core/kernels/data/iterator_ops.cc).
    **_ops("DatasetFromGraph DeserializeIterator", Reach.HIDDEN, None),
    # Code of the process, by its name, or a compiled program that may call it.
    **_ops("XlaCustomCall XlaCustomCallV2 XlaCallModule", Reach.HIDDEN, None),
    # The network.
    **_ops("Rpc TryRpc RpcClient RpcServer", Reach.NETWORK, 0),
    **_ops(
        "RegisterDataset RegisterDatasetV2 KafkaDataset IgniteDataset", Reach.NETWORK, 1
    ),
    **_ops(
        "DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 "
        "DataServiceDatasetV4",
        Reach.NETWORK,
        2,
    ),
    **_ops(
        "KinesisDataset BigQueryReader GenerateBigQueryReaderPartitions BigtableClient "
        "GcsConfigureBlockCache GcsConfigureCredentials",
        Reach.NETWORK,
        None,
    ),
}
"""What each operation reaches, by its name."""

PATH_ATTRIBUTES = frozenset(
    one.path_attribute
    for one in DANGEROUS_OPS.values()
    if one.path_attribute is not None
)
"""Attributes that hold a path of a dangerous operation."""


def is_harmless(op: DangerousOp, paths: Optional[Iterable[str]]) -> bool:
    """Returns whether an operation reaches nothing with these paths.

    Args:
      op: The operation.
      paths: Every path that it gets; None where that is not known.
    """
    if not op.harmless or paths is None:
        return False
    return all(
        path in op.harmless
        or (path.startswith("bytes://") and "bytes://" in op.harmless)
        for path in paths
    )
