"""Numbers in names are aligned by their order, where that leaves one way."""

from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS


def typed(**shapes):
    return [
        TypedName(name.replace("__", "/"), "float32", shape)
        for name, shape in shapes.items()
    ]


def renamed(pack, keys, wanted):
    return dict(PACKS[pack].rename(keys, wanted))


def test_default_names_go_by_number_and_not_by_text():
    keys = [TypedName(f"Variable_{n}", "float32", (n,)) for n in (9, 10, 11)]
    wanted = [TypedName(f"Variable_{n}", "float32", (9 + n,)) for n in (1, 2)]
    wanted.append(TypedName("Variable", "float32", (9,)))

    assert renamed("default-numbers", keys, wanted) == {
        "Variable_9": "Variable",
        "Variable_10": "Variable_1",
        "Variable_11": "Variable_2",
    }


def test_a_step_that_the_model_lacks_is_skipped_where_its_type_tells():
    keys = [
        TypedName("Variable", "int32", ()),
        *typed(Variable_1=(4, 3), Variable_2=(3,)),
    ]
    wanted = typed(Variable=(4, 3), Variable_1=(None,))

    # The step is in the way of its neighbour's new name.
    assert renamed("default-numbers", keys, wanted) == {
        "Variable": "Variable_3",
        "Variable_1": "Variable",
        "Variable_2": "Variable_1",
    }


def test_two_ways_are_none():
    keys = typed(Variable_3=(4,), Variable_4=(4,), Variable_5=(2,))
    wanted = typed(Variable=(4,), Variable_1=(2,))

    assert renamed("default-numbers", keys, wanted) == {}


def test_slots_and_averages_of_default_names_follow():
    keys = typed(Variable_7=(4,), Variable_7__Adam=(4,))
    keys += typed(Variable_7__ExponentialMovingAverage=(4,))

    assert renamed("default-numbers", keys, typed(Variable=(4,))) == {
        "Variable_7": "Variable",
        "Variable_7/Adam": "Variable/Adam",
        "Variable_7/ExponentialMovingAverage": "Variable/ExponentialMovingAverage",
    }


def test_default_names_of_other_types_are_left_alone():
    keys = typed(Variable_7=(4,))

    assert renamed("default-numbers", keys, typed(Variable=(5,))) == {}
    assert renamed("default-numbers", keys, typed(w=(4,))) == {}


def test_layers_of_other_counts_are_left_alone():
    keys = typed(dense_3__kernel=(4, 2), dense_4__kernel=(2, 2))

    assert renamed("keras-numbers", keys, typed(dense__kernel=(4, 2))) == {}


def test_layers_of_other_shapes_are_left_alone():
    keys = typed(dense_3__kernel=(4, 2), dense_4__kernel=(2, 3))
    wanted = typed(dense__kernel=(4, 2), dense_1__kernel=(2, 2))

    assert renamed("keras-numbers", keys, wanted) == {}


def test_layers_of_each_type_have_an_order_of_their_own():
    keys = typed(net__dense_10__kernel=(2, 3), net__dense_9__kernel=(4, 2))
    keys += typed(net__conv2d_2__kernel=(3, 3, 1, 4))
    wanted = typed(net__dense__kernel=(4, 2), net__dense_1__kernel=(2, 3))
    wanted += typed(net__conv2d__kernel=(3, 3, 1, 4))

    assert renamed("keras-numbers", keys, wanted) == {
        "net/dense_9/kernel": "net/dense/kernel",
        "net/dense_10/kernel": "net/dense_1/kernel",
        "net/conv2d_2/kernel": "net/conv2d/kernel",
    }


def test_layers_in_layers_are_numbered_inside():
    keys = typed(bidirectional_1__forward_lstm_4__kernel=(2, 8))
    wanted = typed(bidirectional__forward_lstm__kernel=(2, 8))

    assert renamed("keras-numbers", keys, wanted) == {
        "bidirectional_1/forward_lstm_4/kernel": "bidirectional/forward_lstm/kernel"
    }


def test_numbers_that_shift_do_not_meet():
    keys = typed(dense_1__kernel=(4, 2), dense_2__kernel=(2, 3))
    wanted = typed(dense_2__kernel=(4, 2), dense_3__kernel=(2, 3))

    assert renamed("keras-numbers", keys, wanted) == {
        "dense_1/kernel": "dense_2/kernel",
        "dense_2/kernel": "dense_3/kernel",
    }


def test_names_that_agree_are_left_alone():
    keys = typed(dense_1__kernel=(4, 2), Variable=(2,))

    assert renamed("keras-numbers", keys, keys) == {}
    assert renamed("default-numbers", keys, keys) == {}
