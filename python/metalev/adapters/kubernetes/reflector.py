"""One kind of object, listed and then watched for as long as the program runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Protocol

import msgspec
from msgspec import Raw, Struct, field

from metalev.adapters.codec import wire
from metalev.adapters.codec.decode import Json
from metalev.adapters.kubernetes.api import Api, Status
from metalev.adapters.kubernetes.errors import ApiError, Unreachable, Unusable, cause_of
from metalev.adapters.kubernetes.jitter import between
from metalev.adapters.kubernetes.resources import Resource
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.model.errors import Unavailable
from metalev.model.meta import ObjectKey

PAGE = 500
WATCH_SECONDS = (240.0, 360.0)
"""How long one watch is asked to last, between these: not all at once come anew."""
SILENCE_SECONDS = 400.0
BACKOFF_SECONDS = (0.2, 30.0)
HEALTHY_SECONDS = 1.0
"""A watch that ends sooner is a failure: a server that closes each at once must not be asked without a pause."""

log = logging.getLogger("metalev.kubernetes")


class _ListMeta(wire.Wire, frozen=True):
    resource_version: str = ""
    continue_: str = field(default="", name="continue")


class Page(wire.Wire, frozen=True):
    """A part of a list, or all of it."""

    metadata: _ListMeta
    items: list[Raw] | None = None


class _Event(Struct, frozen=True):
    type: str
    object: Raw


class _Versioned(wire.Wire, frozen=True):
    """Any object of a watch; a bookmark is one with a version and nothing else."""

    metadata: _ListMeta


class Reflection(Protocol):
    """What a list is reflected in."""

    def take(self, raw: Json) -> ObjectKey | None:
        """An object as it now is; returns its key if it is kept under one."""
        ...

    def drop(self, raw: Json) -> None:
        """An object that is in the list no longer, as it last was."""
        ...

    def listed(self, seen: list[ObjectKey], version: str) -> None:
        """A complete list of this version held ``seen``."""
        ...

    def restored(self) -> None:
        """The server's versions begin again at an older one: what comes now is newer than all that is known."""
        ...


def pages(api: Api, resource: Resource) -> Iterator[tuple[bool, Page]]:
    """Yield a list in pages, and with each whether the list begins with it.

    One that takes longer than the server keeps its version begins anew, as one page.
    """
    query = {**resource.selectors, "limit": str(PAGE)}
    while True:
        try:
            page = msgspec.json.decode(api.get(resource.path, query), type=Page)
        except ApiError as error:
            if "continue" not in query or error.status != HTTPStatus.GONE:
                raise
            query = dict(resource.selectors)
            continue
        yield "continue" not in query, page
        if not page.metadata.continue_:
            return
        query["continue"] = page.metadata.continue_


class _Expired(Exception):
    """The version to go on from is no longer there (410), or not yet (504): everything must be listed again."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.is_ahead = code == HTTPStatus.GATEWAY_TIMEOUT
        """Whether the server does not know so new a version."""


class Reflector:
    """Keeps a reflection up to date with one list of an API server.

    A list comes in pages; a watch goes on from the version where the one before ended, also after the server closed it
    (which it does with slow ones); only a version that is too old (410) costs a new list.
    """

    def __init__(
        self, api: Api, resource: Resource, reflection: Reflection, troubles: Troubles, stop: threading.Event
    ) -> None:
        self.resource = resource
        self._api = api
        self._reflection = reflection
        self._troubles = troubles
        self._stop = stop
        self._version = ""
        self._listing = threading.Lock()
        self._listed_from = float("-inf")
        """When the last complete list began, by ``time.monotonic``."""
        self._highest = 0
        """The highest version that was ever heard of."""
        self._failures = 0
        self._expiries = 0
        """Lists in a row whose version was too old as soon as it was to be watched from."""
        self._is_ahead = False
        """Whether the server did not know the version that was watched from, which it had given."""
        self._hasty = False
        """Whether the last watch ended at once, so that a list, or a watch that has begun, is no sign of health."""

    def run(self) -> None:
        """List, watch, and begin again after whatever happens, until stopped."""
        while not self._stop.is_set():
            try:
                with self._listing:
                    if not self._version:
                        self._list(is_ahead=self._is_ahead)
                        self._is_ahead = False
                self._watch()
            except _Expired as why:
                log.debug("%s are listed anew: %s", self.resource.path, why)
                self._version = ""
                self._is_ahead = why.is_ahead
                self._expiries += 1
                if self._expiries > 1:
                    self._hasty = True
                    self._fail(Unusable(f"the API server {self._api.host} has no watch of what it listed: {why}"))
            except Unavailable as error:
                self._fail(error)
            except Exception as error:
                # A thread that ended would leave the world as it is, for ever and without a word.
                log.exception("watching %s failed", self.resource.path)
                self._version = ""
                self._fail(error)

    def list(self, since: float = float("inf")) -> None:
        """Read everything once, unless the last list began after ``since`` (by ``time.monotonic``).

        Raises ``Unavailable`` with what to do; what was read until then counts.
        """
        try:
            with self._listing:  # one that is under way may be what is wanted
                if self._listed_from < since:
                    self._list()
        except ApiError as error:
            if error.expired:
                raise
            raise Unavailable(_told(self.resource, error)) from error

    def _list(self, *, is_ahead: bool = False) -> None:
        seen: list[ObjectKey] = []
        began = time.monotonic()
        for begins, page in pages(self._api, self.resource):
            if begins:
                seen = []
            self._note_version(page.metadata.resource_version, is_ahead=is_ahead)
            for raw in page.items or ():
                key = self._reflection.take(raw)
                if key is not None:
                    seen.append(key)
        self._reflection.listed(seen, page.metadata.resource_version)
        self._listed_from = began
        self._version = self._version or page.metadata.resource_version
        self._recovered()

    def _watch(self) -> None:
        """Take in what changes until the server ends it; raises where it did not go as agreed."""
        began = time.monotonic()
        query = {
            **self.resource.selectors,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(between(*WATCH_SECONDS))),
        }
        try:
            with self._api.lines(self.resource.path, query, SILENCE_SECONDS) as lines:
                self._recovered()
                for line in lines:
                    self._take(msgspec.json.decode(line, type=_Event))
                    self._thrives()
        except ApiError as error:
            if error.expired:
                raise _Expired(error.everybody, error.status) from error
            raise
        finally:
            if time.monotonic() - began >= HEALTHY_SECONDS:
                self._thrives()
        if time.monotonic() - began < HEALTHY_SECONDS and not self._stop.is_set():
            self._hasty = True
            raise Unusable(f"the API server {self._api.host} ends every watch at once")

    def _thrives(self) -> None:
        """A watch has said something, or has lasted."""
        self._failures = self._expiries = 0
        if self._hasty:
            self._hasty = False
            self._recovered()

    def _take(self, event: _Event) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                self._reflection.take(event.object)
            case "DELETED":
                self._reflection.drop(event.object)
            case "ERROR":
                status = msgspec.json.decode(event.object, type=Status)
                if status.code in {410, 504}:
                    raise _Expired(status.message, status.code)
                raise ApiError(status.code, status.reason, f"watching {self.resource.path}: {status.message}")
        told = msgspec.json.decode(event.object, type=_Versioned).metadata
        self._version = told.resource_version or self._version
        self._note_version(self._version)

    def _note_version(self, version: str, *, is_ahead: bool = False) -> None:
        """Notice a store that was restored from a backup: it knows only older versions than it has given before.

        A lower one alone says nothing: of two lists at a time the older one may be read last.
        """
        number = int(version) if version.isdecimal() else 0
        if is_ahead and number < self._highest:
            log.warning("the API server %s went back in time: its store was restored", self._api.host)
            self._highest = 0
            self._reflection.restored()
        self._highest = max(self._highest, number)

    def _fail(self, error: Exception) -> None:
        if self._stop.is_set():
            return
        self._failures += 1
        if self.resource.optional and isinstance(error, ApiError) and error.status in {403, 404}:
            self._reflection.listed([], "0")
        if self._failures > 1 or not isinstance(error, Unreachable):
            # A single watch that breaks is everyday life; what comes after it is not.
            self._troubles.note(self.resource.path, _told(self.resource, error), cause_of(error))
        first, limit = BACKOFF_SECONDS
        # Spread wide: after an outage, everybody comes back.
        pause = between(0.5, 1.0) * min(limit, first * 2.0 ** min(self._failures - 1, 16))
        asked = (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0
        self._stop.wait(max(pause, between(1.0, 1.5) * asked))

    def _recovered(self) -> None:
        if not self._hasty:
            self._troubles.over(self.resource.path)


def _told(resource: Resource, error: Exception) -> str:
    if isinstance(error, ApiError) and error.status == 404:
        return f"the API server has no {resource.path}: install metalev's resources with kubectl apply -k deploy"
    if isinstance(error, ApiError) and error.status in {401, 403}:
        return f"{error}; compare the role with deploy/"
    return error.everybody if isinstance(error, ApiError) else str(error)
