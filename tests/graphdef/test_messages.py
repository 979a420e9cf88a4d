"""Messages in files: the same fields as in memory, and only what is asked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError, read_fields
from legacy_restore.graphdef import messages
from legacy_restore.graphdef.messages import MAX_TEXT, Message, Source
from tests.checkpoint.builders import fixed32, memory_below, message, number, varint
from tests.graphdef.builders import write


class InMemory:
    """Stands for a file; counts what is read of it."""

    def __init__(self, data):
        self.data = data
        self.size = len(data)
        self.num_read = 0

    def read(self, offset, size):
        assert 0 <= offset <= offset + size <= self.size
        self.num_read += size
        return self.data[offset : offset + size]


def root(data):
    return Source(InMemory(data)).root()


def fields_of(data):
    """All fields, or the message of the error behind them."""
    found = []
    try:
        for part in root(data).fields():
            value = part.value
            found.append((part.number, value.data() if _is_range(value) else value))
    except FormatError as error:
        found.append(str(error))
    return found


def _is_range(value):
    return isinstance(value, Message)


def wanted_of(data):
    found = []
    try:
        for field in read_fields(data):
            found.append((field.number, field.value))
    except FormatError as error:
        found.append(str(error))
    return found


NUMBERS = st.integers(1, 600)
FIELDS = st.one_of(
    st.builds(number, NUMBERS, st.integers(-(1 << 63), (1 << 64) - 1)),
    st.builds(message, NUMBERS, st.binary(max_size=300)),
    st.builds(fixed32, NUMBERS, st.integers(0, (1 << 32) - 1)),
)


@given(st.one_of(st.lists(FIELDS, max_size=8).map(b"".join), st.binary(max_size=60)))
@settings(deadline=None)
def test_fields_are_those_that_are_read_in_memory(data):
    assert fields_of(data) == wanted_of(data)


@given(st.lists(FIELDS, max_size=20).map(b"".join), st.integers(20, 64))
@settings(deadline=None)
def test_the_size_of_the_window_changes_nothing(data, window):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "_WINDOW", window)
        assert fields_of(data) == wanted_of(data)


@given(st.lists(FIELDS, max_size=6).map(b"".join), st.integers(20, 64))
@settings(deadline=None)
def test_nested_messages_may_be_read_in_any_order(data, window):
    outer = message(1, data) + number(2, 7) + message(3, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "_WINDOW", window)
        parts = list(root(outer).fields())
        for part in reversed(parts):
            if part.number != 2:
                inner = [one.number for one in part.message().fields()]
                assert inner == [one.number for one in read_fields(data)]


def test_what_is_not_looked_into_is_not_read():
    data = b"".join(
        message(1, message(2, bytes(4 << 20)) + number(3, i)) for i in range(8)
    )
    file = InMemory(data)
    found = [
        field.integer()
        for part in Source(file).root().fields()
        for field in part.message().fields()
        if field.number == 3
    ]
    assert found == list(range(8))
    assert file.num_read < len(data) / 4


def test_a_sparse_file_of_gigabytes_takes_one_window(tmp_path):
    path = tmp_path / "large.pb"
    size = 8 << 30
    with open(str(path), "wb") as file:
        file.write(varint(1 << 3 | 2) + varint(size))
        head = file.tell()
        file.truncate(head + size)
        file.seek(head + size)
        file.write(number(2, 7))
    opened = PositionedFile(str(path))
    with memory_below(4 << 20):
        found = [part.number for part in Source(opened).root().fields()]
        with pytest.raises(FormatError, match="a text of"):
            next(iter(Source(opened).root().fields())).message().data()
    opened.close()
    assert found == [1, 2]


def test_numbers_and_ranges_are_not_taken_for_each_other():
    one, two = root(number(1, 5) + message(2, b"a")).fields()
    with pytest.raises(FormatError):
        one.message()
    with pytest.raises(FormatError):
        two.integer()
    assert two.text() == "a"


def test_repeated_numbers_come_packed_or_one_by_one():
    packed = message(1, varint(3) + varint(-1))
    single = number(1, 3) + number(1, -1)
    for data in (packed, single):
        found = [n for part in root(data).fields() for n in part.integers()]
        assert found == [3, -1]


def test_text_that_is_no_utf_8_stays_apart():
    (part,) = root(message(1, b"\xff\xfe")).fields()
    assert part.text().encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_long_texts_and_many_objects_are_refused(tmp_path, monkeypatch):
    (part,) = root(message(1, bytes(MAX_TEXT + 1))).fields()
    with pytest.raises(FormatError):
        part.text()
    with pytest.raises(FormatError):
        part.message().shared_text()
    monkeypatch.setattr(messages, "MAX_OBJECTS", 3)
    counted = root(b"")
    for _ in range(3):
        counted.count()
    with pytest.raises(FormatError, match="more than 3"):
        counted.count()


def test_a_file_that_shrinks_is_an_error(tmp_path):
    path = write(tmp_path / "a.pb", message(1, bytes(2 << 20)) * 2)
    file = PositionedFile(path)
    parts = Source(file).root().fields()
    next(parts)
    with open(path, "r+b") as other:
        other.truncate(1 << 20)
    with pytest.raises(FormatError):
        next(parts)
    file.close()
