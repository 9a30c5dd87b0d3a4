"""As much of HTTP/1.1 as a proxy for the API needs (RFC 9112)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass
class Message:
    """The head of a request or an answer, and the body of a request."""

    start: str
    headers: dict[str, str]  # by lower-case names
    body: bytes = b""

    def encode(self) -> bytes:
        """As it goes over the wire."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


async def read_head(reader: asyncio.StreamReader) -> Message | None:
    """The next head; None where the connection ends instead."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    start, *lines = text.rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Message(start, {name.lower(): value.strip() for name, _, value in pairs})


async def relay_body(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: Message, cut_after: int | None = None
) -> bool:
    """Pass an answer's body on as it comes; False if the connection cannot be used again after it.

    With ``cut_after``, at most so many bytes of content are passed on.
    """
    left = cut_after
    if "chunked" not in head.headers.get("transfer-encoding", ""):
        length = int(head.headers.get("content-length", "0"))
        part = length if left is None else min(length, left)
        writer.write(await reader.readexactly(part))
        await writer.drain()
        return part == length
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        content = await reader.readexactly(size + 2)  # the line's end is part of a chunk
        if left is not None and size >= left:
            writer.write(f"{left:x}\r\n".encode() + content[:left])
            await writer.drain()
            return False
        writer.write(f"{size:x}\r\n".encode() + content)
        await writer.drain()
        left = None if left is None else left - size
        if size == 0:
            return True
