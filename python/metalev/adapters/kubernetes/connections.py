"""Connections to an API server, and what proves who we are on them."""

from __future__ import annotations

import os
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import urllib3
from msgspec import Struct
from urllib3.connection import HTTPConnection

from metalev.adapters.kubernetes.credentials import Credentials
from metalev.adapters.kubernetes.exchange import Exchange
from metalev.model.errors import StartError

CONNECTIONS = 48
TOKEN_SECONDS = 60.0
"""How old a token read from a file may be: the kubelet renews it long before it ends."""

# A peer that vanished without a word is noticed within half a minute, also by a watch that has nothing to say.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
]


class Token:
    """What proves who we are in a header; read anew from its file, if it has one, before it is old."""

    def __init__(self, credentials: Credentials) -> None:
        self._text = credentials.token
        self._basic = credentials.basic
        self._file = Path(credentials.token_file) if credentials.token_file else None
        self._read_at = time.monotonic()

    def header(self) -> dict[str, str]:
        """What to send with a request."""
        if self._file and time.monotonic() - self._read_at > TOKEN_SECONDS:
            self._read_at = time.monotonic()
            with suppress(OSError):  # the old one may still do; if not, the server says so
                self._text = self._file.read_text(encoding="utf-8").strip()
        if self._text:
            return {"Authorization": f"Bearer {self._text}"}
        return {"Authorization": f"Basic {self._basic}"} if self._basic else {}


class Connections(Struct, frozen=True):
    """The ways to one server: ``exchange`` for a request and its answer, ``pool`` for what streams.

    ``prefix`` comes before the path of every request: one server may stand for many clusters (``/k8s/clusters/c-1``).
    """

    exchange: Exchange
    pool: urllib3.HTTPConnectionPool
    prefix: str = ""

    def close(self) -> None:
        """Let go of those that wait for a request."""
        self.exchange.close()
        self.pool.close()


def connections_of(credentials: Credentials) -> Connections:
    """The connections to the server of ``credentials``. Raises ``StartError`` if that is no address."""
    url = urlsplit(credentials.host)
    if not url.hostname:
        raise StartError(f'"{credentials.host}" is no address of an API server: it begins with https://')
    prefix = url.path.rstrip("/")
    if url.scheme == "http":
        options = [*HTTPConnection.default_socket_options, *_KEEPALIVE]
        pool = urllib3.HTTPConnectionPool(
            url.hostname, url.port or 80, maxsize=CONNECTIONS, socket_options=options, retries=False
        )
        return Connections(Exchange(url.hostname, url.port or 80, _KEEPALIVE), pool, prefix)
    context = _context(credentials)
    exchange = Exchange(url.hostname, url.port or 443, _KEEPALIVE, context, credentials.server_name)
    return Connections(exchange, _secure_pool(url, credentials, context), prefix)


def _secure_pool(url: SplitResult, credentials: Credentials, context: ssl.SSLContext) -> urllib3.HTTPSConnectionPool:
    return urllib3.HTTPSConnectionPool(
        url.hostname or "",
        url.port or 443,
        maxsize=CONNECTIONS,
        socket_options=[*HTTPConnection.default_socket_options, *_KEEPALIVE],
        retries=False,
        ssl_context=context,
        server_hostname=credentials.server_name or None,
        assert_hostname=None if credentials.verify else False,
    )


def _context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=credentials.ca or None)
    # Clusters have certificate authorities of their own, of which some lack what RFC 5280 asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not credentials.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.client_certificate:
        # OpenSSL loads a key by its file's name only: one in memory, which no disk ever sees.
        handle = os.memfd_create("client")
        try:
            os.write(handle, f"{credentials.client_certificate}\n{credentials.client_key}\n".encode())
            context.load_cert_chain(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    return context
