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
# Parts that a document may have after its aliases are followed; written out they would be some megabytes.
MAX_PARTS = 1_000_000
MAX_DEPTH = 500
# What nests before the text of a line; YAML 1.1 knows five ends of a line.
_INDENT = re.compile(r"(?:\A|(?<=[\r\n\x85\u2028\u2029]))[\ufeff \t?:-]+")
_STEP = re.compile(r'\["([^"]*)"\]|([^.\[\]]+)|\[(\d+)\]')


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
        _check_depth(text)
        content = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader, with fewer types)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise UnreadableDocument(mark.line + 1 if mark else 1, f"cannot be read as YAML: {problem}") from None
    except RecursionError:
        raise UnreadableDocument(1, "cannot be read as YAML: too deep") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # A tag that does not go with its value (`!!bool maybe`): PyYAML trusts whoever writes tags.
        raise UnreadableDocument(1, f"cannot be read as YAML: a value does not suit its tag ({error})") from None
    if "*" in text:
        _check_size(content)
    return content


def _check_depth(text: str) -> None:
    """Refuse what is so deep that libyaml, which recurses in C, would overflow the stack and kill the program.

    Most texts show at a glance that they are not: a level costs a bracket, or in block style a column before the text.
    """
    columns = max((len(found[0]) for found in _INDENT.finditer(text)), default=0)
    if text.count("[") + text.count("{") + columns < MAX_DEPTH:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise UnreadableDocument(1, "cannot be read as YAML: too deep")


def _check_size(content: object) -> None:
    """Refuse a document in which aliases repeat parts of it for ever, or too often to be walked."""
    sizes: dict[int, int | None] = {}  # by identity; None while a part is being measured

    def size(part: object) -> int:
        if not isinstance(part, (dict, list, set, tuple)):
            return 1
        if id(part) not in sizes:
            sizes[id(part)] = None
            items = [*part.keys(), *part.values()] if isinstance(part, dict) else part
            sizes[id(part)] = 1 + sum(map(size, items))
        known = sizes[id(part)]
        if known is None:
            raise UnreadableDocument(1, "cannot be read as YAML: an alias (*) leads back to where it stands")
        return known

    try:
        total = size(content)
    except RecursionError:
        raise UnreadableDocument(1, "cannot be read as YAML: too deep") from None
    if total > MAX_PARTS:
        raise UnreadableDocument(1, f"cannot be read as YAML: aliases (*) make it more than {MAX_PARTS} parts")


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

        A key of the user's own, which may have dots, is written as in ``metadata.labels["example.com/tier"]``.
        With ``inside`` it is that line, from 1, of the text in the field, if it stands there line by line (after "|").
        """
        line, node = self.first_line(), self._root
        for quoted, name, index in _STEP.findall(path):
            mark, node = _child(node, quoted or name, index)
            if mark is None:
                break
            line = mark.line + 1
        if inside and isinstance(node, yaml.ScalarNode) and node.style == "|":
            return int(node.start_mark.line) + 1 + inside
        return line

    @cached_property
    def _root(self) -> yaml.Node | None:
        try:
            _check_depth(self._text)
            return yaml.compose(self._text, Loader=yaml.CSafeLoader)
        except (yaml.YAMLError, UnreadableDocument):
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
