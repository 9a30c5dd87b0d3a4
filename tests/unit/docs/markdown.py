"""The documents, taken apart: blocks, inline code, tables, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
FOR_USERS = [ROOT / "README.md", *DOCS]
DOCUMENTS = [*FOR_USERS, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def shown(path: Path) -> str:
    """The document's name, for the name of a test."""
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str = "") -> list[str]:
    """The fenced blocks of a language, or of any."""
    return [text for name, text in _FENCE.findall(path.read_text()) if language in {"", name}]


def prose(path: Path) -> str:
    """All but the fenced blocks."""
    return _FENCE.sub("", path.read_text())


def code_spans(text: str) -> list[str]:
    """What stands between single backticks."""
    return _CODE.findall(text)


def tables(path: Path, *header: str) -> Iterator[list[str]]:
    """The rows of every table whose first columns have these headings."""
    inside = False
    for line in prose(path).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[: len(header)] == list(header):
            inside = True
        elif inside and not line.startswith("|-"):
            yield cells


def links(path: Path) -> list[str]:
    """The targets of links into this repository."""
    return [target for target in _LINK.findall(prose(path)) if "://" not in target]


def anchors(path: Path) -> set[str]:
    """The names by which the headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
