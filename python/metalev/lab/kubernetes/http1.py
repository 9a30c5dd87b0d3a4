"""As much of HTTP/1.1 as a proxy for the API needs (RFC 9112)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """The head of a message; empty if there is none any more."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def header(head: bytes, name: bytes) -> bytes:
    """The value of a header; empty if there is none."""
    found = re.search(rb"\r\n" + name + rb":[ \t]*([^\r]*)", head, re.IGNORECASE)
    return found[1].strip() if found else b""


def length(head: bytes) -> int:
    """How long the body is that follows."""
    return int(header(head, b"content-length") or 0)


async def read_body(reader: asyncio.StreamReader, head: bytes) -> AsyncGenerator[bytes, None]:
    """The body as it is on the wire, in pieces."""
    if header(head, b"transfer-encoding").lower() != b"chunked":
        yield await reader.readexactly(length(head))
        return
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        yield line + await reader.readexactly(size + 2)
        if not size:
            return


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write it, and wait for room for more."""
    writer.write(data)
    await writer.drain()
