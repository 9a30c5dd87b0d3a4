"""YAML as Kubernetes reads it, and where in the text a field stands."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import cached_property
from typing import Any

import yaml
from yaml.constructor import ConstructorError

# A line that is more than a comment, a directive or a separator.
CONTENT = re.compile(r"^(?![ \t\r]*(?:#|%|---[ \t\r]*(?:#|$)|\.\.\.[ \t\r]*$|$))", re.MULTILINE)
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class UnreadableDocument(Exception):
    """The text is no YAML or JSON; ``line`` counts from 1 at the document's beginning."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: no dates, no base-60 numbers, no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key in seen and key != "<<":
                raise ConstructorError(
                    None, None, f'the key "{key}" stands twice: is a line "---" missing above?', key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _without_dates() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """The resolvers of YAML 1.1, less those by which `2024-01-01` is a date and `10:20` the number 620."""
    integer = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")
    kept: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items():
        kept[first] = [
            (tag, integer if tag.endswith(":int") else pattern)
            for tag, pattern in resolvers
            if not tag.endswith(":timestamp")
        ]
    return kept


_Loader.yaml_implicit_resolvers = _without_dates()


def load_yaml(text: str) -> object:
    """Read one YAML document. Raises :class:`UnreadableDocument`."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader, with fewer types)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise UnreadableDocument(mark.line + 1 if mark else 1, f"cannot be read as YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableDocument(1, f"cannot be read as YAML: {error}") from None


class Places:
    """Where the fields of one document stand. The text is parsed for it once, and only if somebody asks."""

    def __init__(self, text: str) -> None:
        self._text = text

    def first_line(self) -> int:
        """The line, from 1, of the first content."""
        content = CONTENT.search(self._text)
        return self._text.count("\n", 0, content.start()) + 1 if content else 1

    def line_of(self, path: str, inside: int = 0) -> int:
        """The line, from 1, where the field ``path`` (as in ``spec.ports[0].port``) stands, or what should hold it.

        With ``inside`` it is that line, from 1, of the text in the field, if it stands there line by line (after "|").
        """
        line, node = self.first_line(), self._root
        for name, index in _STEP.findall(path):
            mark, node = _child(node, name, index)
            if mark is None:
                break
            line = mark.line + 1
        if inside and isinstance(node, yaml.ScalarNode) and node.style == "|":
            return int(node.start_mark.line) + 1 + inside
        return line

    @cached_property
    def _root(self) -> yaml.Node | None:
        try:
            return yaml.compose(self._text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            return None


def _child(node: yaml.Node | None, name: str, index: str) -> tuple[yaml.Mark | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode) and name:
        for key, value in node.value:
            if key.value == name:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and index and int(index) < len(node.value):
        item = node.value[int(index)]
        return item.start_mark, item
    return None, None
