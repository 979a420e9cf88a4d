"""The table of operations that reach beyond the graph."""

import re

import pytest

from legacy_restore.graphdef.dangerous_ops import DANGEROUS_OPS, Reach, is_harmless
from legacy_restore.graphdef.op_registry import Origin, _releases, origin_of
from legacy_restore.tf import op_def_registry, tf

# Names that sound as if they did.
_SUSPICIOUS = re.compile(
    r"File|Rpc|PyFunc|Checkpoint|Sql|LMDB|CSV|Snapshot|TextLine|RecordReader"
    r"|RecordDataset|Kafka|Kinesis|Ignite|Bigtable|BigQuery|Gcs|Vocab|DataService"
    r"|Writer|^Save|^Restore|Debug(?!Grad)|Print|^Load|Cache|Abort|Audio(?!Summary)"
    r"|Proto|Filename|Download|Socket|Server|DumpTensor|Skipgram|RegisterDataset"
)
# Looked at, and harmless: what works on a resource that another operation has made,
# on texts, or on memory alone.
_HARMLESS = re.compile(
    r"AnonymousMemoryCache|DeleteMemoryCache|DummyMemoryCache|CloseSummaryWriter"
    r"|FlushSummaryWriter|SummaryWriter|StatsAggregatorSetSummaryWriter|ShardedFile\w+"
    r"|RpcCall|RpcCheckStatus|RpcGetValue|RpcServerRegister|RpcServerStart"
    r"|DeleteRpcFutureResource|LoadAllTPU\w+|LoadTPU\w+|\w*AccumDebug|AudioSpectrogram"
    r"|AudioMicrofrontend|\w*DebugOutputs|TpuHandleToProtoKey|IteratorGetModelProto"
    r"|BigtableLookupDataset|BigtablePrefixKeyDataset|BigtableRangeKeyDataset"
    r"|BigtableSampleKey\w+|BigtableScanDataset|BigtableTable|DatasetToBigtable"
    r"|ExperimentalPrint\w*|Print|DebugGradient\w+|MakeUnique|Fingerprint\w*"
    r"|BoostedTrees\w+|Batch\w*|Write\w*Summary|DebugNumericSummaryV2|DecodeCSV|Snapshot"
    r"|SnapshotNestedDatasetReader|DecodeProtoMap|Fprint|SdcaFprint"
)


def test_what_sounds_dangerous_is_in_the_table_or_was_looked_at():
    open_questions = [
        op
        for op in _releases()
        if _SUSPICIOUS.search(op)
        and op not in DANGEROUS_OPS
        and not _HARMLESS.fullmatch(op)
    ]
    assert open_questions == []


def test_nothing_is_in_both_lists():
    assert [op for op in DANGEROUS_OPS if _HARMLESS.fullmatch(op)] == []


def test_the_table_has_no_operation_that_never_was():
    experimental = {op for op in DANGEROUS_OPS if op.startswith("Experimental")}
    unknown = {op for op in DANGEROUS_OPS if origin_of(op) is Origin.UNKNOWN}
    assert unknown - experimental == set()


def registered(op):
    if hasattr(op_def_registry, "get"):
        return op_def_registry.get(op)
    return op_def_registry.get_registered_ops().get(op)


def test_the_paths_are_where_this_tensorflow_has_them():
    looked_at = 0
    for op, known in DANGEROUS_OPS.items():
        found = registered(op)
        if found is None:
            continue
        looked_at += 1
        if known.path_input is not None:
            argument = found.input_arg[known.path_input]
            is_text = argument.type == tf.string.as_datatype_enum
            # Of a list nothing tells the type but the node.
            assert is_text or argument.type_list_attr, op
        if known.path_attribute is not None:
            assert known.path_attribute in [one.name for one in found.attr], op
    assert looked_at > 40


@pytest.mark.parametrize(
    "op, paths, harmless",
    [
        ("CacheDatasetV2", ("",), True),
        ("CacheDatasetV2", ("/tmp/cache",), False),
        ("CacheDatasetV2", None, False),
        ("PrintV2", ("stderr",), True),
        ("PrintV2", ("file:///tmp/log",), False),
        ("DecodeProtoV2", ("bytes://abc",), True),
        ("DecodeProtoV2", ("/etc/descriptors",), False),
        ("DebugIdentity", ("grpc://host:1",), False),
        ("ReadFile", ("",), False),
    ],
)
def test_some_paths_reach_nothing(op, paths, harmless):
    assert is_harmless(DANGEROUS_OPS[op], paths) is harmless


def test_every_reach_says_what_it_does():
    assert {one.reach for one in DANGEROUS_OPS.values()} == set(Reach) - {Reach.LIBRARY}
