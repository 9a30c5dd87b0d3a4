"""A plain client of the API for the lab's own programs: requests, and a watch. Deliberately not metalev's."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from metalev.lab.kubernetes.connection import Connection
from metalev.lab.namespace import LabError, Namespace

Object: TypeAlias = dict[str, Any]

TIMEOUT_S = 10
LIST_TIMEOUT_S = 60
WATCH_TIMEOUT_S = 300
RETRY_S = 0.2
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


class ApiError(LabError):
    """The API server refused; ``status`` is that of HTTP."""

    def __init__(self, status: int, what: str, message: str) -> None:
        super().__init__(f"{what}: {status} {message}")
        self.status = status


class Api:
    """One connection, for one thread at a time; it is opened anew when it was lost."""

    def __init__(
        self, address: tuple[str, int], trust: Path, identity: tuple[Path, Path] | Path, namespace: Namespace
    ) -> None:
        """``identity`` is a certificate with its key, or the file with a token."""
        self._address = address
        self._namespace = namespace
        self._context = ssl.create_default_context(cafile=str(trust))
        self._token: Path | None = None
        if isinstance(identity, Path):
            self._token = identity
        else:
            self._context.load_cert_chain(*identity)
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    def get(self, path: str) -> Object:
        """An object, or a list of them."""
        return self.request("GET", path)

    def create(self, path: str, body: Object) -> Object:
        """Add an object to the collection at ``path``, or post to a subresource."""
        return self.request("POST", path, body)

    def replace(self, path: str, body: Object) -> Object:
        """Write an object whole."""
        return self.request("PUT", path, body)

    def patch(self, path: str, body: Object, kind: str = MERGE_PATCH) -> Object:
        """Change parts of an object."""
        return self.request("PATCH", path, body, kind)

    def delete(self, path: str, options: Object | None = None) -> Object:
        """Delete an object; ``options`` are DeleteOptions."""
        return self.request("DELETE", path, options)

    def request(self, method: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        """Ask, and be told in JSON. :class:`ApiError` if refused, OSError or HTTPException if there is no answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind, "Accept": "application/json"}
        with self._lock:
            try:
                with self._ask(method, path, data, headers) as response:
                    status, text = response.status, response.read()
            except (OSError, http.client.HTTPException):
                self.close()
                raise
        if status >= 400:
            raise ApiError(status, f"{method} {path}", _message(text))
        return dict(json.loads(text))

    def watch(self, path: str, version: str) -> Iterator[tuple[str, Object]]:
        """What becomes of a collection after ``version``: the kind of each change and the object; ends at any time.

        :class:`ApiError` 410 if the server no longer knows what came after that version.
        """
        separator = "&" if "?" in path else "?"
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_TIMEOUT_S}&resourceVersion={version}"
        response = self._ask("GET", f"{path}{separator}{query}", None, {"Accept": "application/json"})
        try:
            if response.status >= 400:
                raise ApiError(response.status, f"watch {path}", _message(response.read()))
            assert self._connection is not None
            self._connection.sock.settimeout(None)
            for line in response:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"]["code"], f"watch {path}", event["object"]["message"])
                yield event["type"], event["object"]
        finally:
            response.close()  # it may be all that still holds the socket
            self.close()

    def interrupt(self) -> None:
        """End what another thread waits for."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _ask(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        for fresh in (self._connection is None, True):
            if self._connection is None:
                self._connection = self._open()
            try:
                self._connection.request(method, path, data, {**headers, **self._authorization()})
                return self._connection.getresponse()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()  # the server closes what was idle; only then is it safe to ask again
                if fresh:
                    raise
            except (OSError, http.client.HTTPException):
                self.close()
                raise
        raise AssertionError

    def _authorization(self) -> Mapping[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token.read_text()}"}

    def _open(self) -> http.client.HTTPConnection:
        connection = Connection(self._address, TIMEOUT_S, self._context)
        self._namespace.call(connection.connect)
        return connection

    def close(self) -> None:
        """Give the connection up; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Reflector:
    """A thread that keeps a copy of a collection up to date, through every loss of the connection."""

    def __init__(self, api: Api, path: str, changed: Callable[[tuple[str, str]], None]) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self._api = api
        self._path = path
        self._changed = changed
        self._ending = threading.Event()
        self._listed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lab-watch-{path}", daemon=True)

    def start(self, *, wait: bool = True) -> None:
        """Start, and wait for the first list."""
        self._thread.start()
        if wait and not self._listed.wait(LIST_TIMEOUT_S):
            raise LabError(f"{self._path} could not be listed within {LIST_TIMEOUT_S} s")

    def stop(self) -> None:
        """End the thread."""
        self._ending.set()
        while self._thread.is_alive():
            self._api.interrupt()
            self._thread.join(timeout=RETRY_S)
        self._api.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            with suppress(OSError, http.client.HTTPException, ApiError, ValueError):
                self._follow(self._list())
            self._ending.wait(RETRY_S)

    def _list(self) -> str:
        answer = self._api.get(self._path)
        before, self.objects = self.objects, {key_of(item): item for item in answer["items"]}
        self._listed.set()
        for key in before.keys() | self.objects.keys():
            self._changed(key)
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        while not self._ending.is_set():
            for kind, item in self._api.watch(self._path, version):
                version = item["metadata"]["resourceVersion"]
                if kind == "DELETED":
                    self.objects.pop(key_of(item), None)
                elif kind != "BOOKMARK":
                    self.objects[key_of(item)] = item
                if kind != "BOOKMARK":
                    self._changed(key_of(item))


def key_of(item: Object) -> tuple[str, str]:
    """The namespace (empty for a cluster's object) and name of an object."""
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace").strip()
