"""Vocabularies that changed: which row of an embedding came from which.

A vocabulary file has one word a line; the number of its line is the word's row. Words
are compared as bytes, whatever their encoding. A line ends with a line feed; a carriage
return before it belongs to the end and not to the word (TensorFlow's own reader,
``tensorflow/core/lib/io/inputbuffer.cc``, drops carriage returns too), so that a file
that went through another system still has the same words. An empty line is the empty
word.
"""

from __future__ import annotations

import codecs
import dataclasses
import os
import re
from typing import Dict, List, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.report.findings import KINDS, Finding

NEW_ROW = -1
"""Stands in a row map for a row that no stored one becomes."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAX_TOLD = 3


@dataclasses.dataclass(frozen=True)
class VocabularyRemap:
    """Reorders the rows of an embedding from an old vocabulary to a new one.

    Stands among ``rules``. Rows of words that both vocabularies have come from the
    checkpoint; those of new words, and rows behind the new vocabulary (for words out of
    it), from the initialiser. Slots and averages of the variable are reordered with it.

    Example: ``VocabularyRemap("embedding", "old/words.txt", "new/words.txt")``.

    Answers to ``tf.train.VocabInfo`` of ``tf.train.warm_start``
    (``tensorflow/python/training/warm_starting_util.py``), which leaves slots out.

    Attributes:
      pattern: A regular expression that matches the whole name of the variable without
        the scope, like a waiver's; several may match. The variable's axis 0 goes by the
        vocabulary.
      old_file: The vocabulary that the checkpoint was trained with, a line a row.
      new_file: The vocabulary of the model, likewise.
      old_oov: Number of rows that the stored tensor has behind its vocabulary, for
        words out of it. They are left.
    """

    pattern: str
    old_file: LocationLike
    new_file: LocationLike
    old_oov: int = 0

    def __post_init__(self) -> None:
        """Checks the arguments; the files are read when a plan is made.

        Raises:
          UsageError: One of them cannot be meant.
        """
        try:
            re.compile(self.pattern).fullmatch("")
        except (re.error, TypeError) as error:
            raise errors.UsageError(f"{self}: {error}") from error
        for path in (self.old_file, self.new_file):
            if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
                raise errors.UsageError(f"{self}: {path!r} is no path")
        if (
            isinstance(self.old_oov, bool)
            or not isinstance(self.old_oov, int)
            or self.old_oov < 0
        ):
            raise errors.UsageError(f"{self}: old_oov is a number of rows")


@dataclasses.dataclass(frozen=True)
class RowMap:
    """What a remap makes of rows.

    Attributes:
      pattern: The pattern of the variables.
      old_file: The path of the old vocabulary.
      new_file: The path of the new one.
      old_words: Number of words of the old vocabulary.
      old_oov: Number of rows that follow them in the checkpoint.
      sources: For each word of the new vocabulary its row in the checkpoint, or
        ``NEW_ROW``.
    """

    pattern: str
    old_file: str
    new_file: str
    old_words: int
    old_oov: int
    sources: Tuple[int, ...]

    @property
    def old_rows(self) -> int:
        """Number of rows that the stored tensor has."""
        return self.old_words + self.old_oov

    @property
    def new_words(self) -> int:
        """Number of words of the new vocabulary."""
        return len(self.sources)

    @property
    def kept(self) -> int:
        """Number of words that both have."""
        return sum(source != NEW_ROW for source in self.sources)


def read_row_maps(model: str, remaps: Sequence[VocabularyRemap]) -> ReadMaps:
    """Reads the vocabularies of a model's remaps.

    Args:
      model: The model's name, for the findings.
      remaps: The remaps.

    """
    vocabularies: Dict[str, _Vocabulary] = {}
    maps = []
    findings: List[Finding] = []
    for remap in remaps:
        for path in (os.fspath(remap.old_file), os.fspath(remap.new_file)):
            if path not in vocabularies:
                vocabularies[path] = _read(model, path)
                findings += vocabularies[path].findings
        old = vocabularies[os.fspath(remap.old_file)]
        new = vocabularies[os.fspath(remap.new_file)]
        if old.findings or new.findings:
            continue
        found = _compared(model, old, new)
        findings += found
        if not found:
            maps.append(_row_map(remap, old, new))
    return ReadMaps(tuple(maps), tuple(findings))


@dataclasses.dataclass(frozen=True)
class ReadMaps:
    """The row maps of a model.

    Attributes:
      maps: Those that can be used.
      findings: What is wrong with the files of the others.
    """

    maps: Tuple[RowMap, ...]
    findings: Tuple[Finding, ...]


@dataclasses.dataclass(frozen=True)
class _Vocabulary:
    """A vocabulary file: its words, or what is wrong with it."""

    path: str
    words: Tuple[bytes, ...] = ()
    findings: Tuple[Finding, ...] = ()
    has_mark: bool = False


def _read(model: str, path: str) -> _Vocabulary:
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError("it is no regular file")  # A pipe would never end.
        with open(path, "rb") as file:
            data = file.read()
    except (OSError, ValueError) as error:  # No path has a zero byte.
        reason = getattr(error, "strerror", None) or str(error)
        finding = Finding(
            KINDS["vocabulary-missing"],
            path,
            f"VocabularyRemap reads it: {reason}",
            model=model,
        )
        return _Vocabulary(path, findings=(finding,))
    if data.startswith(_UTF16):
        text = "it is UTF-16: its lines are no bytes of words"
        return _Vocabulary(path, findings=(_mismatch(model, path, text),))
    lines = data.split(b"\n")
    if not lines[-1]:  # The last line feed ends a line and begins none.
        lines.pop()
    words = tuple(line[:-1] if line.endswith(b"\r") else line for line in lines)
    if not words:
        return _Vocabulary(path, findings=(_mismatch(model, path, "it is empty"),))
    findings = tuple(_mismatch(model, path, text) for text in _repeated(words))
    return _Vocabulary(path, words, findings, data.startswith(codecs.BOM_UTF8))


def _repeated(words: Sequence[bytes]) -> List[str]:
    """Says which words stand in several lines: of which row is such a word?"""
    lines: Dict[bytes, int] = {}
    repeated: Dict[bytes, List[int]] = {}
    for number, word in enumerate(words, 1):
        first = lines.setdefault(word, number)
        if first != number:
            repeated.setdefault(word, [first]).append(number)
    texts = [
        f"{_shown(word)} stands in lines {', '.join(map(str, found[:4]))}"
        + (" and more" if len(found) > 4 else "")
        for word, found in list(repeated.items())[:_MAX_TOLD]
    ]
    rest = len(repeated) - len(texts)
    return [*texts, f"so do {rest} more words in theirs"] if rest > 0 else texts


def _compared(model: str, old: _Vocabulary, new: _Vocabulary) -> List[Finding]:
    """Findings for two files whose words cannot be compared as bytes."""
    if old.has_mark != new.has_mark:
        marked = old if old.has_mark else new
        text = "it begins with a byte order mark, which the other vocabulary has not"
        return [_mismatch(model, marked.path, text)]
    if _is_utf8(old.words) != _is_utf8(new.words):
        other, utf8 = (new, old) if _is_utf8(old.words) else (old, new)
        text = f"it is not UTF-8, as {utf8.path} is: words are compared as bytes"
        return [_mismatch(model, other.path, text)]
    if not set(old.words) & set(new.words):
        text = f"it has no word in common with {old.path}"
        return [_mismatch(model, new.path, text)]
    return []


def _is_utf8(words: Sequence[bytes]) -> bool:
    try:
        b"\n".join(words).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _row_map(remap: VocabularyRemap, old: _Vocabulary, new: _Vocabulary) -> RowMap:
    rows = {word: row for row, word in enumerate(old.words)}
    return RowMap(
        pattern=remap.pattern,
        old_file=old.path,
        new_file=new.path,
        old_words=len(old.words),
        old_oov=remap.old_oov,
        sources=tuple(rows.get(word, NEW_ROW) for word in new.words),
    )


def _mismatch(model: str, path: str, text: str) -> Finding:
    return Finding(KINDS["vocabulary-mismatch"], path, text, model=model)


def _shown(word: bytes) -> str:
    return repr(word)[1:] if len(word) <= 40 else repr(word[:37])[1:] + "..."
