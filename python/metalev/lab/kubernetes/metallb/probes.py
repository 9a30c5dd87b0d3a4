"""The page that a kubelet asks whether a program is ready."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 17472


def serve(host: str, ready: Callable[[], bool]) -> None:
    """Answer on MetalLB's port, in a thread: 200 once it is ``ready``."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if ready() else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    threading.Thread(target=ThreadingHTTPServer((host, PORT), Page).serve_forever, name="probes", daemon=True).start()
