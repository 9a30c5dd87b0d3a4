"""A door from one network into another: whoever connects here is connected there.

``python -m metalev.lab.kubernetes.door FD HOST:PORT``: FD is an inherited socket that listens. It belongs to the
network that it was opened in, while this program runs in the one where HOST:PORT can be reached.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

_CHUNK = 65536


async def _serve(listener: socket.socket, host: str, port: int) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(host, port)
        except OSError:  # nobody there: whoever came sees a connection that ends at once
            writer.close()
            return
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    server = await asyncio.start_server(pass_on, sock=listener)
    await server.serve_forever()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on what comes until it ends."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    _host, _, _port = sys.argv[2].rpartition(":")
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1])), _host, int(_port)))
