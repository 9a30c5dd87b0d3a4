"""One request and its whole answer over HTTP/1.1 (RFC 9112): what a controller does for each Service.

A general library takes a third of a millisecond of the interpreter for it, as much as everything else that an address
costs. Here a request is one write, and the answer is read by what this needs to know of it: status, length, and whether
the connection goes on. What streams (a watch) goes through the library.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress

from msgspec import Struct

IDLE_CONNECTIONS = 48
READ_BYTES = 65536
HEAD_BYTES = 65536
"""More than any API server says before the body; what goes on for longer is no answer."""
BODYLESS = frozenset({204, 304})


class Answer(Struct, frozen=True):
    """An answer of any status; the names of ``headers`` are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class NotSent(OSError):
    """There is no connection, so that nothing was asked."""


class Broken(OSError):
    """What came is no answer, or not all of it."""


class Exchange:
    """Connections to one server, kept for the next request. Any thread may ask; each has a connection to itself."""

    def __init__(
        self,
        host: str,
        port: int,
        options: Iterable[tuple[int, int, int]] = (),
        context: ssl.SSLContext | None = None,
        server_name: str = "",
    ) -> None:
        """``options`` are those of the sockets; without ``context`` nothing is encrypted."""
        self._address = (host, port)
        self._host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._options = tuple(options)
        self._context = context
        self._server_name = server_name or host
        self._idle: deque[socket.socket] = deque()
        self._lock = threading.Lock()
        self._closed = False
        weakref.finalize(self, _close_all, self._idle)  # as urllib3 does, for whoever ends without a word

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, connect: float, rest: float
    ) -> Answer:
        """Send a request and await its answer; a connection may take ``connect`` seconds, all of it ``rest``.

        Raises :class:`NotSent` if nothing was sent, another ``OSError`` if there is no answer all the same.
        """
        deadline = time.monotonic() + rest
        request = _request(method, url, self._host, headers, body)
        line = self._take() or self._connect(connect)
        try:
            line.settimeout(_left(deadline))
            line.sendall(request)
            answer, goes_on = _Reader(line, deadline).answer(method)
        except BaseException:
            line.close()
            raise
        self._keep(line) if goes_on else line.close()
        return answer

    def close(self) -> None:
        """Let go of the connections; one that is in use ends with its request."""
        with self._lock:
            self._closed = True
        _close_all(self._idle)

    def _take(self) -> socket.socket | None:
        """A connection that waits, unless its server has ended it meanwhile."""
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                return None
            if not _is_readable(line):
                return line
            line.close()

    def _keep(self, line: socket.socket) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(line)
                return
        line.close()

    def _connect(self, timeout: float) -> socket.socket:
        try:
            plain = socket.create_connection(self._address, timeout)
        except OSError as error:
            raise NotSent(*error.args) from error
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in self._options:
                plain.setsockopt(*option)
            if self._context is None:
                return plain
            return self._context.wrap_socket(plain, server_hostname=self._server_name)
        except OSError as error:
            plain.close()
            raise NotSent(*error.args) from error


class _Reader:
    """Reads one answer from a connection."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line = line
        self._deadline = deadline
        self._buffer = b""

    def answer(self, method: str) -> tuple[Answer, bool]:
        """The answer, and whether the connection may be asked again."""
        status, reason, headers, version = self._head()
        while 100 <= status < 200:  # RFC 9110, section 15.2: any number of these may precede it
            status, reason, headers, version = self._head()
        token = headers.get("connection", "").lower()
        goes_on = "close" not in token if version == "HTTP/1.1" else False
        if method == "HEAD" or status in BODYLESS:
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = self._chunks()
        elif "content-length" in headers:
            body = self._exactly(_number(headers["content-length"], 10))
        else:
            body, goes_on = self._everything(), False
        return Answer(status, reason, headers, body), goes_on and not self._buffer

    def _head(self) -> tuple[int, str, dict[str, str], str]:
        first, *rest = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, said = first.partition(" ")
        code, _, reason = said.partition(" ")
        if not version.startswith("HTTP/1.") or len(code) != 3 or not code.isdecimal():
            raise Broken(f'"{first[:80]}" is no answer in HTTP/1.1')
        headers: dict[str, str] = {}
        for one in rest:
            name, colon, value = one.partition(":")
            if not colon:
                raise Broken(f'"{one[:80]}" is no header')
            headers[name.lower()] = value.strip()
        return int(code), reason, headers, version

    def _chunks(self) -> bytes:
        """RFC 9112, section 7.1; extensions and trailers are skipped."""
        parts = []
        while size := _number(self._until(b"\r\n").partition(b";")[0].decode("latin-1").strip(), 16):
            parts.append(self._exactly(size))
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            pass
        return b"".join(parts)

    def _until(self, end: bytes) -> bytes:
        """What comes before ``end``."""
        while (at := self._buffer.find(end)) < 0:
            if len(self._buffer) > HEAD_BYTES:
                raise Broken("an answer whose head does not end")
            self._buffer += self._more()
        found, self._buffer = self._buffer[:at], self._buffer[at + len(end) :]
        return found

    def _exactly(self, size: int) -> bytes:
        parts, missing = [self._buffer[:size]], size - len(self._buffer)
        self._buffer = self._buffer[size:]
        while missing > 0:
            part = self._more()
            parts.append(part[:missing])
            self._buffer, missing = part[missing:], missing - len(part)
        return b"".join(parts)

    def _everything(self) -> bytes:
        parts, self._buffer = [self._buffer], b""
        while part := self._receive():
            parts.append(part)
        return b"".join(parts)

    def _more(self) -> bytes:
        part = self._receive()
        if not part:
            raise Broken("the connection was closed in the middle of an answer")
        return part

    def _receive(self) -> bytes:
        self._line.settimeout(_left(self._deadline))
        return self._line.recv(READ_BYTES)


def _request(method: str, url: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    lines = [f"{method} {url} HTTP/1.1", f"Host: {host}", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join((*lines, "", ""))
    if head.count("\r\n") != len(lines) + 1 or head.count("\n") != len(lines) + 1:
        raise NotSent("a header with a line break in it is not sent")
    return head.encode("latin-1") + (body or b"")


def _number(text: str, base: int) -> int:
    """RFC 9112, section 6.3: an answer whose length makes no sense is none."""
    with suppress(ValueError):
        if text.isascii() and text.isalnum():
            return int(text, base)
    raise Broken(f'"{text[:80]}" is no length of an answer')


def _close_all(lines: deque[socket.socket]) -> None:
    with suppress(IndexError):
        while True:
            lines.pop().close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _is_readable(line: socket.socket) -> bool:
    """Whether there is something to read where nothing was asked: its end, or something that is no answer to us."""
    if isinstance(line, ssl.SSLSocket) and line.pending():
        return True
    poll = select.poll()
    poll.register(line, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
