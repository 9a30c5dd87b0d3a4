"""The one page of a kubelet that people use: the log of a Pod's program, for ``kubectl logs``, also with ``-f``."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from metalev.lab.namespace import Namespace

PORT = 10250
FOLLOW_POLL_S = 0.1


class LogServer:
    """A thread that serves the logs of a node's Pods in the node's network.

    Only whoever has a certificate of the cluster's authority is answered, which here is the API server.
    """

    def __init__(
        self,
        node: Namespace,
        log_of: Callable[[str, str], Path | None],
        *,
        certificate: tuple[Path, Path],
        authority: Path,
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.load_verify_locations(cafile=str(authority))
        context.verify_mode = ssl.CERT_REQUIRED
        self._ending = ending = threading.Event()

        class Handler(_Handler):
            log = staticmethod(log_of)
            ended = ending

        def listen() -> _Server:
            return _Server(("", PORT), Handler)

        self._server = node.call(listen)
        self._server.context = context
        self._thread = threading.Thread(target=self._server.serve_forever, name="lab-kubelet-logs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, and whoever follows a log."""
        self._ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext

    def finish_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """In the connection's own thread, so that a slow handshake holds nobody up."""
        assert isinstance(request, socket.socket)
        request.getpeername()  # of a socket that was reset already, wrapping it would lose sight
        with self.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who goes away in the middle is nobody's trouble."""


class _Handler(http.server.BaseHTTPRequestHandler):
    log: Callable[[str, str], Path | None]
    ended: threading.Event

    def do_GET(self) -> None:
        """``/containerLogs/NAMESPACE/POD/CONTAINER``, with the options ``follow`` and ``tailLines``."""
        url = urlsplit(self.path)
        options = {name: values[-1] for name, values in parse_qs(url.query).items()}
        match url.path.split("/"):
            case ["", "containerLogs", namespace, pod, _] if (path := self.log(namespace, pod)) is not None:
                self.send_response(http.HTTPStatus.OK)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()  # HTTP/1.0: the end of the connection is the end of the log
                self._send(path, options)
            case _:
                self.send_error(http.HTTPStatus.NOT_FOUND)

    def _send(self, path: Path, options: dict[str, str]) -> None:
        with path.open("rb") as log:
            lines = log.readlines()
            tail = int(options.get("tailLines", len(lines)))
            self.wfile.writelines(lines[max(0, len(lines) - tail) :])
            while options.get("follow") == "true" and not self.ended.wait(FOLLOW_POLL_S):
                self.wfile.write(log.read())

    def log_message(self, *_: object) -> None:
        """Say nothing."""
