"""The lab's connections to API servers that come and go."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress

import pytest

from metalev.lab.kubernetes.connection import Connection

TRIES = 200


@pytest.fixture
def dying_server() -> Iterator[tuple[str, int]]:
    """One that resets every connection as soon as there is one, as a killed program's kernel does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reset() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    line.close()

        thread = threading.Thread(target=reset)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_no_socket_stays_open_where_the_server_resets_the_connection(dying_server: tuple[str, int]) -> None:
    context = ssl.create_default_context()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(TRIES):
            with pytest.raises(ConnectionResetError):
                Connection(dying_server, 10, context).connect()
    assert [str(one.message) for one in told if "ssl.SSLSocket" in str(one.message)] == []
