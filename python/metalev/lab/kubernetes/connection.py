"""A connection to an API server that leaves nothing open when it fails."""

from __future__ import annotations

import http.client
import socket
import ssl


class Connection(http.client.HTTPSConnection):
    """As that of the library, but TLS is laid on the socket before it connects.

    Laid on one that the peer has reset already, CPython (3.11) raises and loses sight of the open socket.
    """

    def __init__(self, address: tuple[str, int], timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(*address, timeout=timeout, context=context)
        self._secure = context

    def connect(self) -> None:
        """Open the connection and shake hands; raises ``OSError``."""
        family, *_, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        line = self._secure.wrap_socket(socket.socket(family), server_hostname=self.host)
        try:
            line.settimeout(self.timeout)
            line.connect(address)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            line.close()
            raise
        self.sock = line
