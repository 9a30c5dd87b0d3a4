"""Requests to an API server: who asks, how long it may take, and what an answer means."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3
from msgspec import Struct

from metalev import __version__
from metalev.adapters.kubernetes.connections import Token, connections_of
from metalev.adapters.kubernetes.errors import ApiError, Unreachable, is_of_another_authority, reason_of
from metalev.adapters.kubernetes.exchange import Answer, NotSent
from metalev.adapters.kubernetes.jitter import between
from metalev.adapters.kubernetes.plain import find
from metalev.adapters.places import Source
from metalev.model.errors import StartError

TIMEOUT_SECONDS = 5.0
"""How long a request may take. A write that took longer may still arrive; ``lease`` reckons with that."""
CONNECT_SECONDS = 3.0
RENEW_PAUSE_SECONDS = 10.0
"""Between two looks for other credentials, once the server refused those that there are."""

STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

UNCHECKED = {"fieldValidation": "Ignore"}
"""Asked of what is written for each Service: the server need not decode it a second time only to warn of fields that it
does not know. A ninth of what a patch makes it allocate; nobody reads its warnings."""

log = logging.getLogger("metalev.kubernetes")
# Who says insecure-skip-tls-verify knows it; a warning for each request would hide everything else.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


class Cause(Struct, frozen=True):
    """One of the reasons of a refusal, in a word."""

    reason: str = ""


class Details(Struct, frozen=True):
    """What a refusal is about: a kind, in the plural, and reasons."""

    kind: str = ""
    causes: list[Cause] = []


class Status(Struct):
    """What the API server says when it does not do what it was asked to (``metav1.Status``)."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details = Details()


class Api:
    """One API server. Any thread may ask; every answer is awaited.

    Raises :class:`ApiError` for an answer that is none of success, :class:`Unreachable` where nobody answers; both are
    ``Unavailable``.
    """

    def __init__(self, source: Source, *, timeout: float = TIMEOUT_SECONDS, write_timeout: float | None = None) -> None:
        """``write_timeout`` is for what changes something, where that shall end sooner.

        Raises ``StartError`` if there are no credentials.
        """
        self._source = source
        self.timeout = timeout
        self.write_timeout = timeout if write_timeout is None else min(timeout, write_timeout)
        self._lock = threading.Lock()
        self._renewed_at = float("-inf")
        self._credentials = find(source)
        self._connections = connections_of(self._credentials)
        self._token = Token(self._credentials)
        self._told_refusal = ""
        self._unanswered_at = float("-inf")
        self._stopping = threading.Event()
        self._streams: set[urllib3.BaseHTTPResponse] = set()

    @property
    def host(self) -> str:
        """The server's address, for people."""
        return self._credentials.host

    @property
    def settled(self) -> bool:
        """Whether nothing that was written is likely to arrive yet: the last write without an answer is long ago."""
        return time.monotonic() - self._unanswered_at > self.write_timeout

    def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The body of the answer."""
        return self._request("GET", path, query)

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None) -> bytes:
        """Create an object; the body is the object as it now is."""
        return self._request("POST", path, query, body, "application/json")

    def put(self, path: str, body: Mapping[str, Any]) -> bytes:
        """Replace an object."""
        return self._request("PUT", path, None, body, "application/json")

    def patch(self, path: str, body: object, kind: str, query: Mapping[str, str] | None = None) -> bytes:
        """Change an object by a patch of the media type ``kind``."""
        return self._request("PATCH", path, query, body, kind)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Delete an object; ``body`` holds preconditions."""
        return self._request("DELETE", path, None, body, "application/json")

    @contextmanager
    def lines(self, path: str, query: Mapping[str, str], silence: float) -> Iterator[Iterator[bytes]]:
        """The lines of a watch, as they come. ``silence``: seconds without a byte that mean that it is broken."""
        deadline = time.monotonic() + self.timeout
        response = self._stream(_url(path, query), deadline, silence)
        self._streams.add(response)
        try:
            if self._stopping.is_set():
                raise Unreachable(f"{self.host} is not asked any more: the program stops")
            yield self._split(response)
        finally:
            self._streams.discard(response)
            response.close()

    def stop(self) -> None:
        """Break every watch, and let no request wait any longer. May be called twice."""
        self._stopping.set()
        for response in tuple(self._streams):
            with suppress(Exception):  # it may be ending by itself
                response.shutdown()

    def _split(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        rest = b""
        try:
            for chunk in response.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        except urllib3.exceptions.ProtocolError as error:
            raise Unreachable(f"the API server {self.host} broke off in the middle of an answer") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        # What is left was cut in the middle of an object; the next watch brings it whole.

    def _request(
        self, method: str, path: str, query: Mapping[str, str] | None, body: object = None, kind: str = ""
    ) -> bytes:
        """Ask until there is an answer that is not "later". Nothing is sent any more after the time-out."""
        deadline = time.monotonic() + (self.timeout if method == "GET" else self.write_timeout)
        encoded = None if body is None else msgspec.json.encode(body)
        while True:
            try:
                return self._ask(method, _url(path, query), encoded, kind, deadline)
            except ApiError as error:
                # 429, of priority and fairness: everybody who is told the same would come back at the same moment.
                pause = between(1.0, 1.5) * (error.retry_after or 0.0)
                if error.retry_after is None or time.monotonic() + pause > deadline or self._stopping.wait(pause):
                    raise

    def _ask(self, method: str, url: str, body: bytes | None, kind: str, deadline: float) -> bytes:
        """Send a request; returns the body of an answer of success."""
        for last in (False, True):
            token, ways, rest = self._token, self._connections, self._rest(deadline)
            headers, connect = self._headers(body, kind), min(CONNECT_SECONDS, rest)
            try:
                answer = ways.exchange.ask(method, ways.prefix + url, headers, body, connect=connect, rest=rest)
            except NotSent as error:
                if not last and is_of_another_authority(error) and self._renew(token):
                    continue
                raise self._unreachable(error) from error
            except OSError as error:
                if method != "GET":
                    self._unanswered_at = time.monotonic()
                raise self._unreachable(error) from error
            if answer.status < 300:
                return answer.body
            self._look_again(self._error(method, url, answer), token, last=last)
        raise AssertionError

    def _stream(self, url: str, deadline: float, silence: float) -> urllib3.BaseHTTPResponse:
        """Send a request; returns an answer of success whose body has not been read.

        It may be sent until ``deadline``; ``silence`` is for an answer that takes longer.
        """
        for last in (False, True):
            token = self._token
            timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, self._rest(deadline)), total=silence)
            try:
                response = self._begin(url, timeout)
            except Unreachable as error:
                if last or not is_of_another_authority(error) or not self._renew(token):
                    raise
                continue
            if response.status < 300:
                return response
            self._look_again(self._error("GET", url, _whole(response)), token, last=last)
        raise AssertionError

    def _begin(self, url: str, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
        ways, headers = self._connections, self._headers(None, "")
        url = ways.prefix + url
        try:
            return ways.pool.urlopen(
                "GET", url, None, headers, retries=False, timeout=timeout, preload_content=False, redirect=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def _headers(self, body: bytes | None, kind: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": f"metalev/{__version__}", **self._token.header()}
        if body is not None:
            headers["Content-Type"] = kind
        return headers

    def _rest(self, deadline: float) -> float:
        """Seconds until ``deadline``, of which there must be some."""
        rest = deadline - time.monotonic()
        if rest <= 0:
            raise Unreachable(f"the API server {self.host} did not answer in time")
        return rest

    def _look_again(self, error: ApiError, refused: Token, *, last: bool) -> None:
        """Look for other credentials where that may help, once; raises ``error`` where not."""
        if last or error.status != 401 or not self._renew(refused):
            raise error

    def _renew(self, refused: Token) -> bool:
        """Look for other credentials after ``refused`` was, not too often; tells whether there may be others now.

        So it goes for the server's credentials, too: a cluster may get another certificate authority while this runs.
        """
        with self._lock:
            if self._token is not refused:
                return True  # somebody else has found some meanwhile
            if time.monotonic() - self._renewed_at < RENEW_PAUSE_SECONDS:
                return False
            self._renewed_at = time.monotonic()
            try:
                found = find(self._source)
            except StartError as error:
                if str(error) != self._told_refusal:
                    self._told_refusal = str(error)
                    log.warning("the API server refuses the credentials, and there are no others: %s", error)
                return False
            self._told_refusal = ""
            if found != self._credentials:
                before, self._credentials, self._connections = self._connections, found, connections_of(found)
                before.close()
            self._token = Token(found)
            return True

    def _error(self, method: str, url: str, answer: Answer) -> ApiError:
        try:
            status = msgspec.json.decode(answer.body, type=Status)
        except msgspec.DecodeError:
            status = Status(answer.body.decode(errors="replace").strip()[:200])
        after = answer.headers.get("retry-after", "")
        said = f"{answer.status} {status.message or answer.reason}".strip()
        busy = answer.status == 429 or answer.status >= 500
        return ApiError(
            answer.status,
            status.reason,
            f"{method} {url.partition('?')[0]}: {said}",
            # As client-go: also a server that is starting or losing etcd says when to come again.
            retry_after=float(after) if busy and after.isdecimal() else None,
            causes=frozenset({status.details.kind, *(cause.reason for cause in status.details.causes)}),
            everybody=f"the API server {self.host} answers {said}" if busy else "",
        )

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"the API server {self.host} does not answer: {reason_of(error)}")


def _url(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{_encoded(tuple(query.items()))}" if query else path


@lru_cache(maxsize=64)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    """Each of thousands of writes asks for the same."""
    return urlencode(query)


def _whole(response: urllib3.BaseHTTPResponse) -> Answer:
    """What there is of an answer that is none of success."""
    body = b""
    try:
        with suppress(urllib3.exceptions.HTTPError, OSError):
            body = response.data
    finally:
        response.close()
    headers = {name.lower(): text for name, text in response.headers.items()}
    return Answer(response.status, response.reason or "", headers, body)
