"""What lies where a checkpoint's file should be, told from its first bytes.

Repositories hand out Git LFS pointers instead of files, servers answer with a page or
an error, downloads stop, disks fill up, and files of other libraries are called
``model.ckpt``. To say so helps more than to say that a magic number is wrong.

It is asked for only where a file has contradicted its format already: the contents of
a data file may be anything, zeros too, and begin as anything.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import Optional, Tuple

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.report.table import printable

_HEAD_BYTES = 4096
_EXCERPT_CHARACTERS = 60
_TAR_MAGIC_AT = 257

_AGAIN = "download or copy the file again"
_ITSELF = "download the file itself: the link leads to a page about it"
_OWN_FILES = "name the checkpoint's own files: .index and .data"

_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_OID = re.compile(rb"^oid (\w+:[0-9a-f]{8,128})\s*$", re.MULTILINE)
_LFS_SIZE = re.compile(rb"^size (\d{1,19})\s*$", re.MULTILINE)
_HTML = re.compile(rb"<(!doctype html|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>([^<]*)", re.IGNORECASE)
_STATE_FILE = re.compile(rb"(all_)?model_checkpoint_path(s)?\s*:")
_XML = re.compile(rb"<\?xml|<[A-Za-z]\w*>")
_JSON = re.compile(rb"[\[{]\s*([\"\[{]|[\]}]\s*$)")
_SAFETENSORS = re.compile(rb".{5}\0\0\0\{\s*\"", re.DOTALL)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TORCH_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
_MARK = b"\xef\xbb\xbf"
_REPLACED = b"\xef\xbf\xbd"
_MIN_REPLACED = 8

# First bytes, what such a file is, and what to do; {} is its path.
_SIGNATURES: Tuple[Tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b\x08", "a gzip archive", "unpack it: tar -xzf {} or gunzip {}"),
    (b"BZh", "a bzip2 archive", "unpack it: tar -xjf {} or bunzip2 {}"),
    (b"\xfd7zXZ\0", "an xz archive", "unpack it: tar -xJf {} or unxz {}"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it: unzstd {}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it: 7z x {}"),
    (b"Rar!\x1a\x07", "a rar archive", "unpack it: unrar x {}"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes", _OWN_FILES),
    (b"\x93NUMPY", "an array that NumPy saved (.npy)", _OWN_FILES),
    (_TORCH_LEGACY, "a file that PyTorch saved", _OWN_FILES),
    (b"\0\5\x16\7", "metadata of macOS (AppleDouble)", "name the file without ._"),
)


@dataclasses.dataclass(frozen=True)
class Lookalike:
    """What a file is instead of a part of a checkpoint.

    Attributes:
      what: It in words, such as ``an HTML page``.
      hint: What to do next.
      detail: More about this one file, such as a title, or empty.
      is_certain: Whether no data file begins so, whatever its tensors are.
    """

    what: str
    hint: str
    detail: str = ""
    is_certain: bool = False

    def __str__(self) -> str:
        return f"{self.what} ({self.detail})" if self.detail else self.what


def recognize(file: PositionedFile) -> Optional[Lookalike]:
    """Returns what a file is that is no part of a checkpoint; None if not known.

    Raises:
      FormatError: It cannot be read.
    """
    if file.size == 0:
        return Lookalike("empty", _AGAIN)
    head = file.read(0, min(file.size, _HEAD_BYTES))
    text = (head[len(_MARK) :] if head.startswith(_MARK) else head).lstrip()
    return (
        _as_text(text)
        or _as_archive(file, head)
        or _as_other_library(file, head)
        or _as_damage(file, head)
    )


def _as_text(text: bytes) -> Optional[Lookalike]:
    if text.startswith(_LFS):
        return _lfs_pointer(text)
    if _HTML.match(text) or (text.startswith(b"<") and _HTML.search(text)):
        title = _TITLE.search(text)
        detail = _excerpt(title.group(1) if title else b"")
        return Lookalike("an HTML page", _ITSELF, detail, is_certain=True)
    if b"\0" in text:
        return None
    if _STATE_FILE.match(text):
        hint = "name its directory; the checkpoint's files are others"
        return Lookalike("a state file, which only names checkpoints", hint)
    if _XML.match(text):
        return Lookalike("an XML document", _AGAIN, _excerpt(text))
    if _JSON.match(text):
        return Lookalike("a JSON document", _AGAIN, _excerpt(text))
    return None


def _lfs_pointer(text: bytes) -> Lookalike:
    oid, size = _LFS_OID.search(text), _LFS_SIZE.search(text)
    told = [
        f"oid {oid.group(1).decode()}" if oid else "",
        f"{int(size.group(1)):,} bytes" if size else "",
    ]
    detail = ", ".join(one for one in told if one)
    what = "a Git LFS pointer, not the file itself"
    return Lookalike(what, "git lfs pull", detail, is_certain=True)


def _excerpt(text: bytes) -> str:
    """The beginning of a text, in one line."""
    words = " ".join(text.decode("utf-8", "replace").split())
    if len(words) > _EXCERPT_CHARACTERS:
        words = words[: _EXCERPT_CHARACTERS - 3] + "..."
    return printable(words)


def _as_archive(file: PositionedFile, head: bytes) -> Optional[Lookalike]:
    path = shlex.quote(file.path)
    for signature, what, hint in _SIGNATURES:
        if head.startswith(signature):
            return Lookalike(what, hint.replace("{}", path))
    if head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        return Lookalike("a tar archive", f"unpack it: tar -xf {path}")
    if not head.startswith((b"PK\3\4", b"PK\5\6")):
        return None
    if b"data.pkl" in head:
        return Lookalike("a file that PyTorch saved", _OWN_FILES)
    if b".npy" in head:
        return Lookalike("arrays that NumPy saved (.npz)", _OWN_FILES)
    if b"metadata.json" in head or b"config.json" in head:
        # Whole ones are read as they are.
        what = "a file of Keras (.keras) that is damaged, or not all there"
        return Lookalike(what, "a whole copy of it")
    return Lookalike("a zip archive", f"unpack it: unzip {path}")


def _as_other_library(file: PositionedFile, head: bytes) -> Optional[Lookalike]:
    if _SAFETENSORS.match(head) and int.from_bytes(head[:8], "little") < file.size:
        return Lookalike("a safetensors file", _OWN_FILES)
    if _PICKLE.match(head) and file.read(file.size - 1, 1) == b".":
        return Lookalike("a Python pickle, which is not opened here", _OWN_FILES)
    return None


def _as_damage(file: PositionedFile, head: bytes) -> Optional[Lookalike]:
    if not head.strip(b"\0") and file.is_zero(0, file.size):
        what = "nothing but zeros: a full disk, a crash or a download that stopped"
        return Lookalike(what, _AGAIN)
    if head.count(_REPLACED) >= _MIN_REPLACED:
        what = "a binary file that was saved as text, which cannot be undone"
        return Lookalike(what, f"{_AGAIN}, in binary mode")
    return None
