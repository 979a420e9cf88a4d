"""What only looks at a saved graph leaves it as it is.

To read an attribute that a node does not have adds it, empty, to the message.
"""

import pytest

from legacy_restore.importing.assets import find_assets
from legacy_restore.importing.average_names import average_names
from legacy_restore.importing.effects import EffectsReader
from legacy_restore.importing.initializing import find_initializers
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.outline import outline_of
from legacy_restore.importing.python_functions import (
    check_python_functions,
    python_calls,
)
from legacy_restore.importing.reading import read_graph_file, read_saved_model
from legacy_restore.importing.saved_variables import find_variables
from legacy_restore.importing.saver_table import read_saver_table
from legacy_restore.importing.unknown_ops import unknown_operations
from tests.importing.saved import copied
from tests.saved_graphs import names, saved_case


@pytest.mark.parametrize("name", names())
def test_looking_at_a_saved_graph_changes_nothing(name):
    case = saved_case(name)
    if case.saved_model:
        saved = read_saved_model(case.saved_model, None)
    else:
        saved = read_graph_file(case.graph_file)
    meta_graph, op_defs = saved.meta_graph, OpDefs(saved.meta_graph)
    before = copied(meta_graph)
    effects = EffectsReader(meta_graph, op_defs)
    looks = {
        "variables": lambda: average_names(
            meta_graph, find_variables(meta_graph, op_defs)
        ),
        "table": lambda: read_saver_table(meta_graph, op_defs),
        "initializers": lambda: find_initializers(meta_graph, op_defs),
        "python": lambda: check_python_functions("m", python_calls(meta_graph), {}),
        "assets": lambda: find_assets(saved),
        "effects": lambda: [effects.of(one.name) for one in before.graph_def.node],
        "outline": lambda: outline_of(meta_graph),
        "unknown": lambda: unknown_operations(meta_graph, op_defs),
    }
    for look in looks:
        looks[look]()
        assert meta_graph == before, look
