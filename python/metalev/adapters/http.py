"""``/metrics``, ``/healthz`` and ``/readyz`` on one small server."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self, TypeAlias

from msgspec import Struct

from metalev.model.errors import StartError

# The text format of Prometheus: the other one, OpenMetrics, would rename MetalLB's counters.
METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# A step of the loop is a few writes; one that takes this long will never end.
ALIVE_SECONDS = 60.0


class Reply(Struct, frozen=True):
    """What is answered to a GET."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


Page: TypeAlias = Callable[[], Reply]
Listen: TypeAlias = tuple[str, int]


def probe(trouble: Callable[[], str]) -> Page:
    """A page for a kubelet's probe: 200 while ``trouble()`` is empty, 503 and its text while it is not."""

    def page() -> Reply:
        text = trouble()
        status = HTTPStatus.SERVICE_UNAVAILABLE if text else HTTPStatus.OK
        return Reply(f"{text or 'ok'}\n".encode(), status)

    return page


def program_pages(
    metrics: Callable[[], bytes],
    alive: Callable[[float], bool],
    not_ready: Callable[[], str],
    watching: Callable[[float], bool] = lambda _: True,
) -> Mapping[str, Page]:
    """The three pages of a program: its metrics, whether it lives, and why it is not ready (or "").

    It lives while its loop goes round (``alive``) and it takes in what changes outside (``watching``); both are asked
    with the seconds that one round may take.
    """

    def stuck() -> str:
        if not alive(ALIVE_SECONDS):
            return f"the loop has been at one step for over {ALIVE_SECONDS:.0f} s"
        return "" if watching(ALIVE_SECONDS) else f"nothing has been looked at for over {ALIVE_SECONDS:.0f} s"

    return {
        "/metrics": lambda: Reply(metrics(), content_type=METRICS_CONTENT_TYPE),
        "/healthz": probe(stuck),
        "/readyz": probe(not_ready),
    }


class PageServer:
    """Serves ``pages`` (path to page) from ``listen`` until it is left as a context."""

    def __init__(self, listen: Listen, pages: Mapping[str, Page]) -> None:
        """Bind; an empty host means every address of both families, port 0 any free one.

        Raises ``StartError`` when the address cannot be had.
        """
        host, port = listen
        try:
            self._server = _open(host, port, pages)
        except OSError as error:
            raise StartError(_complaint(host, port, error)) from error
        self._ended, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="metalev-http", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._server.server_address[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        self._thread.join()
        self._ended.close()
        self._server.server_close()

    def _serve(self) -> None:
        """Wait in the kernel alone: ``serve_forever`` looks many times a second whether it shall end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while all(key.fileobj is not self._ended for key, _ in selector.select()):
                self._server.handle_request()


def _open(host: str, port: int, pages: Mapping[str, Page]) -> _Server:
    if host:
        return _Server(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port), pages)
    try:
        return _Server(socket.AF_INET6, ("::", port), pages)
    except OSError as error:
        if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            raise
        return _Server(socket.AF_INET, ("0.0.0.0", port), pages)  # noqa: S104  (a kernel without IPv6)


def _complaint(host: str, port: int, error: OSError) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        why = "address in use (another metalev or MetalLB on this host?)"
    else:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return f"cannot listen on {place} for /metrics: {why}; choose another with --metrics-address"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    timeout = 0.0  # whoever was about to connect may have gone again

    def __init__(self, family: socket.AddressFamily, address: Listen, pages: Mapping[str, Page]) -> None:
        self.address_family = family
        self.pages = pages
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the DNS for this host's name, which the inherited method does."""
        if self.address_family == socket.AF_INET6:
            only = self.server_address[0] != "::"
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Seconds for which a client may keep a thread waiting.
    timeout: ClassVar[float] = 10.0
    server: _Server

    def do_GET(self) -> None:
        """Answer with the page of the path."""
        page = self.server.pages.get(self.path.partition("?")[0])
        self._send(page() if page else Reply(b"there are: /metrics /healthz /readyz\n", HTTPStatus.NOT_FOUND))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def version_string(self) -> str:
        """What stands in the header ``Server``."""
        return "metalev"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the base class's)
        """Probes every few seconds are no news."""
