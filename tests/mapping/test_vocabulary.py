"""Vocabulary files: words as bytes, a line a row."""

import os

import pytest

from legacy_restore import errors
from legacy_restore.mapping.vocabulary import (
    NEW_ROW,
    VocabularyRemap,
    read_row_maps,
)


@pytest.fixture
def read(tmp_path):
    """Reads two files of these contents; gives the map, or the findings."""

    def read_both(old, new, **more):
        (tmp_path / "old.txt").write_bytes(old)
        (tmp_path / "new.txt").write_bytes(new)
        remap = VocabularyRemap(
            "emb", tmp_path / "old.txt", tmp_path / "new.txt", **more
        )
        found = read_row_maps("m", [remap])
        assert bool(found.maps) is not bool(found.findings)
        return found.findings or found.maps[0]

    return read_both


def messages(findings):
    assert {finding.id for finding in findings} == {"vocabulary-mismatch"}
    return [finding.message for finding in findings]


def test_each_word_has_its_old_row(read):
    found = read(b"a\nb\nc\n", b"c\nx\na\n")
    assert found.sources == (2, NEW_ROW, 0)
    assert (found.old_words, found.new_words, found.kept) == (3, 3, 2)


def test_rows_behind_the_old_vocabulary_count(read):
    found = read(b"a\nb\n", b"b\n", old_oov=3)
    assert (found.old_words, found.old_rows) == (2, 5)


def test_the_last_line_may_lack_its_end(read):
    assert read(b"a\nb", b"b\na\n").sources == (1, 0)


def test_ends_of_lines_of_other_systems_are_no_part_of_words(read):
    assert read(b"a\r\nb\r\n", b"b\na\n").sources == (1, 0)


def test_an_empty_line_is_a_word(read):
    assert read(b"a\n\nb\n", b"\nb\n").sources == (1, 2)
    # One more line feed at the end is one more line.
    assert read(b"a\n\n", b"a\n").old_words == 2


def test_words_are_bytes(read):
    assert read("ä\nb\n".encode("latin-1"), "b\nä\n".encode("latin-1")).sources == (
        1,
        0,
    )
    assert read(b"a \nb\n", b"a\nb\n").sources == (NEW_ROW, 1)
    # A line separator of Unicode, or another control character, ends no line.
    assert read("a\u2028b\nc\x0bd\n".encode(), b"c\x0bd\n").sources == (1,)


def test_a_word_in_two_lines_is_refused_with_the_lines(read):
    assert messages(read(b"a\nb\na\n", b"a\n")) == ["'a' stands in lines 1, 3"]
    assert messages(read(b"a\n", b"b\na\nb\r\nb\nb\nb\n")) == [
        "'b' stands in lines 1, 3, 4, 5 and more"
    ]
    many = b"".join(b"%d\n" % number for number in range(9))
    assert messages(read(many + many, b"1\n"))[-1] == "so do 6 more words in theirs"


def test_encodings_that_cannot_be_compared_are_refused(read):
    utf8, latin = "ä\nb\n".encode(), "ä\nb\n".encode("latin-1")
    [text] = messages(read(utf8, latin))
    assert "not UTF-8" in text
    assert messages(read(latin, utf8))
    [text] = messages(read(b"a\n", "a\n".encode("utf-16")))
    assert "UTF-16" in text
    [text] = messages(read(b"a\nb\n", b"\xef\xbb\xbfa\nb\n"))
    assert "byte order mark" in text
    assert read(b"\xef\xbb\xbfa\nb\n", b"\xef\xbb\xbfa\nb\n").sources == (0, 1)


def test_vocabularies_without_a_common_word_are_refused(read):
    [text] = messages(read(b"a\nb\n", b"c\n"))
    assert text.startswith("it has no word in common with ")


def test_an_empty_file_is_refused(read):
    assert messages(read(b"", b"a\n")) == ["it is empty"]


def test_a_file_that_is_not_there_is_an_input_fault(tmp_path):
    (tmp_path / "old.txt").write_bytes(b"a\n")
    remap = VocabularyRemap("emb", tmp_path / "old.txt", tmp_path / "none.txt")
    found = read_row_maps("m", [remap])
    assert found.maps == ()
    [finding] = found.findings
    assert finding.id == "vocabulary-missing"
    assert finding.is_input_fault
    assert finding.subject == str(tmp_path / "none.txt")
    # One finding a file, however many remaps read it; also of a directory.
    again = VocabularyRemap("other", tmp_path, tmp_path / "none.txt")
    assert len(read_row_maps("m", [remap, remap, again]).findings) == 2
    os.mkfifo(tmp_path / "pipe")  # Nobody writes to it: it would be waited for.
    piped = VocabularyRemap("emb", tmp_path / "old.txt", tmp_path / "pipe")
    [finding] = read_row_maps("m", [piped]).findings
    assert finding.message.endswith("it is no regular file")
    [finding] = read_row_maps("m", [VocabularyRemap("w", "a\0b", "a\0b")]).findings
    assert (finding.id, finding.subject) == ("vocabulary-missing", "a\0b")


@pytest.mark.parametrize(
    "arguments",
    [
        ("(", "a", "b"),
        (None, "a", "b"),
        (b"emb", "a", "b"),
        ("emb", "", "b"),
        ("emb", "a", None),
        ("emb", "a", "b", -1),
        ("emb", "a", "b", True),
        ("emb", "a", "b", 1.0),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments):
    with pytest.raises(errors.UsageError):
        VocabularyRemap(*arguments)
