"""A program that asks a segment for addresses that nobody has, at a steady rate, until it is told to end.

``python flood.py PER_SECOND INTERFACE ASIDE FRAME...``: the frames in hexadecimal; each in turn is sent as a batch. It
begins on ASIDE, where whoever is measured does not hear it, and goes over by SIGUSR1 to INTERFACE, by SIGUSR2 to ASIDE:
so it costs this machine as much in either case. After each batch that is the first on an interface it says so; at its
end it prints how many it sent per second on each.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import cycle
from types import FrameType

from bench.questions import Batch

SEGMENT, ASIDE = signal.SIGUSR1, signal.SIGUSR2
BEHIND_S = 0.01  # so much of what was missed, while the machine did something else, is made up for
SAID = {SEGMENT: "floods the segment", ASIDE: "floods aside"}


def command(per_second: float, interface: str, aside: str, frames: Sequence[bytes]) -> list[str]:
    """The command line that floods; it needs this checkout in ``PYTHONPATH``."""
    return [sys.executable, __file__, str(per_second), interface, aside, *(frame.hex() for frame in frames)]


class Flood:
    """What is sent where, and what was asked for by signals."""

    def __init__(self, interface: socket.socket, aside: socket.socket) -> None:
        self._sockets = {SEGMENT: interface, ASIDE: aside}
        self._wanted, self._ended = ASIDE, False
        self._sent, self._seconds = dict.fromkeys(SAID, 0), dict.fromkeys(SAID, 0.0)

    def signalled(self, number: int, _: FrameType | None) -> None:
        """Go over, or end."""
        if number == signal.SIGTERM:
            self._ended = True
        else:
            self._wanted = signal.Signals(number)

    def run(self, per_second: float, frames: Sequence[bytes]) -> None:
        """Send until the end. What is long overdue is not made up for: that would be a burst."""
        batches = cycle(map(Batch, frames))
        where, due = None, time.perf_counter()
        while not self._ended:
            now, going = time.perf_counter(), self._wanted
            sent = next(batches).send(self._sockets[going])
            if going != where:
                print(SAID[going], flush=True)
                where = going
            due = max(due, now - BEHIND_S) + sent / per_second
            time.sleep(max(0, due - time.perf_counter()))  # noqa: TID251  (a pace, and nothing that is awaited)
            self._sent[going] += sent
            self._seconds[going] += time.perf_counter() - now

    def summary(self) -> str:
        """The frames per second, on the segment and aside."""
        rates = (self._sent[to] / max(self._seconds[to], 1e-9) for to in (SEGMENT, ASIDE))
        return "sent {:,.0f} per second, {:,.0f} aside".format(*rates)


def main(per_second: float, interface: str, aside: str, frames: Sequence[bytes]) -> None:
    """Flood until SIGTERM."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) for _ in SAID]
        for sock, name in zip(sockets, (interface, aside), strict=True):
            sock.bind((name, 0))  # protocol 0: nothing arrives
        flood = Flood(*sockets)
        for number in (signal.SIGTERM, SEGMENT, ASIDE):
            signal.signal(number, flood.signalled)
        flood.run(per_second, frames)
        print(flood.summary(), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3], [bytes.fromhex(frame) for frame in sys.argv[4:]])
