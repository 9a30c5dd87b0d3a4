"""From a document to a wire value, with errors that name the field as the user wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, TypeAlias, TypeVar

import msgspec

from metalev.adapters.codec.choices import choices_of
from metalev.model.address import IPAddress
from metalev.model.errors import BadValue

T = TypeVar("T")
Document: TypeAlias = Mapping[str, Any]

MISSING = "is missing"
_PLAIN_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_MISSING = re.compile(r"Object missing required field `(.+)`")
_UNQUOTED = re.compile(r"Expected `str`, got `(?:int|float|bool)`")
_TYPE_NAME = re.compile(r"`([^`]*)`")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
# RFC 1123 subdomain, as Kubernetes wants it. It is also what makes a name safe as a part of a path.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class BadField(BadValue):
    """A field has the wrong type or value. ``path`` is written as in ``spec.ports[0].port``.

    Where the field is a text with lines of its own (a ConfigMap's configuration), ``line`` is the one, from 1.
    """

    def __init__(self, path: str, problem: str, line: int = 0) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem
        self.line = line

    def below(self, prefix: str) -> BadField:
        """The same error, seen from the document that holds this one at ``prefix``."""
        dot = "." if prefix and self.path and not self.path.startswith("[") else ""
        return BadField(f"{prefix}{dot}{self.path}", self.problem, self.line)


def convert(document: object, wire: type[T], path: str = "") -> T:
    """Read ``document``, which stands at ``path``, as ``wire``. Raises :class:`BadField`.

    A ``null`` counts as absent, as the API server has it; since nulls are rare, they are looked for only on an error.
    """
    try:
        return msgspec.convert(document, wire)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.convert(_without_nulls(document), wire)
    except msgspec.ValidationError as error:
        raise _with_its_key(_in_plain_words(str(error), wire), document).below(path) from None
    except RecursionError:
        raise BadField(path, "is too deep: lists in lists, or mappings in mappings") from None


def parse(raw: bytes | msgspec.Raw, wire: type[T]) -> T:
    """Read JSON as ``wire``, in one go where nothing is wrong. Raises :class:`BadField`."""
    try:
        return msgspec.json.decode(raw, type=wire)
    except msgspec.ValidationError:
        return convert(msgspec.json.decode(raw), wire)
    except msgspec.DecodeError as error:
        raise BadField("", f"is no JSON: {error}") from None


@lru_cache(maxsize=1 << 14)
def _address(text: str) -> IPAddress:
    """The same address is read again with each change of its object; a value that never changes may be shared."""
    return ip_address(text)


def parse_address(text: str, path: str) -> IPAddress:
    """Read one address; ``path`` is where it stands. Raises :class:`BadField`."""
    try:
        return _address(text)
    except ValueError:
        raise BadField(path, f'"{text}" is no IP address') from None


def check_name(text: str, path: str) -> str:
    """Return ``text`` if it can name an object. Raises :class:`BadField`."""
    if _NAME.fullmatch(text):
        return text
    raise BadField(path, f'"{text}" is no valid name: lower-case letters, digits, "-" and ".", at most 253 of them')


def _without_nulls(value: object) -> object:
    match value:
        case Mapping():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value]
        case _:
            return value


_ANY_KEY = "[...]"


def _with_its_key(error: BadField, document: object) -> BadField:
    """The same error with the key of the user's own, which msgspec leaves out; it is one whose value is no string."""
    if not error.path.endswith(_ANY_KEY):
        return error
    path = error.path.removesuffix(_ANY_KEY)
    mapping = _at(document, path)
    keys = mapping if isinstance(mapping, Mapping) else {}
    wrong = next((key for key, value in keys.items() if value is not None and not isinstance(value, str)), None)
    return error if wrong is None else BadField(f'{path}["{wrong}"]', error.problem, error.line)


def _at(document: object, path: str) -> object:
    """What stands at ``path`` of ``document``; ``None`` if there is nothing."""
    found = document
    for name, index in _STEP.findall(path):
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and index:
            found = found[int(index)]
        else:
            return None
    return found


def _in_plain_words(message: str, wire: object) -> BadField:
    """Rewrite msgspec's "Expected `int`, got `str` - at `$.spec.port`"."""
    what, _, where = message.partition(" - at ")
    in_key, _, place = where.rpartition(" in ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    if missing := _MISSING.fullmatch(what):
        return BadField(f"{path}.{missing[1]}" if path else missing[1], MISSING)
    problem = _TYPE_NAME.sub(_plain_word, what[:1].lower() + what[1:])
    if "enum value" in what and (choices := choices_of(wire, path)):
        problem += f": write {' or '.join(choices)}"
    if in_key:
        problem = f"a key of it: {problem}"
    if _UNQUOTED.fullmatch(what) or in_key:
        problem += "; put it in quotes"
    return BadField(path, problem)


def _plain_word(match: re.Match[str]) -> str:
    words: list[str] = [_PLAIN_WORDS.get(word, word) for word in match[1].split(" | ")]
    return " or ".join(words)
