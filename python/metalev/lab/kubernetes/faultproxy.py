"""A proxy before the API server that does to requests what networks, load balancers and busy servers do.

Programs speak plain HTTP/1.1 to it, on loopback; it speaks to the server as whoever its certificate says. Every request
is noted, so that a storm of them is seen.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct, field

PATIENCE_S = 30.0
_LIMIT = 1 << 20


class Call(Struct, eq=False):
    """A request: when it came (by the monotonic clock), and whether it is a watch; ``status`` once it is answered."""

    at: float
    method: str
    path: str
    watch: bool
    status: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def matches(self, method: str, pattern: str) -> bool:
        """Whether it is one of those; an empty ``method`` is any."""
        return (not method or method == self.method) and re.search(pattern, self.path) is not None


class Answer(Struct, frozen=True):
    """What is said instead of asking the server."""

    status: int
    reason: str = "InternalError"
    retry_after: int | None = None

    def encoded(self) -> bytes:
        """The whole response."""
        said = {"kind": "Status", "code": self.status, "reason": self.reason, "message": "the proxy says so"}
        body = json.dumps(said).encode()
        after = f"Retry-After: {self.retry_after}\r\n" if self.retry_after is not None else ""
        head = f"HTTP/1.1 {self.status} Because\r\nContent-Type: application/json\r\n{after}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Held:
    """Requests that are held back until they are released, whether their clients still wait or not."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._released = False
        self._came = threading.Condition()

    def add(self, call: Call) -> None:
        """One more; after the release, nothing is held back any more."""
        with self._came:
            self.calls.append(call)
            if self._released:
                call.released.set()
            self._came.notify_all()

    def wait_for(self, count: int = 1, timeout: float = PATIENCE_S) -> list[Call]:
        """Those that were held back, once there are ``count``."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.calls) >= count, timeout), f"only {len(self.calls)} were held"
            return list(self.calls)

    def release(self) -> None:
        """Let them go on to the server."""
        with self._came:
            self._released = True
            for call in self.calls:
                call.released.set()


class _Rule(Struct, eq=False):
    method: str
    pattern: str
    watch: bool | None = None
    answer: Answer | None = None
    hold: Held | None = None
    delay: float = 0.0
    at_most: float = inf
    """How many requests it still applies to."""


class FaultProxy:
    """In front of the server at ``url``, for as long as the ``with`` block runs; each fault lasts for its own block."""

    def __init__(self, url: str, *, authority: Path | None = None, identity: tuple[Path, Path] | None = None) -> None:
        parts = urlsplit(url)
        self._target = parts.hostname, parts.port
        self._context = ssl.create_default_context(cafile=str(authority)) if parts.scheme == "https" else None
        if self._context is not None and identity is not None:
            self._context.load_cert_chain(*identity)
        self.calls: list[Call] = []
        self.connections = 0
        self._rules: list[_Rule] = []
        self._to_cut: set[asyncio.StreamWriter] = set()
        self._watches: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None] | None] = set()
        """A loop remembers its tasks weakly, and one that waits for a proxied server is known to nobody else."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._port = 0
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)

    @property
    def url(self) -> str:
        """Where programs find it."""
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads here."""
        named = {"name": "proxy"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{**named, "cluster": {"server": self.url}}],
            "users": [{**named, "user": {}}],
            "contexts": [{**named, "context": {"cluster": "proxy", "user": "proxy"}}],
        }
        path.write_text(json.dumps(content))
        return path

    # ===== faults =====

    @contextmanager
    def hold(self, method: str, pattern: str, count: float = inf) -> Iterator[Held]:
        """Hold back up to ``count`` requests whose path matches; what is left of them goes on at the end."""
        held = Held()
        with self._applied(_Rule(method, pattern, hold=held, at_most=count)):
            yield held
        held.release()

    @contextmanager
    def answering(
        self, answer: Answer, method: str = "", pattern: str = "", *, watch: bool | None = None
    ) -> Iterator[None]:
        """Say ``answer`` to all that matches: to watches alone, or to all but them, if ``watch`` says so."""
        with self._applied(_Rule(method, pattern, watch, answer)):
            yield

    @contextmanager
    def slow(self, seconds: float, method: str = "", pattern: str = "") -> Iterator[None]:
        """Let every request take longer."""
        with self._applied(_Rule(method, pattern, delay=seconds)):
            yield

    def close_watches(self) -> None:
        """Break every watch that there is."""
        self._do(self._break_off)

    def cut_next_objects(self) -> None:
        """Break every watch in the middle of what it says next."""
        self._do(lambda: self._to_cut.update(self._watches))

    # ===== what was asked =====

    def asked(self, method: str = "", pattern: str = "", since: float = 0.0) -> list[Call]:
        """The requests that match, since a moment of the monotonic clock."""
        return [call for call in tuple(self.calls) if call.at >= since and call.matches(method, pattern)]

    def busiest_second(self, since: float = 0.0, until: float = inf) -> int:
        """The most requests within one second."""
        times = [call.at for call in tuple(self.calls) if since <= call.at < until]
        counts = Counter(int(10 * at) for at in times)
        return max((sum(counts[tenth + step] for step in range(10)) for tenth in counts), default=0)

    # ===== how it works =====

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in tuple(self.calls):
            call.released.set()
        self._do(self._loop.stop)
        self._thread.join()

    @contextmanager
    def _applied(self, rule: _Rule) -> Iterator[None]:
        self._rules.append(rule)
        try:
            yield
        finally:
            self._rules.remove(rule)

    def _do(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LIMIT))
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._loop.run_until_complete(_end_all())
            self._loop.close()

    def _break_off(self) -> None:
        for writer in tuple(self._watches):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a program, with one of its own to the server."""
        self.connections += 1
        self._tasks.add(task := asyncio.current_task())
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while head := await _head(reader):
                body = await reader.readexactly(_length(head))
                call = self._noted(head)
                said = await self._instead(call)
                if said is not None:
                    call.status = said.status
                    await _send(writer, said.encoded())
                    continue
                if upstream is None:
                    upstream = await asyncio.open_connection(*self._target, ssl=self._context, limit=_LIMIT)
                await _send(upstream[1], head + body)
                await self._answer(call, upstream[0], writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # one of them has gone, and so does the other; or it is the end
        finally:
            for one in (writer, upstream[1] if upstream else writer):
                with suppress(OSError, RuntimeError):
                    one.transport.abort()
            self._tasks.discard(task)

    def _noted(self, head: bytes) -> Call:
        method, target = head.split(b" ", 2)[:2]
        path, _, query = target.decode().partition("?")
        self.calls.append(Call(time.monotonic(), method.decode(), path, "watch=1" in query))
        return self.calls[-1]

    async def _instead(self, call: Call) -> Answer | None:
        """Hold back what is to be held back; returns what is to be said instead of asking the server."""
        for rule in tuple(self._rules):
            if rule.at_most < 1 or not call.matches(rule.method, rule.pattern) or rule.watch not in {None, call.watch}:
                continue
            rule.at_most -= 1
            if rule.answer is not None:
                return rule.answer
            if rule.hold is not None:
                rule.hold.add(call)
                while not call.released.is_set():
                    await asyncio.sleep(0.01)
            await asyncio.sleep(rule.delay)
        return None

    async def _answer(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _head(reader)
        if not head:
            raise EOFError
        call.status = int(head.split(b" ", 2)[1])
        # A client that gave up is no reason not to hear the server out: what it held back has been done.
        with suppress(OSError):
            await _send(writer, head)
        if call.watch:
            self._watches.add(writer)
        try:
            async with aclosing(_body(reader, head)) as chunks:
                async for chunk in chunks:
                    if writer in self._to_cut:
                        await _send(writer, chunk[: len(chunk) // 2])
                        raise EOFError
                    await _send(writer, chunk)
        finally:
            self._watches.discard(writer)
            self._to_cut.discard(writer)


async def _end_all() -> None:
    """End every task of this loop, and let what they closed close."""
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The head of a message; empty if there is none any more."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _header(head: bytes, name: bytes) -> bytes:
    found = re.search(rb"\r\n" + name + rb":[ \t]*([^\r]*)", head, re.IGNORECASE)
    return found[1].strip() if found else b""


def _length(head: bytes) -> int:
    return int(_header(head, b"content-length") or 0)


async def _body(reader: asyncio.StreamReader, head: bytes) -> AsyncGenerator[bytes, None]:
    """The body as it is on the wire, in pieces."""
    if _header(head, b"transfer-encoding").lower() != b"chunked":
        yield await reader.readexactly(_length(head))
        return
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        yield line + await reader.readexactly(size + 2)
        if not size:
            return


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


__all__ = ["Answer", "Call", "FaultProxy", "Held"]
