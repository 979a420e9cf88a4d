"""What the Savers of a saved graph restore besides variables.

Mutable tables get new operations that export and import their entries: those of the
file are a Saver's, which is not imported. Anything else is refused if the model needs
it: the parameters of cuDNN are opaque, and made from the tensors of a checkpoint by
operations that only a GPU has.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Sequence, Tuple

from legacy_restore.graph.restore_graph import entered
from legacy_restore.graph.saveables import FoundSaveables, OwnedSaveable
from legacy_restore.graph.tables import entry_shapes, is_anonymous, is_mutable_table
from legacy_restore.importing.saver_table import SavedObject
from legacy_restore.planning.spec import VariableSpec
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text, cut_names
from legacy_restore.tf import BaseSaverBuilder, tf

_HINT = "outputs= that do not need it; or the code of the model"


class TableEntries(BaseSaverBuilder.SaveableObject):  # type: ignore[misc]
    """All entries of a mutable table: its keys and its values."""

    def __init__(self, table: Any, names: Sequence[str]) -> None:
        """Adds the operation that exports the entries to the default graph.

        Args:
          table: The operation that holds the table.
          names: What keys and values are saved as.
        """
        self._table = table
        handle = table.outputs[0]
        self._is_resource = handle.dtype == tf.resource
        export = (
            tf.raw_ops.LookupTableExportV2
            if self._is_resource
            else tf.raw_ops.LookupTableExport
        )
        tensors = export(
            table_handle=handle,
            Tkeys=table.get_attr("key_dtype"),
            Tvalues=table.get_attr("value_dtype"),
        )
        specs = [
            BaseSaverBuilder.SaveSpec(tensor, "", name)
            for tensor, name in zip(tensors, names)
        ]
        super().__init__(handle, specs, table.name)

    @property
    def device(self) -> Any:
        """The device of the table."""
        return self._table.device

    def restore(self, restored_tensors: Sequence[Any], restored_shapes: Any) -> Any:
        """Adds the operation that puts entries in the place of those that are there.

        Args:
          restored_tensors: Keys and values.
          restored_shapes: None, as Savers give it.
        """
        del restored_shapes
        import_entries = (
            tf.raw_ops.LookupTableImportV2
            if self._is_resource
            else tf.raw_ops.LookupTableImport
        )
        keys, values = restored_tensors
        with tf.device(self._table.device):
            return import_entries(
                table_handle=self._table.outputs[0], keys=keys, values=values
            )


def saved_saveables(
    graph: Any, model: str, scope: str, objects: Iterable[SavedObject]
) -> FoundSaveables:
    """Returns what was imported of the objects that a file's Savers restore.

    Args:
      graph: The graph that the file was imported into.
      model: The model's name.
      scope: Its scope.
      objects: The objects; those whose node was not imported are left out.
    """
    owned: List[OwnedSaveable] = []
    findings: List[Finding] = []
    refused: Dict[str, Tuple[str, ...]] = {}
    for one in objects:
        try:
            holder = graph.get_operation_by_name(f"{scope}/{one.node}")
        except KeyError:
            continue
        fault = _fault(one, holder)
        if fault:
            kind = KINDS["saveable-object"]
            findings.append(Finding(kind, holder.name, fault, model=model, hint=_HINT))
            refused[holder.name] = tuple(one.keys)
            continue
        with entered(graph, scope), tf.name_scope("legacy_restore"), tf.device(
            holder.device
        ):
            owned.append(_owned(holder, scope, one))
    return FoundSaveables(tuple(owned), tuple(findings), refused)


def saveables_for_users(
    graph: Any, scope: str, found: FoundSaveables
) -> Dict[str, TableEntries]:
    """Returns what Savers of the graph's user may save, by the tables' names.

    Theirs have the names of the graph: the keys of a file may be another model's too.

    Args:
      graph: The graph.
      scope: The model's scope.
      found: What was imported.
    """
    with entered(graph, scope), tf.name_scope("legacy_restore"):
        return {
            one.table.name: TableEntries(one.table, [row.name for row in one.rows])
            for one in found.owned
            if one.table is not None
        }


def _fault(one: SavedObject, holder: Any) -> str:
    """Why an object cannot be restored, or an empty text."""
    count = count_text(len(one.keys), "key")
    if not one.is_table:
        return (
            f"it is made of {count} ({cut_names(one.keys, 2)}) by {one.op}: what that "
            "makes cannot be told from the file, or compared with it"
        )
    if not is_mutable_table(holder):
        return f"its entries are {count}, and a {holder.type} takes none"
    if is_anonymous(holder):
        return "TensorFlow forgets an anonymous table at the end of every run"
    return ""


def _owned(table: Any, scope: str, one: SavedObject) -> OwnedSaveable:
    saveable = TableEntries(table, one.keys)
    tensors = tuple(spec.tensor for spec in saveable.specs)
    names = list(one.rows)
    rows: Tuple[VariableSpec, ...] = tuple(
        VariableSpec(
            name=f"{scope}/{name}",
            local_name=name,
            dtype=tensor.dtype.base_dtype.name,
            shape=shape,
            kind="table",
            saver_name=key,
            saved_with=f"{scope}/{names[0]}",
        )
        for name, tensor, shape, key in zip(
            names, tensors, entry_shapes(table), one.keys
        )
    )
    return OwnedSaveable(saveable, tensors, rows, table)
