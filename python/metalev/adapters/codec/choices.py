"""Which words a field takes: msgspec says only that another one is wrong."""

from __future__ import annotations

import re

from msgspec import Meta, inspect

_RECOMMENDED = "recommended"

_STEP = re.compile(r"([^.\[\]]+)|\[[^\]]*\]")


def recommend(*words: str) -> Meta:
    """Mark an enumeration: of all words that it takes, these are the ones to write."""
    return Meta(extra={_RECOMMENDED: words})


def choices_of(wire: object, path: str) -> tuple[str, ...]:
    """The words that the field at ``path`` of the type ``wire`` should have; none if it is no enumeration."""
    found: inspect.Type | None = inspect.type_info(wire)
    for name in _STEP.findall(path):
        found = _below(found, name)
    if isinstance(found, inspect.Metadata) and found.extra and _RECOMMENDED in found.extra:
        return tuple(found.extra[_RECOMMENDED])
    match found and _bare(found):
        case inspect.LiteralType(values):
            return tuple(map(str, values))
        case inspect.EnumType(enumeration):
            return tuple(str(member.value) for member in enumeration)
        case _:
            return ()


def _below(outer: inspect.Type | None, name: str) -> inspect.Type | None:
    """The type of the field ``name``, or of an item if there is no name."""
    match outer and _bare(outer):
        case inspect.StructType(fields=fields):
            return next((field.type for field in fields if field.encode_name == name), None)
        case inspect.ListType(item_type) | inspect.DictType(value_type=item_type):
            return item_type
        case _:
            return None


def _bare(wrapped: inspect.Type) -> inspect.Type:
    """The type without ``None`` and other notes on it."""
    match wrapped:
        case inspect.UnionType(types):
            return next(each for each in types if not isinstance(each, inspect.NoneType))
        case inspect.Metadata(type=inner):
            return _bare(inner)
        case _:
            return wrapped
