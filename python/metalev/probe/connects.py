"""Short connections, opened one after the other; what becomes of each is told when it is known."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from errno import ECONNREFUSED, EINPROGRESS
from selectors import EVENT_WRITE, BaseSelector

GIVE_UP_S = 1.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: hundreds of attempts a second must not fill TIME-WAIT


class Attempts:
    """Connections that are closed as soon as they are answered; ``succeeded`` is called with the time of each answer.

    A new one is opened whatever became of the earlier ones: an unanswered SYN, whose retransmission comes a whole
    second later (RFC 6298), must not hide that the next would have been answered.
    """

    def __init__(self, selector: BaseSelector, target: tuple[str, int], succeeded: Callable[[float], None]) -> None:
        self.opened = 0
        self.answered = 0
        self.refused = 0
        self.unanswered = 0
        self._selector = selector
        self._target = target
        self._succeeded = succeeded
        self._family = family_of(target)
        self._waiting: dict[socket.socket, float] = {}  # in the order in which they were opened

    def open(self, now: float) -> None:
        """Send a SYN; a SYN that the own kernel cannot send is unanswered at once (no route, no neighbour)."""
        self.opened += 1
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        error = sock.connect_ex(self._target)
        if error not in (0, EINPROGRESS):
            sock.close()
            self._count(error, now)
            return
        self._waiting[sock] = now
        self._selector.register(sock, EVENT_WRITE, self._settled)

    def give_up(self, now: float) -> None:
        """Close what has waited too long."""
        for sock, opened in list(self._waiting.items()):
            if now - opened < GIVE_UP_S:
                return
            self.unanswered += 1
            self._close(sock)

    def close(self) -> None:
        """Forget those that are open: they neither succeeded nor failed."""
        for sock in list(self._waiting):
            self._close(sock)

    def _settled(self, sock: socket.socket, now: float) -> None:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._close(sock)
        self._count(error, now)

    def _count(self, error: int, now: float) -> None:
        if error == ECONNREFUSED:
            self.refused += 1
        elif error:
            self.unanswered += 1
        else:
            self.answered += 1
            self._succeeded(now)

    def _close(self, sock: socket.socket) -> None:
        del self._waiting[sock]
        self._selector.unregister(sock)
        sock.close()


def family_of(target: tuple[str, int]) -> socket.AddressFamily:
    """IPv4 or IPv6."""
    return socket.AF_INET6 if ":" in target[0] else socket.AF_INET
