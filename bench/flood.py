"""A program that asks a segment for addresses that nobody has, at a steady rate, until it is told to end.

``python flood.py INTERFACE PER_SECOND FRAME...``: the frames in hexadecimal; each in turn is sent as a batch. At its
end it prints how many it sent per second.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from itertools import cycle

from bench.questions import Batch

READY = "floods"


def command(interface: str, per_second: float, frames: Sequence[bytes]) -> list[str]:
    """The command line that floods; it needs this checkout in ``PYTHONPATH``."""
    return [sys.executable, __file__, interface, str(per_second), *(frame.hex() for frame in frames)]


def main(interface: str, per_second: float, frames: Sequence[bytes]) -> None:
    """Flood until SIGTERM."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:  # protocol 0: nothing arrives
        sock.bind((interface, 0))
        print(READY, flush=True)
        began, sent = time.perf_counter(), 0
        for batch in cycle(map(Batch, frames)):
            sent += batch.send(sock)
            if told.wait(max(0, began + sent / per_second - time.perf_counter())):
                break
        print(f"sent {sent / (time.perf_counter() - began):.0f} per second", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), [bytes.fromhex(frame) for frame in sys.argv[3:]])
