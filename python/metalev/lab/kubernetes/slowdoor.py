"""A door behind which everything takes longer: whoever connects here is connected there, and heard later.

``python -m metalev.lab.kubernetes.slowdoor PORT TARGET FILE``, both ports of loopback. What comes in is passed on after
a while that FILE gives in seconds, at least and at most (``0.3 1``), in order; answers go back at once. As long as
there is no FILE nothing is held up.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

from metalev.lab.kubernetes.door import pump

_CHUNK = 65536
_END = b""


class SlowDoor:
    """One door."""

    def __init__(self, target: int, file: Path) -> None:
        self._target = target
        self._file = file

    async def serve(self, port: int) -> None:
        """Until the end."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", port)
        await server.serve_forever()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # nobody there: whoever came sees a connection that ends at once
            writer.close()
            return
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        await asyncio.gather(self._hold(reader, held), _let_go(held, there_writer), pump(there_reader, writer))

    async def _hold(self, reader: asyncio.StreamReader, held: asyncio.Queue[tuple[float, bytes]]) -> None:
        due = 0.0
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                due = max(due, time.monotonic() + self._delay())
                held.put_nowait((due, data))
        held.put_nowait((due, _END))

    def _delay(self) -> float:
        try:
            least, most = map(float, self._file.read_text().split())
        except FileNotFoundError:
            return 0.0
        return random.uniform(least, most)  # noqa: S311  (no secret)


async def _let_go(held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while True:
            due, data = await held.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if data == _END:
                break
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(SlowDoor(int(sys.argv[2]), Path(sys.argv[3])).serve(int(sys.argv[1])))
