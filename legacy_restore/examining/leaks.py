"""Absolute paths, addresses and user names that stand in a saved graph.

Constants, assets, collections, devices and debug information keep them from the machine
on which a graph was made, and whoever hands the file out hands them out too. Messages
are walked through to their last texts; what the decoder of graphs keeps of them is too
little. Numbers in tensors are stepped over.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.messages import MAX_TEXT, Message

_URL = r"(?<![\w.+-])[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>]+"
# At least two names: one alone may be a command, a pattern, or a part of a text.
_POSIX = r"(?<![\w.\-/:~\\)\]}])/(?:[\w.@+~%=,-]+/)+[\w.@+~%=,-]*"
_WINDOWS = r"(?<![\w])[A-Za-z]:\\(?:[^\\/:*?\"<>|\r\n]+\\)*[^\\/:*?\"<>|\r\n]*"
_PLACE = re.compile(f"(?P<url>{_URL})|(?P<posix>{_POSIX})|(?P<windows>{_WINDOWS})")
_USER = re.compile(
    r"(?:^|/)(?:home|Users|usr/local/google/home|export/home)/(?P<posix>[^/]+)/"
    r"|^[A-Za-z]:\\(?:Users|Documents and Settings)\\(?P<windows>[^\\]+)\\"
)
# Accounts that name nobody.
_NOBODY = frozenset(["shared", "Shared", "Public", "Default"])

# Messages in saved graphs are about as deep as that, signatures of functions included.
_MAX_DEPTH = 16
_MAX_PLACES = 5


@dataclasses.dataclass(frozen=True)
class Leak:
    """A path or an address in a file.

    Attributes:
      text: The path or address.
      count: How often it is there.
      places: Where, the first of them.
    """

    text: str
    count: int
    places: Tuple[str, ...]

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/audit-json.md`` describes it."""
        return {**dataclasses.asdict(self), "places": list(self.places)}


class _Text(NamedTuple):
    text: str
    place: str


def leaks_of_meta_graph(message: Message) -> Tuple[Leak, ...]:
    """Returns the paths in a ``MetaGraphDef``, sorted.

    Raises:
      FormatError: It is none.
    """
    return _collected(_texts_of_meta_graph(message))


def leaks_of_graph(message: Message) -> Tuple[Leak, ...]:
    """Returns the paths in a ``GraphDef``, sorted.

    Raises:
      FormatError: It is none.
    """
    return _collected(_texts_of_graph(message))


def leaks_of_message(message: Message, place: str) -> Tuple[Leak, ...]:
    """Returns the paths in a message of any kind, sorted."""
    return _collected(_texts(message, place))


def users_among(leaks: Sequence[Leak]) -> Tuple[str, ...]:
    """Returns the user names that paths tell, sorted."""
    found = set()
    for leak in leaks:
        for match in _USER.finditer(leak.text):
            found.add(match["posix"] or match["windows"])
    return tuple(sorted(found - _NOBODY))


def _collected(texts: Iterator[_Text]) -> Tuple[Leak, ...]:
    places: Dict[str, List[str]] = {}
    counts: Dict[str, int] = {}
    for one in texts:
        for match in _PLACE.finditer(one.text):
            path = match.group().rstrip(".,;:)")
            counts[path] = counts.get(path, 0) + 1
            known = places.setdefault(path, [])
            if len(known) < _MAX_PLACES and one.place not in known:
                known.append(one.place)
    return tuple(
        Leak(path, counts[path], tuple(places[path])) for path in sorted(places)
    )


def _texts_of_meta_graph(message: Message) -> Iterator[_Text]:
    for part in message.fields():
        if isinstance(part.value, int):
            continue
        if part.number == 2:
            yield from _texts_of_graph(part.value)
        elif part.number in (4, 5):
            entry = part.value.entry()
            what = "collection" if part.number == 4 else "signature"
            yield from _texts(entry.value, f"{what} {entry.key}")
        else:
            names = {1: "meta information", 3: "Saver", 6: "assets", 7: "object graph"}
            yield from _texts(part.value, names.get(part.number, "meta graph"))


def _texts_of_graph(message: Message) -> Iterator[_Text]:
    for part in message.fields():
        if isinstance(part.value, int):
            continue
        if part.number == 1:
            yield from _texts_of_node(part.value, "")
        elif part.number == 2:
            for function in part.value.fields():
                if function.number == 1:
                    yield from _texts_of_function(function.message())
        elif part.number != 4:  # Versions.
            yield from _texts(part.value, "debug information")


def _texts_of_function(message: Message) -> Iterator[_Text]:
    name = ""
    for part in message.fields():
        if isinstance(part.value, int):
            continue
        if part.number == 1:
            for field in part.value.fields():
                if field.number == 1:
                    name = field.text()
        elif part.number == 3:
            yield from _texts_of_node(part.value, f" in function {name}")
        else:
            yield from _texts(part.value, f"function {name}")


def _texts_of_node(message: Message, inside: str) -> Iterator[_Text]:
    name = ""
    for part in message.fields():
        if isinstance(part.value, int):
            continue
        if part.number == 1:
            name = part.text()
        elif part.number == 4:
            yield _Text(part.value.shared_text(), f"device of {name}{inside}")
        elif part.number == 5:
            entry = part.value.entry()
            place = f"{name}{inside}, attribute {entry.key}"
            yield from _texts_of_attribute(entry.value, place)
        elif part.number == 6:
            yield from _texts(part.value, f"debug information of {name}{inside}")


def _texts_of_attribute(message: Message, place: str) -> Iterator[_Text]:
    """Texts of an ``AttrValue`` or its list: 2 s, 8 tensor (8 string_val), 1 list."""
    for part in message.fields():
        if isinstance(part.value, int):
            continue
        if part.number == 1:
            yield from _texts_of_attribute(part.value, place)
        elif part.number == 2:
            yield from _texts(part.value, place)
        elif part.number == 8:
            for field in part.value.fields():
                if field.number == 8 and not isinstance(field.value, int):
                    yield from _texts(field.value, place)


def _texts(message: Message, place: str, depth: int = 0) -> Iterator[_Text]:
    """Texts of a field of which only the bytes are known: a text, or a message."""
    if message.size <= MAX_TEXT:
        data = message.data()
        if b"/" not in data and b"\\" not in data:
            return
        text = data.decode("utf-8", "surrogateescape")
        if all(one.isprintable() or one in "\r\n\t" for one in text):
            yield _Text(text, place)
            return
    if depth == _MAX_DEPTH:
        return
    found: List[_Text] = []
    try:
        for part in message.fields():
            if not isinstance(part.value, int):
                found += _texts(part.value, place, depth + 1)
    except FormatError:
        return  # Neither text nor message: numbers, or what somebody has pickled.
    yield from found
