"""The packs as text, data and a page."""

import json

from legacy_restore.mapping.packs.listing import (
    listing_page,
    listing_text,
    listing_to_json,
)
from legacy_restore.mapping.packs.registry import PACKS
from tests.conftest import ROOT

ALL = list(PACKS.values())


def test_the_page_of_names_is_made_from_the_packs():
    """Made anew by: legacy-restore rules --markdown > docs/names.md."""
    page = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    assert page == listing_page(ALL)


def test_links_of_the_page_lead_to_its_headings():
    page = listing_page(ALL)
    assert page.count("\n## ") == len(ALL)
    assert "(#rnn-12)" in page and "\n## rnn-1.2\n" in page


def test_all_packs_are_listed_and_some_shown_with_their_names():
    lines = listing_text([], ALL).splitlines()
    assert [line.split()[0] for line in lines] == list(PACKS)
    shown = listing_text([PACKS["rnn-1.2"]], ALL)
    assert shown.startswith("rnn-1.2, version 1: ")
    assert "rnn/basic_lstm_cell/kernel" in shown and "rnn-1.0" not in shown


def test_data_are_ready_for_json():
    data = json.loads(json.dumps(listing_to_json(ALL)))
    assert [one["name"] for one in data["packs"]] == list(PACKS)
    assert set(data["packs"][0]["changes"][0]) == {"what", "old", "new"}
