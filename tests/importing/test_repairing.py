import pytest

from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.repairing import remaining_faults, repair
from legacy_restore.importing.repairing_devices import portable_device
from legacy_restore.importing.tensor_types import OUTPUT_SHAPES
from legacy_restore.report.findings import errors_of
from legacy_restore.tf import tf
from tests.importing.graphs import exported, imported, node, run
from tests.importing.sample_graphs import read_meta_graph
from tests.samples import sample


def simple():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        tf.negative(x, name="y")
    return exported(graph)


def repaired(meta_graph):
    return repair(meta_graph, OpDefs(meta_graph))


def ids(findings):
    return [one.id for one in findings]


def test_a_sound_graph_stays_as_it_is():
    meta_graph = simple()
    before = meta_graph.SerializeToString(deterministic=True)
    meta_graph, findings = repaired(meta_graph)
    assert not findings
    assert not remaining_faults(meta_graph)
    assert meta_graph.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    "old, new",
    [
        ("/cpu:0", "/device:CPU:0"),
        ("/device:CPU:0", "/device:CPU:0"),
        ("/device:CPU:*", "/device:CPU:*"),
        ("/job:ps/replica:0/task:3/device:CPU:0", "/device:CPU:0"),
        ("/job:ps/task:3/cpu:0", "/device:CPU:0"),
        ("/job:worker/replica:0/task:0", ""),
        ("/device:GPU:0", ""),
        ("/gpu:1", ""),
        ("/device:CPU:1", ""),
        ("/device:XLA_CPU:0", ""),
        ("/device:TPU_REPLICATED_CORE", ""),
        ("/cpu:-1", ""),
        ("nonsense", ""),
    ],
)
def test_of_devices_the_cpu_stays(old, new):
    assert portable_device(old) == new


def test_one_remark_counts_the_devices_that_were_dropped():
    from tensorflow.python.framework import function

    @function.Defun(tf.float32)
    def on_gpu(x):
        with tf.device("/gpu:1"):
            return -x

    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        with tf.device("/job:ps/task:3/device:CPU:0"):
            y = tf.negative(x)
        with tf.device("/device:GPU:0"):
            y = tf.negative(-y)
        with tf.device("/cpu:0"):
            tf.identity(on_gpu(y), name="z")
    meta_graph, (remark,) = repaired(exported(graph))
    assert remark.id == "devices-dropped"
    assert "/device:GPU:0 (2)" in remark.message
    assert "/job:ps/task:3/device:CPU:0 (1)" in remark.message
    assert "/device:GPU:1 (1)" in remark.message
    assert node(meta_graph, "z").device == "/device:CPU:0"
    assert run(imported(meta_graph), "m/z:0", {"m/x:0": 2.0}) == 2.0


def test_colocation_with_nothing_goes_and_cycles_stay():
    meta_graph = simple()
    x, y = node(meta_graph, "x"), node(meta_graph, "y")
    x.attr["_class"].list.s.append(b"loc:@y")
    y.attr["_class"].list.s.extend([b"loc:@gone", b"loc:@x"])
    meta_graph, _ = repaired(meta_graph)
    assert list(y.attr["_class"].list.s) == [b"loc:@x"]
    assert run(imported(meta_graph), "m/y:0", {"m/x:0": 2.0}) == -2.0


def written_with(meta_graph, op, name, default):
    """Lets a file say that its TensorFlow had an attribute, with a default."""
    (op_def,) = [
        one for one in meta_graph.meta_info_def.stripped_op_list.op if one.name == op
    ]
    op_def.attr.add(name=name, type="bool").default_value.b = default


def test_attributes_of_a_newer_tensorflow_go_if_they_say_its_default():
    meta_graph = simple()
    written_with(meta_graph, "Neg", "fancy", False)
    node(meta_graph, "y").attr["fancy"].b = False
    meta_graph, _ = repaired(meta_graph)
    assert "fancy" not in node(meta_graph, "y").attr
    assert not remaining_faults(meta_graph)


def test_attributes_of_a_newer_tensorflow_that_say_something_are_refused():
    meta_graph = simple()
    written_with(meta_graph, "Neg", "fancy", False)
    node(meta_graph, "y").attr["fancy"].b = True
    meta_graph, _ = repaired(meta_graph)
    (error,) = remaining_faults(meta_graph)
    assert error.id == "attribute-unknown"
    assert error.is_error and error.subject == "y"
    assert "'fancy'" in error.message and "b: true" in error.message


def test_a_name_for_readers_of_logs_is_no_obstacle():
    with tf.Graph().as_default() as graph, tf.variable_scope("", use_resource=True):
        tf.get_variable("w", [], initializer=tf.ones_initializer())
    meta_graph = exported(graph)
    node(meta_graph, "w").attr["debug_name"].s = b"w/"
    meta_graph, _ = repaired(meta_graph)
    assert not remaining_faults(meta_graph)
    found = run(imported(meta_graph), "m/w/Initializer/ones:0", {})
    assert found == 1.0


def test_attributes_that_no_default_is_known_of_are_refused():
    meta_graph = simple()
    meta_graph.ClearField("meta_info_def")
    node(meta_graph, "y").attr["fancy"].b = False
    meta_graph, _ = repaired(meta_graph)
    assert ids(remaining_faults(meta_graph)) == ["attribute-unknown"]


def test_a_stripped_attribute_means_the_writers_default():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2, 2], name="x")
        tf.matmul(x, x, name="y")
    meta_graph = exported(graph)
    (op_def,) = [
        one
        for one in meta_graph.meta_info_def.stripped_op_list.op
        if one.name == "MatMul"
    ]
    for one in op_def.attr:
        if one.name == "transpose_a":
            one.default_value.b = True
    del node(meta_graph, "y").attr["transpose_a"]
    meta_graph, _ = repaired(meta_graph)
    found = run(imported(meta_graph), "m/y:0", {"m/x:0": [[1.0, 2.0], [3.0, 4.0]]})
    assert found.tolist() == [[10.0, 14.0], [14.0, 20.0]]


def test_private_attributes_are_no_obstacle():
    meta_graph = simple()
    node(meta_graph, "y").attr["_anything"].i = 3
    meta_graph, _ = repaired(meta_graph)
    assert not remaining_faults(meta_graph)
    assert OUTPUT_SHAPES in node(meta_graph, "y").attr
    imported(meta_graph)


def test_custom_gradients_are_nobody_elses():
    """Another gradient of this process may have the number of the writer's."""
    taken = "CustomGradient-987654321"

    @tf.RegisterGradient(taken)
    def _wrong(op, dy):
        return 1000.0 * dy

    meta_graph = simple()
    node(meta_graph, "y").attr["_gradient_op_type"].s = taken.encode()

    def slope(graph):
        with graph.as_default():
            x, y = (graph.get_tensor_by_name(f"m/{one}:0") for one in "xy")
            return tf.gradients(y, x)[0]

    stock = imported(meta_graph)
    assert run(stock, slope(stock), {"m/x:0": 1.0}) == 1000.0
    meta_graph, _ = repaired(meta_graph)
    with pytest.raises(LookupError):
        slope(imported(meta_graph))


def test_gradients_of_functions_are_found_through_the_function():
    meta_graph = simple()
    y = node(meta_graph, "y")
    y.attr["_gradient_op_type"].s = b"PartitionedCall-12"
    repaired(meta_graph)
    assert "_gradient_op_type" not in y.attr
    y.attr["_gradient_op_type"].s = b"MyOwn"
    repaired(meta_graph)
    assert y.attr["_gradient_op_type"].s == b"MyOwn"


def test_collections_that_nobody_can_restore_are_dropped():
    meta_graph = simple()
    collections = meta_graph.collection_def
    collections["blob"].bytes_list.value.append(b"\xff\xfe\x00")
    collections["mixed"].node_list.value.extend(["y:0", "OpaqueKernelSaveable"])
    collections["variables"].bytes_list.value.append(b"\xff\xff")
    collections["texts"].bytes_list.value.append("größe".encode())
    collections["unset"].SetInParent()
    collections["strange"].any_list.value.add().type_url = "type.googleapis.com/a.B"
    kept = collections["saved_model_assets"].any_list.value.add()
    kept.type_url = "type.googleapis.com/tensorflow.AssetFileDef"
    meta_graph, findings = repaired(meta_graph)
    assert {one.subject: one.id for one in findings} == dict.fromkeys(
        ["blob", "mixed", "strange", "unset", "variables"], "collection-dropped"
    )
    assert not errors_of(findings)
    assert sorted(collections) == ["mixed", "saved_model_assets", "texts"]
    assert list(collections["mixed"].node_list.value) == ["y:0"]


def test_what_import_meta_graph_fails_at_is_dropped():
    """tf.train.import_meta_graph raises UnicodeDecodeError and KeyError for them."""
    for parts, key in (
        (("dm21", "DM21"), "hub_module_attachments"),
        (("cudnn_lstm", "best.meta"), "saveable_objects"),
    ):
        meta_graph = read_meta_graph(sample(*parts))
        with pytest.raises((UnicodeDecodeError, KeyError)), tf.Graph().as_default():
            tf.train.import_meta_graph(meta_graph, import_scope="m")
        meta_graph, findings = repaired(meta_graph)
        assert key in [one.subject for one in findings]
        with tf.Graph().as_default():
            tf.train.import_meta_graph(meta_graph, import_scope="m")


def test_graphs_of_newer_readers_are_refused_with_both_numbers():
    meta_graph = simple()
    meta_graph.graph_def.versions.min_consumer = 987654
    _, (error,) = repaired(meta_graph)
    assert error.id == "unsupported" and error.is_input_fault
    assert "987654" in error.message and str(tf.GRAPH_DEF_VERSION) in error.message


def test_graphs_whose_writer_excludes_this_reader_are_refused():
    meta_graph = simple()
    meta_graph.graph_def.versions.bad_consumers.append(tf.GRAPH_DEF_VERSION)
    _, (error,) = repaired(meta_graph)
    assert error.id == "unsupported"


def test_operations_that_were_given_up_work_in_old_graphs_alone():
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.float32, [1, 1, 1, 1], name="x")
        tf.placeholder(tf.float32, [1], name="one")
    meta_graph = exported(graph)
    graph_def = meta_graph.graph_def
    made = graph_def.node.add(name="old", op="BatchNormWithGlobalNormalization")
    made.input.extend(["x", "one", "one", "one", "one"])
    made.attr["T"].type = 1
    made.attr["variance_epsilon"].f = 0.0
    made.attr["scale_after_normalization"].b = True
    graph_def.versions.producer = 8
    meta_graph, _ = repaired(meta_graph)
    assert not remaining_faults(meta_graph)
    # Beside operations of today.
    with tf.Graph().as_default() as graph:
        tf.negative(tf.constant(1.0))
        tf.import_graph_def(graph_def, name="m")
        tf.negative(tf.constant(1.0))
    fed = {"m/x:0": [[[[3.0]]]], "m/one:0": [1.0]}
    assert run(graph, "m/old:0", fed).tolist() == [[[[3.0]]]]
    graph_def.versions.producer = 9
    (error,) = remaining_faults(meta_graph)
    assert error.subject == "old" and "tf.nn.batch_normalization" in error.message
    with pytest.raises(Exception, match="removed in version 9"):
        imported(meta_graph)


def test_the_version_of_the_first_graphs_is_found():
    meta_graph = simple()
    meta_graph.graph_def.ClearField("versions")
    meta_graph.graph_def.version = 3
    meta_graph, _ = repaired(meta_graph)
    assert meta_graph.graph_def.versions.producer == 3


def test_every_doubled_name_and_open_end_is_an_error():
    meta_graph = simple()
    graph_def = meta_graph.graph_def
    graph_def.node.add().CopyFrom(node(meta_graph, "x"))
    for name in ("bad", "worse"):
        graph_def.node.add(name=name, op="Identity", input=["gone:1", "^nowhere"])
    body = graph_def.library.function.add()
    body.signature.name = "f"
    body.signature.input_arg.add(name="a")
    for name in ("n", "n"):
        body.node_def.add(name=name, op="Identity", input=["a", "missing:out:0"])
    meta_graph, findings = repaired(meta_graph)
    assert {one.subject for one in errors_of(findings)} == {"x", "f/n"}
    ends = remaining_faults(meta_graph)
    assert [one.subject for one in ends if one.id == "corrupt"] == [
        "bad",
        "worse",
        "f/n",
        "f/n",
    ]


def test_functions_of_before_0_12_are_refused_by_name():
    meta_graph = simple()
    body = meta_graph.graph_def.library.function.add()
    # Field 2 held the nodes then: one with ret "y" and op "Neg".
    body.MergeFromString(b"\x12\x08\x0a\x01y\x12\x03Neg")
    body.signature.name = "old"
    body.signature.output_arg.add(name="y")
    meta_graph, _ = repaired(meta_graph)
    (error,) = remaining_faults(meta_graph)
    assert error.id == "unsupported" and error.subject == "old"


def test_a_constant_without_a_value_in_a_function_is_an_error():
    meta_graph = tf.MetaGraphDef()
    function = meta_graph.graph_def.library.function.add()
    function.signature.name = "f"
    constant = function.node_def.add(name="c", op="Const")
    (error,) = remaining_faults(meta_graph)
    assert (error.id, error.subject) == ("corrupt", "f/c")
    constant.attr["value"].tensor.dtype = 1
    assert remaining_faults(meta_graph) == []


def test_handles_of_any_name_are_refused():
    """By such a node a graph would read a variable of the model beside it."""
    meta_graph = tf.MetaGraphDef()
    handles = meta_graph.graph_def.node.add(name="handles", op="_VarHandlesOp")
    handles.attr["containers"].list.s.append(b"")
    handles.attr["shared_names"].list.s.append(b"other/weights")
    handles.attr["N"].i = 1
    handles.attr["dtypes"].list.type.append(tf.float32.as_datatype_enum)
    handles.attr["shapes"].list.shape.add().dim.add(size=2)
    constant = meta_graph.graph_def.node.add(name="constant", op="Const")
    constant.attr["dtype"].type = tf.resource.as_datatype_enum
    constant.attr["value"].tensor.dtype = tf.resource.as_datatype_enum
    read = meta_graph.graph_def.node.add(
        name="read", op="ReadVariableOp", input=["handles"]
    )
    read.attr["dtype"].type = tf.float32.as_datatype_enum
    graph = tf.Graph()
    with graph.as_default():
        tf.get_variable(
            "other/weights", initializer=tf.ones([2]), use_resource=True
        )  # Stock TensorFlow gives the stranger's value:
        del meta_graph.graph_def.node[1]
        tf.import_graph_def(meta_graph.graph_def, name="m")
        before = [tf.global_variables_initializer()]
        assert run(graph, "m/read:0", before=before).tolist() == [1, 1]
        meta_graph.graph_def.node.append(constant)
    found = remaining_faults(meta_graph)
    assert [one.subject for one in found if one.id == "import-failed"] == [
        "handles",
        "constant",
    ]
