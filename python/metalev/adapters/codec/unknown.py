"""Fields that nobody reads, so that a typing error does not pass for a default.

Behind an API server the schema of a resource drops them before anybody sees them; a file has no schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from metalev.adapters.codec.section import folded
from metalev.model.legacy import Remark

# What every object may have and metalev need not read: the rest of metadata, and the status of an exported object.
_OF_EVERY_OBJECT = ("apiVersion", "kind", "metadata", "status")


def unknown_fields(document: object, wire: type[Struct]) -> Iterator[Remark]:
    """Yield a remark for each field of ``document`` that ``wire`` does not have, with the nearest one that it has."""
    if isinstance(document, Mapping):
        kinds = _kinds(wire)
        yield from _unknown(document, {**dict.fromkeys(_OF_EVERY_OBJECT), "spec": kinds.get("spec")}, "")


def _unknown(mapping: Mapping[Any, object], kinds: Mapping[str, Any], path: str) -> Iterator[Remark]:
    for key, value in mapping.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in kinds:
            yield Remark(here, 0, f"unknown field, it has no effect: {_hint(str(key), list(kinds))}")
        else:
            yield from _below(value, kinds[key], here)


def _below(value: object, kind: Any, path: str) -> Iterator[Remark]:
    """Look into ``value``, which is read as ``kind``; a map with keys of the user's own (labels) knows every key."""
    wire = _struct_in(kind)
    if wire is None:
        return
    if isinstance(value, Mapping):
        yield from _unknown(value, _kinds(wire), path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _below(item, wire, f"{path}[{index}]")


@cache
def _kinds(wire: type[Struct]) -> dict[str, Any]:
    """The fields of ``wire`` as they are written, each with its type."""
    hints = get_type_hints(wire)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(wire)}


def _struct_in(kind: Any) -> type[Struct] | None:
    """The one Struct that ``kind`` is, or is a list of; ``None`` if there is none."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    if get_origin(kind) is dict:
        return None
    return next((found for part in get_args(kind) if (found := _struct_in(part)) is not None), None)


def _hint(key: str, known: list[str]) -> str:
    by_folded = {folded(one): one for one in known}
    close = get_close_matches(folded(key), by_folded, n=1, cutoff=0.6)
    return f'did you mean "{by_folded[close[0]]}"?' if close else f"there are {', '.join(sorted(known))}"
