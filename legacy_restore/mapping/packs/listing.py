"""The rule packs as text, as data, and as the page that documents them."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from legacy_restore.mapping.packs.pack import RulePack
from legacy_restore.report.table import align

_PAGE = """\
# Names across time

What TensorFlow and its layer libraries called variables changed several times, and so
did the habits of their users. This is the table of what the rule packs know; it is made
from them by `legacy-restore rules --markdown`.

A plan tries the packs where the names of a checkpoint do not explain a model. One is
applied where it alone explains all of the model, which is said in the plan, or where it
is named, as those have to be that names alone cannot vouch for: `rules=["rnn-1.2"]`,
`--rules=NAME:rnn-1.2`. Several are applied one after the other, behind `Rename` rules.
What a pack makes of a key it makes of its slots and averages too.

`legacy-restore rules` lists the packs, `legacy-restore rules PACK` their names; with
`--json` it is `{"ok": true, "packs": [{"name", "version", "title", "caution", "source",
"changes": [{"what", "old", "new"}]}]}`.

| pack | version | |
|---|---|---|
"""


def listing_text(chosen: Sequence[RulePack], packs: Sequence[RulePack]) -> str:
    """Returns a line for each pack; of those that were chosen, the names.

    Args:
      chosen: The packs to show with their names; none: all are listed.
      packs: All packs.
    """
    if not chosen:
        return "\n".join(align([(pack.name, pack.title) for pack in packs], indent=""))
    return "\n\n".join(_text_of(pack) for pack in chosen)


def _text_of(pack: RulePack) -> str:
    rows = [["", "in the checkpoint", "becomes"]]
    rows += [[change.what, change.old, change.new] for change in pack.changes]
    title = f"{pack.name}, version {pack.version}: {pack.title}"
    caution = [f"  {pack.caution}"] if pack.caution else []
    return "\n".join([title, *caution, f"  {pack.source}", *align(rows)])


def listing_to_json(packs: Sequence[RulePack]) -> Dict[str, Any]:
    """Returns packs as JSON-ready data."""
    return {
        "ok": True,
        "packs": [
            {
                "name": pack.name,
                "version": pack.version,
                "title": pack.title,
                "caution": pack.caution or None,
                "source": pack.source,
                "changes": [
                    {"what": change.what, "old": change.old, "new": change.new}
                    for change in pack.changes
                ],
            }
            for pack in packs
        ],
    }


def listing_page(packs: Sequence[RulePack]) -> str:
    """Returns the page that documents the packs, as Markdown."""
    lines: List[str] = []
    for pack in packs:
        lines.append(
            f"| [`{pack.name}`](#{_anchor(pack.name)}) | {pack.version} | "
            f"{pack.title} |"
        )
    for pack in packs:
        lines += [
            "",
            f"## {pack.name}",
            "",
            f"{pack.title}. {_caution(pack)}Source: {pack.source}.",
            "",
        ]
        lines += ["| what | in the checkpoint | becomes |", "|---|---|---|"]
        lines += [
            f"| {change.what} | `{change.old}` | `{change.new}` |"
            for change in pack.changes
        ]
    return _PAGE + "\n".join(lines) + "\n"


def _caution(pack: RulePack) -> str:
    if not pack.caution:
        return ""
    if pack.caution_for:
        return f"Applied to some of these only if it is named: {pack.caution}. "
    return f"Never applied unless it is named: {pack.caution}. "


def _anchor(name: str) -> str:
    """How a link to a heading is written on the pages that people read."""
    return "".join(one for one in name.lower() if one.isalnum() or one in "-_")
