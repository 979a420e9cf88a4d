"""One of each kind of what a session keeps under a name, as a counter.

Each function makes such a thing and returns a tensor that is 1 in the first run that
meets it, and one larger with every other; of variables it stays 2.
"""

from legacy_restore.tf import tf

_ops = tf.raw_ops


def _after(operation, make):
    with tf.control_dependencies([operation]):
        return tf.cast(make(), tf.int64)


def _some_key():
    return tf.random.uniform([1], 0, 1 << 40, tf.int64)


def resource_variable(name, shared_name=""):
    handle = _ops.VarHandleOp(
        dtype=tf.int64, shape=[], shared_name=shared_name, name=name
    )
    return _two_where_it_is_there(
        _ops.VarIsInitializedOp(resource=handle),
        lambda value: _ops.AssignVariableOp(resource=handle, value=value),
    )


def ref_variable(name, shared_name=""):
    ref = _ops.VariableV2(shape=[], dtype=tf.int64, shared_name=shared_name, name=name)
    return _two_where_it_is_there(
        _ops.IsVariableInitialized(ref=ref),
        lambda value: _ops.Assign(ref=ref, value=value),
    )


def _two_where_it_is_there(is_there, assign):
    found = tf.cast(is_there, tf.int64) + 1
    return _after(assign(found), lambda: tf.identity(found))


def queue(name, shared_name=""):
    handle = _ops.FIFOQueueV2(
        component_types=[tf.int64], shapes=[[]], shared_name=shared_name, name=name
    )
    one = _ops.QueueEnqueueV2(handle=handle, components=[tf.constant(1, tf.int64)])
    return _after(one, lambda: _ops.QueueSizeV2(handle=handle))


def ref_queue(name, shared_name=""):
    handle = _ops.FIFOQueue(
        component_types=[tf.int64], shapes=[[]], shared_name=shared_name, name=name
    )
    one = _ops.QueueEnqueue(handle=handle, components=[tf.constant(1, tf.int64)])
    return _after(one, lambda: _ops.QueueSize(handle=handle))


def table(name, shared_name="", **more):
    return _filled(
        _ops.MutableHashTableV2(
            key_dtype=tf.int64,
            value_dtype=tf.int64,
            shared_name=shared_name,
            name=name,
            **more,
        )
    )


def table_of_its_node(name, shared_name=""):
    return table(name, shared_name, use_node_name_sharing=True)


def _filled(handle):
    key = _some_key()
    one = _ops.LookupTableInsertV2(table_handle=handle, keys=key, values=key)
    return _after(one, lambda: _ops.LookupTableSizeV2(table_handle=handle))


def accumulator(name, shared_name=""):
    handle = _ops.ConditionalAccumulator(
        dtype=tf.float32, shape=[], shared_name=shared_name, name=name
    )
    one = _ops.AccumulatorApplyGradient(
        handle=handle, local_step=tf.constant(0, tf.int64), gradient=tf.constant(1.0)
    )
    return _after(one, lambda: _ops.AccumulatorNumAccumulated(handle=handle))


def barrier(name, shared_name=""):
    handle = _ops.Barrier(
        component_types=[tf.float32], shapes=[[]], shared_name=shared_name, name=name
    )
    one = _ops.BarrierInsertMany(
        handle=handle,
        keys=tf.strings.as_string(_some_key()),
        values=tf.constant([1.0]),
        component_index=0,
    )
    return _after(one, lambda: _ops.BarrierReadySize(handle=handle))


def staging_area(name, shared_name=""):
    one = _ops.Stage(values=[tf.constant(1)], shared_name=shared_name, name=name)
    area = shared_name or name
    return _after(one, lambda: _ops.StageSize(dtypes=[tf.int32], shared_name=area))


def sparse_map(name, shared_name=""):
    handle = _ops.AddSparseToTensorsMap(
        sparse_indices=tf.constant([[0]], tf.int64),
        sparse_values=tf.constant([1.0]),
        sparse_shape=tf.constant([1], tf.int64),
        shared_name=shared_name,
        name=name,
    )
    return tf.identity(handle) + 1  # They are counted from 0.


def reader(name, shared_name=""):
    names = _ops.FIFOQueueV2(component_types=[tf.string], shapes=[[]])
    handle = _ops.IdentityReaderV2(shared_name=shared_name, name=name)
    one = _ops.QueueEnqueueV2(handle=names, components=[tf.constant("a")])
    with tf.control_dependencies([one]):
        read = _ops.ReaderReadV2(reader_handle=handle, queue_handle=names)
    return _after(
        read.key, lambda: _ops.ReaderNumRecordsProducedV2(reader_handle=handle)
    )


KINDS = {
    one.__name__: one
    for one in (
        resource_variable,
        ref_variable,
        queue,
        ref_queue,
        table,
        table_of_its_node,
        accumulator,
        barrier,
        staging_area,
        sparse_map,
        reader,
    )
}
