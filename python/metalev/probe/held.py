"""A connection that is held: either it echoes all the time, or it is idle and the kernels ask each other."""

from __future__ import annotations

import os
import socket
from collections import deque
from errno import EINPROGRESS
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

from metalev.probe.connects import RESET_ON_CLOSE, family_of

MESSAGE = b"held...\n"
STALLED_S = 1.0  # a connection whose echo is this late at the end counts as lost
KEEPALIVE_S = 1
KEEPALIVE_MISSES = 5
CLOSED = "closed by the server"


class Held:
    """One connection that lives as long as it can.

    With ``echo`` the server must send back what it gets. Without, nothing is sent but TCP's own keep-alive, every
    second: whoever does not know the connection answers that with a reset, and no server needs to help.
    """

    def __init__(self, selector: BaseSelector, target: tuple[str, int], *, echo: bool) -> None:
        self.established = False
        self.ended: float | None = None
        self.why = ""
        self.longest_silence = 0.0
        self._selector = selector
        self._echo = echo
        self._unechoed: deque[float] = deque()  # when each outstanding message was sent
        self._received = 0
        self._socket = socket.socket(family_of(target), socket.SOCK_STREAM)
        self._socket.setblocking(False)
        for level, option, value in _options(echo=echo):
            self._socket.setsockopt(level, option, value)
        error = self._socket.connect_ex(target)
        if error not in (0, EINPROGRESS):
            raise OSError(error, "a connection to hold cannot be opened")
        selector.register(self._socket, EVENT_WRITE, self._settled)

    def send(self, now: float) -> None:
        """Send one message more, if it is one that echoes."""
        if not self._echo or not self.established or self.ended is not None:
            return
        try:
            self._socket.send(MESSAGE)
        except BlockingIOError:
            return  # the send buffer is full of what is not acknowledged: the oldest message tells how long
        except OSError as error:
            self._end(now, error.strerror or str(error))
            return
        self._unechoed.append(now)

    def is_lost(self, now: float) -> bool:
        """Whether it broke, or has been waiting too long for an echo; one that the server closed is not lost."""
        if self.ended is not None:
            return self._echo or self.why != CLOSED
        return bool(self._unechoed) and now - self._unechoed[0] > STALLED_S

    def close(self) -> None:
        """The end of the probing; the server is told."""
        if self.ended is None:
            self._selector.unregister(self._socket)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._socket.close()

    def _settled(self, sock: socket.socket, now: float) -> None:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._end(now, os.strerror(error))
            return
        self.established = True
        self._selector.modify(sock, EVENT_READ, self._readable)

    def _readable(self, sock: socket.socket, now: float) -> None:
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(now, error.strerror or str(error))
            return
        if not data:
            self._end(now, CLOSED)
            return
        self._received += len(data)
        while self._received >= len(MESSAGE) and self._unechoed:
            self._received -= len(MESSAGE)
            self.longest_silence = max(self.longest_silence, now - self._unechoed.popleft())

    def _end(self, now: float, why: str) -> None:
        self.ended, self.why = now, why
        self._selector.unregister(self._socket)
        self._socket.close()


def _options(*, echo: bool) -> list[tuple[int, int, int]]:
    if echo:
        return [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_MISSES),
    ]
