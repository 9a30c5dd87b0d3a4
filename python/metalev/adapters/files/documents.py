"""From a file's text to documents, each read by itself so that a broken one costs only itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from msgspec import Struct

from metalev.adapters.codec.yamltext import CONTENT, Places, UnreadableDocument, load_yaml

__all__ = ["Document", "Places", "UnreadableDocument", "load_json", "load_yaml", "split"]

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)


class Document(Struct, frozen=True):
    """A document's text and the line of the file where it begins."""

    line: int
    text: str


def split(text: str) -> Iterator[Document]:
    """Cut ``text`` at its ``---`` lines; what holds comments only is left out."""
    begins = [0, *(match.start() for match in _SEPARATOR.finditer(text))]
    line = 1
    for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
        part = text[begin:end]
        content = CONTENT.search(part)
        if content:
            yield Document(line, part)
        line += part.count("\n")


def load_json(text: str) -> object:
    """Read one JSON document. Raises :class:`UnreadableDocument`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableDocument(error.lineno, f"cannot be read as JSON: {error.msg}") from None
    except RecursionError:
        raise UnreadableDocument(1, "cannot be read as JSON: too deep") from None
