"""Core ``v1`` Events: one object for equal events, whoever tells them, with a count."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec
from msgspec import Struct

from metalev.adapters.codec import encode, wire
from metalev.adapters.kubernetes.api import MERGE, UNCHECKED, Api
from metalev.adapters.kubernetes.errors import ApiError
from metalev.model.actions import Event
from metalev.model.errors import StaleWrite
from metalev.model.meta import ObjectKey

REMEMBERED = 4096
"""Events whose count is known without asking; what is forgotten is asked for."""

NAME_LENGTH = 236
"""Of the object's name, so that what follows it makes a name that an object may have."""
REFUSALS = frozenset({400, 405, 409, 413, 422})
"""Answers that will be the same the next time: one event that is refused must not hold up all the others."""


class _Count(wire.Wire, frozen=True):
    count: int = 1


class _Told(Struct):
    path: str
    count: int


class EventRecorder:
    """Creates and counts them. The name follows from what is told, so that a successor counts on.

    Any thread may record; equal events are counted one after the other.
    """

    def __init__(self, api: Api, uid_of: Callable[[ObjectKey], str], host: str = "") -> None:
        """``uid_of`` gives an object's uid: ``kubectl describe`` shows only events that name it.

        ``host`` is the node whose speaker tells them: deploy/admission.yaml lets it tell none in another's name.
        """
        self._api = api
        self._host = host
        self._uid_of = uid_of
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._lock = threading.Condition()
        self._at_work: set[str] = set()

    def record(self, event: Event, now: datetime) -> None:
        """Create it, or count it; in a namespace that is ending, nothing is told any more.

        Raises ``Unavailable``, and ``StaleWrite`` where it is refused for good.
        """
        uid = self._uid_of(event.regarding)
        name = _name(event, uid)
        with self._only(name):
            told = self._told.get(name)
            try:
                if told is None or not self._count(told, now):
                    self._create(event, name, uid, now)
            except ApiError as error:
                # The namespace is gone, or about to be: whoever might have read the event is, too.
                if error.namespace_ends:
                    return
                if error.status in REFUSALS:
                    raise StaleWrite(str(error)) from error
                raise

    @contextmanager
    def _only(self, name: str) -> Iterator[None]:
        """Let one thread at a time be at work on the event ``name``."""
        with self._lock:
            self._lock.wait_for(lambda: name not in self._at_work)
            self._at_work.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.discard(name)
                self._lock.notify_all()

    def _remember(self, name: str, path: str, count: int) -> _Told:
        with self._lock:
            told = self._told[name] = _Told(path, count)
            self._told.move_to_end(name)
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
        return told

    def _create(self, event: Event, name: str, uid: str, now: datetime) -> None:
        moment = encode.timestamp(now)
        document = encode.event(event, name, 1, moment, moment, host=self._host)
        if uid:
            document["involvedObject"]["uid"] = uid
        document |= {"reportingComponent": event.component, "reportingInstance": self._host}
        path = f"/api/v1/namespaces/{document['metadata']['namespace']}/events"
        try:
            self._api.post(path, document, UNCHECKED)
            self._remember(name, f"{path}/{name}", 1)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            found = msgspec.json.decode(self._api.get(f"{path}/{name}"), type=_Count)
            self._count(self._remember(name, f"{path}/{name}", found.count), now)

    def _count(self, told: _Told, now: datetime) -> bool:
        """Count one that was told before; tells whether it was still there (the server lets go of them in time)."""
        body = {"count": told.count + 1, "lastTimestamp": encode.timestamp(now)}
        try:
            self._api.patch(told.path, body, MERGE)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        told.count += 1
        return True


def _name(event: Event, uid: str) -> str:
    digest = hashlib.sha256(
        "\0".join((str(event.regarding), uid, event.type, event.reason, event.message, event.component)).encode()
    )
    return f"{event.regarding.name.name[:NAME_LENGTH]}.{digest.hexdigest()[:16]}"
