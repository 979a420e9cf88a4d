"""The examples in docs/*-json.md: JSON with a remark behind each field.

A remark stands behind two spaces. ``{ ... }`` stands for whatever is there; a list
shows some of its elements.
"""

import json
import re

from tests.conftest import ROOT

_VALUE = r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],]+|\[[^\[\]]*\]|\{ \.\.\. \}'
_LINE = re.compile(
    rf'(?P<json>\s*(?:"[\w ]+": )?(?:{_VALUE}|[{{\[]|[}}\]]),?)(?:\s{{2,}}.*)?'
)
ELLIPSIS = "..."


def example(name, number=0):
    """Returns the example of a document, or its first, second, ... one, as data."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    block = re.findall(r"```text\n(.*?)```", text, re.DOTALL)[number]
    lines = []
    for line in block.splitlines():
        match = _LINE.fullmatch(line)
        assert match, f"{name}: {line!r} is no field with a remark"
        lines.append(match["json"].replace("{ ... }", json.dumps(ELLIPSIS)))
    return json.loads("\n".join(lines))


def difference(documented, real, path="$"):
    """Returns where an example and what it describes differ, or None.

    Both have the same fields everywhere; each element of a list that the example shows
    is in the real one.
    """
    if documented == ELLIPSIS:
        return None
    if isinstance(documented, dict) and isinstance(real, dict):
        if set(documented) != set(real):
            return f"{path}: fields {sorted(set(documented) ^ set(real))}"
        for name in documented:
            found = difference(documented[name], real[name], f"{path}.{name}")
            if found:
                return found
        return None
    if isinstance(documented, list) and documented and isinstance(documented[0], dict):
        for number, element in enumerate(documented):
            differences = [difference(element, one, f"{path}[]") for one in real]
            if all(differences):
                return f"{path}[{number}] is not there: {differences[:1]}"
        return None
    same = documented == real and type(documented) is type(real)
    return None if same else f"{path}: {documented!r} is {real!r}"
