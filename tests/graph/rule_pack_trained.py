"""Models with the state of their training in ``tests/golden/rule_packs``."""

import tensorflow as tf

v1 = tf.compat.v1


def build_estimator(embedding_first=False):
    """The wide and deep classifier under the names of tf.estimator, with its slots.

    Args:
      embedding_first: Whether the columns of the deep part are joined as contrib.learn
        does it: in the order of their kinds, and not of their names.
    """
    age = v1.placeholder(tf.float32, [3, 1], "age")
    city = v1.placeholder(tf.int64, [3], "city")
    step = v1.get_variable("global_step", [], tf.int64, trainable=False)
    with v1.variable_scope("dnn"):
        with v1.variable_scope("input_from_feature_columns/input_layer/city_embedding"):
            embedding = v1.get_variable("embedding_weights", [5, 2])
        columns = [age, tf.gather(embedding, city)]
        net = tf.concat(columns[::-1] if embedding_first else columns, 1)
        net = tf.nn.relu(_dense("hiddenlayer_0", net, 3))
        logits = _dense("logits", net, 1)
    with v1.variable_scope("linear/linear_model"):
        with v1.variable_scope("age"):
            logits += age * v1.get_variable("weights", [1, 1])
        with v1.variable_scope("city"):
            logits += tf.gather(v1.get_variable("weights", [5, 1]), city)
        logits += v1.get_variable("bias_weights", [1])
    _train_both(logits, step)
    likely = tf.sigmoid(logits)
    return {
        "inputs": {"age": age, "city": city},
        "outputs": {"probabilities": tf.concat([1 - likely, likely], 1)},
    }


def _dense(scope, inputs, units):
    with v1.variable_scope(scope):
        kernel = v1.get_variable("kernel", [inputs.shape[1], units])
        return tf.matmul(inputs, kernel) + v1.get_variable("bias", [units])


def _train_both(logits, step):
    """Makes the slots: Adagrad's of the deep part, Ftrl's of the wide one."""
    loss = tf.reduce_sum(tf.square(logits))
    variables = v1.trainable_variables(v1.get_variable_scope().name or None)
    deep, wide = variables[:5], variables[5:]
    v1.train.AdagradOptimizer(0.05).minimize(loss, step, deep)
    v1.train.FtrlOptimizer(0.05).minimize(loss, step, wide)


def build_doubled_scope():
    """The model of ``doubled_scope`` as it was written: its slots are made in ``m``."""
    rows = v1.placeholder(tf.float32, [4, 3], "rows")
    with v1.variable_scope("m"):
        _, output = _build_wide(rows)
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(tf.square(output)))
    return {"inputs": {"rows": rows}, "outputs": {"output": output}}


def build_without_doubled_scope():
    """The same, of which one variable is trained; its slots have their scope once."""
    rows = v1.placeholder(tf.float32, [4, 3], "rows")
    with v1.variable_scope("m") as scope:
        kernel, output = _build_wide(rows)
    loss = tf.reduce_sum(tf.square(output))
    with v1.name_scope(scope.original_name_scope):
        v1.train.AdamOptimizer().minimize(loss, var_list=[kernel])
    return {"inputs": {"rows": rows}, "outputs": {"output": output}}


def _build_wide(rows):
    with v1.variable_scope("rnn"):
        kernel = v1.get_variable("kernel", [3, 4])
    with v1.variable_scope("wide", partitioner=v1.fixed_size_partitioner(2)):
        table = v1.get_variable("table", [4, 2])
    output = tf.matmul(tf.matmul(rows, kernel), tf.convert_to_tensor(table))
    return kernel, output
