"""Plain text tables."""

import pytest

from legacy_restore.report.table import (
    align,
    cut,
    cut_names,
    human_bytes,
    printable,
)


def test_columns_are_aligned_and_lines_end_without_blanks():
    rows = [("a", "bb", ""), ("aaa", "b", "c")]
    assert align(rows) == ["  a    bb", "  aaa  b   c"]


def test_no_rows_are_no_lines():
    assert align([]) == []


def test_what_fits_is_not_cut():
    assert cut(["a", "b"], 2) == ["a", "b"]


@pytest.mark.parametrize(
    "room, lines",
    [(2, ["a", "  ... and 3 more"]), (1, ["  ... and 4 more"])],
)
def test_what_is_cut_is_counted(room, lines):
    assert cut(["a", "b", "c", "d"], room) == lines


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 30, "3.0 GiB"),
        (2 << 40, "2.0 TiB"),
        (5000 << 40, "5000.0 TiB"),
    ],
)
def test_bytes_are_read_by_people(count, text):
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain text äß", "plain text äß"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\tb\r", "a\\tb\\r"),
        ("", ""),
    ],
)
def test_what_would_end_the_line_or_move_the_cursor_is_escaped(text, shown):
    assert printable(text) == shown
    assert align([(text, "x")]) == [f"  {shown}  x"]


def test_cells_are_cut_to_a_length():
    [line] = align([("x" * 5000, "y")])
    assert len(line) < 300
    assert "..." in line
    assert line.endswith("y")


def test_names_in_one_line_are_counted():
    assert cut_names(["a", "b"]) == "a, b"
    assert cut_names(list("abcd")) == "a, b, c, d"
    assert cut_names(list("abcdef")) == "a, b, c, d and 2 more"
    assert cut_names([]) == ""
