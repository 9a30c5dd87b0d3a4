"""An HTTP server that answers as it is told: the smallest API server there is."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct


class Request(Struct):
    """What somebody asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Reply(Struct):
    """What is answered; ``stream`` comes in chunks instead of ``body``, and ``cut`` ends it without an end."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = {}
    stream: Iterable[bytes] | None = None
    cut: bool = False


Answer = Callable[[Request], Reply]


def status(code: int, reason: str, message: str = "", **more: Any) -> bytes:
    """A ``metav1.Status``."""
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message, **more}).encode()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, of: Server) -> None:
        self.of = of
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Whoever asked has gone: that is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def _any(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), dict(self.headers), body)
        self.server.of.asked.append(request)
        self._reply(self.server.of.answer(request))

    def _reply(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, text in reply.headers.items():
            self.send_header(name, text)
        if reply.stream is None:
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in reply.stream:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if reply.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server:
    """Listens on loopback for as long as the ``with`` block runs; ``asked`` is all that was asked, oldest first."""

    def __init__(self, answer: Answer, certificate: tuple[Path, Path] | None = None) -> None:
        """With a ``certificate`` and its key it speaks TLS."""
        self.answer = answer
        self.asked: list[Request] = []
        self._server = _Listener(self)
        self._scheme = "http" if certificate is None else "https"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def kubeconfig(url: str, user: Mapping[str, Any] | None = None) -> str:
    """A kubeconfig, as text, that leads to ``url``."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": {"server": url}}],
            "users": [{"name": "it", "user": user or {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
    )
