"""What the object graph tells of optimizers, and what it does not touch."""

import pytest

from legacy_restore.checkpoint.objects import decode_objects
from legacy_restore.mapping.classify import Classified, TensorClass, classify
from tests.checkpoint.builders import memory_below
from tests.checkpoint.object_builders import VALUE, child, graph, slot, variable
from tests.planning.specs import entry


def classes(data, *entries):
    """Classes by key, without what stands behind each path."""
    entries = [entry(key + VALUE, *rest) for key, *rest in entries]
    found = classify(entries, decode_objects(data, [one.key for one in entries]))
    return {key[: -len(VALUE)]: one for key, one in found.items()}


def slots_of(original, full_name, slot_name="m"):
    """The class of the slot of a variable, by its name in the graph."""
    data = graph(
        [child("w", 1), child("opt", 2)],
        [variable("w", original)],
        [slot(1, slot_name, 3)],
        [variable("w/.OPTIMIZER_SLOT/opt/m", full_name)],
    )
    found = classes(data, ("w", [3]), ("w/.OPTIMIZER_SLOT/opt/m", [3]))
    assert found["w"].tensor_class is TensorClass.WEIGHT
    return found["w/.OPTIMIZER_SLOT/opt/m"]


@pytest.mark.parametrize(
    "original, full_name, optimizer",
    [
        ("dense/kernel", "Adam/dense/kernel/m", "Adam"),
        ("dense/kernel", "training/Adam/dense/kernel/m", "Adam"),
        ("dense/kernel", "mine/dense/kernel/m", "mine"),
        ("dense/kernel", "dense/kernel/Adam_1", "Adam"),
        ("dense/kernel", "dense/kernel/Mine_3", "Mine"),
        ("Variable", "elsewhere", "opt"),
        ("", "", "opt"),
    ],
)
def test_a_slot_has_its_variable_and_its_optimizer(original, full_name, optimizer):
    found = slots_of(original, full_name)
    assert found == Classified(TensorClass.SLOT, "m of w", optimizer)


def test_numbers_of_an_old_keras_optimizer():
    data = graph(
        [child("opt", 1), child("scale", 4), child("w", 5)],
        [
            child("iter", 2),
            child("learning_rate", 3),
            child("decay", 4),
            child("w", 5),
        ],
        [variable("opt/iter")],
        [variable("opt/learning_rate")],
        [variable("scale")],
        [variable("w")],
    )
    found = classes(
        data,
        ("opt/iter", [], "int64"),
        ("opt/learning_rate", []),
        ("scale", []),
        ("w", [3]),
    )
    kinds = {key: one.tensor_class for key, one in found.items()}
    assert kinds == {
        "opt/iter": TensorClass.STEP,
        "opt/learning_rate": TensorClass.HYPERPARAMETER,
        # The model has it too: it may be a weight.
        "scale": TensorClass.WEIGHT,
        "w": TensorClass.WEIGHT,
    }
    assert found["opt/learning_rate"].reason == "learning_rate of opt"
    assert TensorClass.HYPERPARAMETER.is_training_state


def test_powers_of_an_old_optimizer_stay_accumulators():
    data = graph(
        [child("opt", 1), child("w", 4)],
        [child("beta1_power", 2), child("lr", 3), slot(4, "m", 5)],
        [variable("opt/beta1_power")],
        [variable("opt/lr")],
        [variable("w")],
        [],
    )
    found = classes(data, ("opt/beta1_power", []), ("opt/lr", []), ("w", [2]))
    assert found["opt/beta1_power"].tensor_class is TensorClass.POWER
    assert found["opt/lr"].tensor_class is TensorClass.HYPERPARAMETER


def new_keras(full_names, lists, with_weights=True):
    """An optimizer of today's Keras with one weight and the lists of its slots."""
    weights = [child("_trainable_variables", 2)] if with_weights else []
    first_list = 7
    first = first_list + len(lists)
    return graph(
        [child("model", 6), child("opt", 1)],
        [
            *weights,
            child("_variables", 3),
            child("_iterations", 4),
            *(child(one, first_list + count) for count, one in enumerate(lists)),
        ],
        [child("0", 5)],
        [
            child("0", 4),
            *(child(str(count + 1), first + count) for count in range(len(lists) + 1)),
        ],
        [variable("opt/_iterations", "adam/iteration")],
        [variable("weight", "dense/kernel")],
        [child("kernel", 5)],
        *([child("0", first + count)] for count in range(len(lists))),
        *(
            [variable(f"opt/_variables/{count + 1}", name)]
            for count, name in enumerate(full_names)
        ),
    )


def test_slots_of_keras_3_have_the_weight_at_their_place():
    names = ["adam/dense_kernel_momentum", "adam/dense_kernel_average", "adam/other"]
    data = new_keras(names, ["_momentums", "_model_variables_moving_average"])
    found = classes(
        data,
        ("opt/_iterations", [], "int32"),
        ("weight", [3]),
        *((f"opt/_variables/{one}", [3]) for one in (1, 2, 3)),
    )
    assert found == {
        "opt/_iterations": Classified(TensorClass.STEP, "iterations of opt"),
        "weight": Classified(TensorClass.WEIGHT, "not known as training state"),
        "opt/_variables/1": Classified(
            TensorClass.SLOT, "momentums of dense/kernel", "adam"
        ),
        "opt/_variables/2": Classified(TensorClass.EMA, "average of dense/kernel"),
        "opt/_variables/3": Classified(TensorClass.SLOT, "a variable of opt", "adam"),
    }


def test_slots_of_tf_keras_name_their_weight():
    data = new_keras(["Adam/m/dense/kernel", "x"], ["_momentums"], with_weights=False)
    found = classes(data, ("weight", [3]), ("opt/_variables/1", [3]))
    assert found["opt/_variables/1"] == Classified(
        TensorClass.SLOT, "momentums of dense/kernel", "Adam"
    )
    assert found["weight"].tensor_class is TensorClass.WEIGHT


def sonnet(*names, elements=("0",)):
    """An optimizer with lists of one variable each."""
    count = len(names)
    return graph(
        [child("opt", 1)],
        [child("step", 2), *(child(one, 3 + n) for n, one in enumerate(names))],
        [variable("opt/step")],
        *([child(e, 3 + count + n) for e in elements] for n in range(count)),
        *([variable(f"opt/{one}/0", f"{one}/w")] for one in names),
    )


@pytest.mark.parametrize(
    "names", [("m", "v"), ("mom", "ms", "mg"), ("accumulated_momentum",)]
)
def test_slots_of_sonnet(names):
    entries = [(f"opt/{name}/0", [3]) for name in names]
    found = classes(sonnet(*names), ("opt/step", [], "int64"), *entries)
    assert found.pop("opt/step").tensor_class is TensorClass.STEP
    assert {one.tensor_class for one in found.values()} == {TensorClass.SLOT}
    assert {one.optimizer for one in found.values()} == {"opt"}
    assert found[f"opt/{names[0]}/0"].reason == f"{names[0]} of weight 0"


def test_what_only_looks_like_an_optimizer_of_sonnet_has_weights():
    for data in (sonnet("m"), sonnet("m", "v", elements=("kernel",))):
        found = classes(data, ("opt/m/0", [3]))
        assert found["opt/m/0"].tensor_class is TensorClass.WEIGHT


def test_names_count_where_the_graph_says_nothing():
    data = graph([child("bn", 1)], [variable("bn/moving_mean")])
    found = classes(data, ("bn/moving_mean", [3]), ("w/.OPTIMIZER_SLOT/o/m", [3]))
    assert found["bn/moving_mean"].tensor_class is TensorClass.BATCH_NORM
    assert found["w/.OPTIMIZER_SLOT/o/m"].reason == "m of w"


def test_optimizers_that_share_one_list_are_not_walked_for_each():
    count = 300
    elements = [child(str(one), 0) for one in range(count)]
    optimizers = [[child("_variables", 1), child("_iterations", 1)]] * count
    data = graph([child(str(n), n + 2) for n in range(count)], elements, *optimizers)
    assert classes(data) == {}


def test_names_of_any_length_are_not_repeated_for_each_tensor():
    count, name = 200, "n" * 1_000_000
    slots = [slot(count + 2, "m", one + 2) for one in range(count)]
    data = graph(
        [child(name, 1), *(child(str(one), one + 2) for one in range(count))],
        [*(child(str(one), one + 2) for one in range(count)), *slots],
        *([variable(str(one))] for one in range(count)),
        [variable("w", name)],
    )
    with memory_below(60 << 20):
        found = classes(data, ("w", [3]), *((str(one), []) for one in range(count)))
    assert found["0"] == Classified(
        TensorClass.SLOT, f"m of object {count + 2}", "object 1"
    )
