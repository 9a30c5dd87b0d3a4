"""The prober's sockets: short attempts, and connections that are held. Each registers its own handler."""

from __future__ import annotations

import socket
import struct
import sys
from collections import deque
from contextlib import suppress
from errno import ECONNREFUSED, EINPROGRESS
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

GIVE_UP_S = 1.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: hundreds of attempts a second must not fill TIME-WAIT
MESSAGE = b"held...\n"
STALLED_S = 1.0  # a held connection whose echo is this late at the end counts as lost


class Attempts:
    """Connections that are opened one after the other and closed as soon as they are answered."""

    def __init__(self, selector: BaseSelector, target: tuple[str, int]) -> None:
        self.opened = 0
        self.refused = 0
        self.unanswered = 0
        self.completions: list[float] = []
        self._selector = selector
        self._target = target
        self._family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self._waiting: dict[socket.socket, float] = {}  # in the order in which they were opened

    def open(self, now: float) -> None:
        """Send a SYN; a SYN that the own kernel cannot send is unanswered at once (no route, no neighbour)."""
        self.opened += 1
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        error = sock.connect_ex(self._target)
        if error not in (0, EINPROGRESS):
            self._count(error, now)
            sock.close()
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

    def _settled(self, sock: socket.socket, now: float) -> None:
        self._count(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), now)
        self._close(sock)

    def _count(self, error: int, now: float) -> None:
        if error == ECONNREFUSED:
            self.refused += 1
        elif error:
            self.unanswered += 1
        else:
            if not self.completions:
                sys.stdout.write("answered\n")
                sys.stdout.flush()
            self.completions.append(now)

    def _close(self, sock: socket.socket) -> None:
        del self._waiting[sock]
        self._selector.unregister(sock)
        sock.close()


class Held:
    """One connection that lives as long as the probing, with an echo awaited all the time."""

    def __init__(self, selector: BaseSelector, target: tuple[str, int]) -> None:
        self.longest_silence = 0.0
        self._selector = selector
        self._unechoed: deque[float] = deque()  # when each outstanding message was sent
        self._received = 0
        self._broken = False
        self._socket = socket.create_connection(target, timeout=10)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self._socket, EVENT_READ, self._echoed)

    def send(self, now: float) -> None:
        """Send one message more."""
        if self._broken:
            return
        try:
            self._socket.send(MESSAGE)
        except BlockingIOError:
            return  # the send buffer is full of what is not acknowledged: the oldest message tells how long
        except OSError:
            self._break()
            return
        self._unechoed.append(now)

    def is_lost(self, now: float) -> bool:
        """Whether it broke, or has been waiting too long for an echo."""
        return self._broken or (bool(self._unechoed) and now - self._unechoed[0] > STALLED_S)

    def _echoed(self, sock: socket.socket, now: float) -> None:
        data = b""
        with suppress(OSError):
            data = sock.recv(65536)
        if not data:
            self._break()
            return
        self._received += len(data)
        while self._received >= len(MESSAGE) and self._unechoed:
            self._received -= len(MESSAGE)
            self.longest_silence = max(self.longest_silence, now - self._unechoed.popleft())

    def _break(self) -> None:
        self._broken = True
        self._selector.unregister(self._socket)
        self._socket.close()
