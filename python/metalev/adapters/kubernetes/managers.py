"""Who wrote what, as the API server keeps it in ``metadata.managedFields``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import field

from metalev.adapters.codec import wire

OURS = "metalev"
"""Our own field manager: the first word of what we call ourselves in a request."""
_EPOCH = datetime.fromtimestamp(0, UTC)


class _Entry(wire.Wire, frozen=True):
    manager: str = ""
    time: datetime | None = None
    fields: dict[str, Any] = field(default_factory=dict, name="fieldsV1")


class _Metadata(wire.Wire, frozen=True):
    managed_fields: list[_Entry] = field(default_factory=list)


class _Object(wire.Wire, frozen=True):
    metadata: _Metadata


class _List(wire.Wire, frozen=True):
    items: list[_Object] | None = None


def last_writer(services: bytes) -> str:
    """The manager, beside ourselves, that wrote ``status.loadBalancer`` last, of the first Service in a list.

    Empty if there is none, or nobody says.
    """
    found = msgspec.json.decode(services, type=_List).items or [_Object(_Metadata())]
    entries = [
        one
        for one in found[0].metadata.managed_fields
        if one.manager != OURS and "f:loadBalancer" in one.fields.get("f:status", {})
    ]
    return max(entries, key=lambda one: one.time or _EPOCH).manager if entries else ""
