"""What a meta graph says about itself: the first field, and all that is often asked.

Out of ``tensorflow/core/protobuf/meta_graph.proto``::

    MetaGraphDef  1 meta_info_def
    MetaInfoDef   4 tags  5 tensorflow_version  6 tensorflow_git_version

It is apart from the rest so that listing a checkpoint, which tells who wrote it, loads
no decoder of graphs.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.messages import Message, Source

# Such as 1.8.0, 1.2.0-rc2, 0.12.head.
_VERSION = re.compile(r"\d{1,9}\.[\w.+-]{1,99}")


def read_writer(path: str) -> Optional[str]:
    """Returns the version of the TensorFlow that wrote a ``.meta`` file.

    Only the begin of the file is read. It is a courtesy: None where there is no such
    file, where it cannot be read, or where it is older than the field (before 0.12).
    """
    try:
        file = PositionedFile(path)
    except (OSError, FormatError):
        return None
    try:
        for part in Source(file).root().fields():
            if part.number == 1:
                version = str(read_meta_info(part.message()).get("tensorflow_version"))
                return version if _VERSION.fullmatch(version) else None
            break
    except FormatError:
        pass
    finally:
        file.close()
    return None


def read_meta_info(message: Message) -> Dict[str, Any]:
    """Decodes a ``MetaInfoDef`` into fields of ``MetaGraph``.

    Raises:
      FormatError: It is none.
    """
    tags: List[str] = []
    found: Dict[str, Any] = {}
    for part in message.fields():
        if part.number == 4:
            part.message().count()
            tags.append(part.text())
        elif part.number == 5:
            found["tensorflow_version"] = part.text()
        elif part.number == 6:
            found["tensorflow_git_version"] = part.text()
    return {"tags": tuple(tags), **found}
