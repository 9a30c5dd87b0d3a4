"""Services that are in the list of load balancers no longer: most were deleted, some have another type now.

The watch says the same of both, and shows both as they last were in the list. One that is still there has conditions
and an annotation of ours, which say that it has an address; the API server itself takes away the address alone.

Of a Service that changed its type while no controller ran, no watch says anything. Whoever takes office asks once for
all Services of other types, in pages, beside its work: the API server has no selector for what they carry, and a page
costs it as much as any list of Services.
"""

from __future__ import annotations

import logging
import threading
from enum import Enum
from queue import SimpleQueue

import msgspec
from msgspec import Raw

from metalev.adapters.codec import wire
from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.mirror import Mirror
from metalev.adapters.kubernetes.reflector import pages
from metalev.adapters.kubernetes.resources import Resource, collection, only
from metalev.model.errors import Unavailable
from metalev.model.meta import Kind, Name

RETRY_SECONDS = 1.0

log = logging.getLogger("metalev.kubernetes")


# Without one of these in its text, nothing on a Service is ours.
MARKS = (b"metalev.io/", b"/ip-allocated-from-pool")
OTHER_TYPES = Resource(collection(Kind.SERVICE, ""), {"fieldSelector": "spec.type!=LoadBalancer"})


class _Everything(Enum):
    """What is looked up instead of one Service by its name."""

    EVERYTHING = "all Services of other types"


class _List(wire.Wire, frozen=True):
    items: list[Raw] | None = None


class Leavers:
    """A thread that looks each of them up, and tells the mirror of those that stay."""

    def __init__(self, api: Api, mirror: Mirror, stop: threading.Event) -> None:
        self._api = api
        self._mirror = mirror
        self._stop = stop
        self._names: SimpleQueue[Name | _Everything | None] = SimpleQueue()

    def add(self, name: Name) -> None:
        """Have a Service looked up; returns at once."""
        self._names.put(name)

    def look_back(self) -> None:
        """Have those looked for that left while nobody watched; returns at once."""
        self._names.put(_Everything.EVERYTHING)

    def end(self) -> None:
        """Look no other up."""
        self._names.put(None)

    def run(self) -> None:
        """Look up one after the other, until stopped."""
        while (name := self._names.get()) is not None and not self._stop.is_set():
            try:
                if isinstance(name, _Everything):
                    self._look_at_everything()
                else:
                    self._look_up(name)
            except Unavailable as error:
                log.debug("%s cannot be looked up: %s", name, error)
                self._names.put(name)
                self._stop.wait(RETRY_SECONDS)
            except Exception:
                log.exception("%s cannot be looked up", name)

    def _look_up(self, name: Name) -> None:
        where = only(collection(Kind.SERVICE, name.namespace), name.name)
        found = msgspec.json.decode(self._api.get(where.path, where.selectors), type=_List).items
        self._mirror.note_left(name, found[0] if found else None)

    def _look_at_everything(self) -> None:
        for _, page in pages(self._api, OTHER_TYPES):
            for raw in page.items or ():
                if any(mark in bytes(raw) for mark in MARKS):
                    found = msgspec.json.decode(raw, type=wire.Stamped).metadata
                    self._mirror.note_left(Name(found.namespace, found.name), raw)
