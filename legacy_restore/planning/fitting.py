"""Ways to restore models in less memory: only those that would be enough.

Casting is none: what is cast is there twice while it is restored, once to be fed.
"""

from __future__ import annotations

from typing import List

from legacy_restore.planning.estimate import Estimate
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import human_bytes


def limit_findings(estimate: Estimate, limit: int, *, apart: bool) -> List[Finding]:
    """Returns the finding that a restore does not fit, or none.

    Args:
      estimate: What it takes.
      limit: The bytes that it may take.
      apart: Whether the models can be restored one after the other.
    """
    if estimate.peak <= limit:
        return []
    ways = ways_within(estimate, limit, apart=apart)
    return [
        Finding(
            KINDS["memory-limit"],
            "restore",
            _models(len(estimate.rows)),
            expected=f"at most {human_bytes(limit)}",
            found=human_bytes(estimate.peak),
            hint="   or   ".join(ways) or _nothing_fits(estimate),
        )
    ]


def _models(count: int) -> str:
    return "one model" if count == 1 else f"{count} models at once"


def ways_within(estimate: Estimate, limit: int, *, apart: bool) -> List[str]:
    """Returns what to do so that models take no more than a limit.

    Args:
      estimate: What they take all at once.
      limit: The bytes that they may take.
      apart: Whether the models can be restored one after the other.
    """
    found = []
    if apart and len(estimate.rows) > 1 and estimate.peak_each <= limit:
        found.append(
            "lr.restore_each(models), or lr.map_each(function, models) in processes "
            f"of their own: {human_bytes(estimate.peak_each)}"
        )
    lean = estimate.peak - estimate.state_in_graph
    if estimate.state_in_graph and lean <= limit:
        found.append(
            f"build without the optimizer, whose state takes "
            f"{human_bytes(estimate.state_in_graph)}: {human_bytes(lean)}"
        )
    return found


def _nothing_fits(estimate: Estimate) -> str:
    largest = max(estimate.rows, key=lambda row: row.peak)
    return (
        f"model {largest.name!r} alone takes {human_bytes(largest.peak)}: a limit that "
        "admits it, or fewer models at once"
    )
