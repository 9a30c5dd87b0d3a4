"""The pods' servers: one program for all pods of a lab, instead of one per pod.

Port 80 speaks HTTP/1.1 with keep-alive and answers every request with the words of the usual test image, plus who
asked as the pod sees it::

    Server address: 10.244.1.2:80
    Server name: pod-a
    Node: node1
    Client address: 192.168.1.100:40312

Asked for ``/hostname`` or ``/clientip``, it says just that, as Kubernetes' own test image (agnhost) does.

Port 7 echoes (RFC 862), for connections that are held. A UDP port answers each datagram with the same words,
``hostname`` and ``clientip`` as above. The lab opens the sockets inside the pods' namespaces and hands them over, so
this needs no privilege and nobody has to wait until it is up.
"""

from __future__ import annotations

import selectors
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import product

import msgspec

from metalev.lab.namespace import Namespace
from metalev.lab.topology import PodSpec, socket_address

HTTP_PORT = 80
ECHO_PORT = 7
PORTS = ((HTTP_PORT, "TCP"), (ECHO_PORT, "TCP"))  # what every pod serves
_BACKLOG = 1024
_REQUEST_MAX = 65536
_CHUNK = 65536


class Listener(msgspec.Struct, frozen=True):
    """An open socket of a pod, by its file descriptor."""

    fd: int
    port: int
    address: str
    pod: str
    node: str
    protocol: str = "TCP"

    def page(self, client: str, asked: str = "") -> str:
        """What it says to a client."""
        if asked == "hostname":
            return f"{self.pod}\n"
        if asked == "clientip":
            return f"{client}\n"
        return (
            f"Server address: {socket_address(self.address, self.port)}\nServer name: {self.pod}\nNode: {self.node}\n"
            f"Client address: {client}\n"
        )


class Connection:
    """One accepted connection: bytes in, bytes out."""

    def __init__(self, sock: socket.socket, listener: Listener, client: str) -> None:
        self.sock = sock
        self.received = b""
        self.unsent = b""
        self.closing = False
        self._listener = listener
        self._client = client

    def take(self, data: bytes) -> None:
        """Work off what arrived."""
        if self._listener.port == ECHO_PORT:
            self.unsent += data
            return
        self.received += data
        while not self.closing and b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self._answer(head)
        self.closing |= len(self.received) > _REQUEST_MAX

    def _answer(self, head: bytes) -> None:
        """Requests have no body here: a GET or HEAD. RFC 9112 section 9.3: persistent unless someone says otherwise."""
        request, _, headers = head.partition(b"\r\n")
        self.closing = request.endswith(b"HTTP/1.0") or b"connection: close" in headers.lower()
        path = request.decode(errors="replace").split(" ")[1:2]
        body = self._listener.page(self._client, "".join(path).removeprefix("/")).encode()
        ending = "close" if self.closing else "keep-alive"
        headers_out = ("Content-Type: text/plain", f"Content-Length: {len(body)}", f"Connection: {ending}")
        self.unsent += "\r\n".join(("HTTP/1.1 200 OK", *headers_out, "", "")).encode()
        self.unsent += b"" if request.startswith(b"HEAD ") else body


class Server:
    """Serves all sockets in one thread."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._selector = selectors.DefaultSelector()
        for listener in listeners:
            sock = socket.socket(fileno=listener.fd)
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, listener)

    def serve(self) -> None:
        """For ever."""
        while True:
            for key, events in self._selector.select():
                if isinstance(key.data, Listener) and key.data.protocol == "UDP":
                    self._answer(key.fileobj, key.data)
                elif isinstance(key.data, Listener):
                    self._accept(key.fileobj, key.data)
                else:
                    self._serve_one(key.data, events)

    def _accept(self, sock: object, listener: Listener) -> None:
        assert isinstance(sock, socket.socket)
        with suppress(BlockingIOError, ConnectionAbortedError):
            accepted, client = sock.accept()
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(accepted, listener, socket_address(client[0], client[1]))
            self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _answer(self, sock: object, listener: Listener) -> None:
        assert isinstance(sock, socket.socket)
        with suppress(OSError):  # a reply that cannot be sent is lost, as any datagram may be
            asked, client = sock.recvfrom(_CHUNK)
            page = listener.page(socket_address(client[0], client[1]), asked.decode(errors="replace").strip())
            sock.sendto(page.encode(), client)

    def _serve_one(self, connection: Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                data = connection.sock.recv(_CHUNK)
                connection.closing |= not data
                connection.take(data)
            if connection.unsent:
                connection.unsent = connection.unsent[connection.sock.send(connection.unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # the client has gone away; nothing is left to be told
            connection.unsent, connection.closing = b"", True
        self._arm(connection)

    def _arm(self, connection: Connection) -> None:
        if connection.closing and not connection.unsent:
            self._selector.unregister(connection.sock)
            connection.sock.close()
            return
        reading = 0 if connection.closing else selectors.EVENT_READ
        writing = selectors.EVENT_WRITE if connection.unsent else 0
        self._selector.modify(connection.sock, reading | writing, connection)


def listen(
    namespace: Namespace, pod: PodSpec, node: str, stack: ExitStack, ports: Iterable[tuple[int, str]] = PORTS
) -> Iterator[Listener]:
    """Open a pod's sockets, a port and its protocol each; ``stack`` closes this process's copies of them."""
    for address, (port, protocol) in product(pod.addresses, ports):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        sock = stack.enter_context(namespace.socket(family, kind))
        sock.bind((str(address), port))
        if protocol == "TCP":
            sock.listen(_BACKLOG)
        yield Listener(sock.fileno(), port, str(address), pod.name, node, protocol)


def command(listeners: Sequence[Listener]) -> list[str]:
    """The command line of the program that serves ``listeners``, which it must inherit."""
    return [sys.executable, "-m", "metalev.lab.pods", msgspec.json.encode(listeners).decode()]


if __name__ == "__main__":
    Server(msgspec.json.decode(sys.argv[1], type=list[Listener])).serve()
