"""A proxy before the API server that does to requests what networks, load balancers and busy servers do.

Programs speak HTTP/1.1 to it; it speaks to the server as whoever its certificate says. Every request
is noted, so that a storm of them is seen.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from metalev.lab.kubernetes.faultrules import PATIENCE_S, Answer, Call, Held, Rule
from metalev.lab.kubernetes.http1 import length, read_body, read_head, send
from metalev.lab.namespace import Namespace, OwnNetwork, enter

_LIMIT = 1 << 20


class FaultProxy:
    """In front of the server at ``url``, for as long as the ``with`` block runs; each fault lasts for its own block."""

    def __init__(
        self,
        url: str,
        *,
        authority: Path | None = None,
        identity: tuple[Path, Path] | None = None,
        serving: tuple[Path, Path] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        network: Namespace | None = None,
    ) -> None:
        """``identity``, a certificate and its key, is who asks the server; without it, that is who has a token.

        It listens on ``host`` and ``port`` (0: any free one) of ``network``, by TLS if ``serving`` is its certificate.
        """
        parts = urlsplit(url)
        self._target = parts.hostname, parts.port
        self._context = ssl.create_default_context(cafile=str(authority)) if parts.scheme == "https" else None
        if self._context is not None and identity is not None:
            self._context.load_cert_chain(*identity)
        self.calls: list[Call] = []
        self.connections = 0
        self._rules: list[Rule] = []
        self._to_cut: set[asyncio.StreamWriter] = set()
        self._watches: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None] | None] = set()
        """A loop remembers its tasks weakly, and one that waits for a proxied server is known to nobody else."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._host, self._port = host, port
        self._network = network
        self._serving: ssl.SSLContext | None = None
        if serving is not None:
            self._serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._serving.load_cert_chain(*serving)
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)

    @property
    def url(self) -> str:
        """Where programs find it."""
        return f"{'https' if self._serving else 'http'}://{self._host}:{self._port}"

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
        with self._applied(Rule(method, pattern, hold=held, at_most=count)):
            yield held
        held.release()

    @contextmanager
    def answering(
        self, answer: Answer, method: str = "", pattern: str = "", *, watch: bool | None = None
    ) -> Iterator[None]:
        """Say ``answer`` to all that matches: to watches alone, or to all but them, if ``watch`` says so."""
        with self._applied(Rule(method, pattern, watch, answer)):
            yield

    @contextmanager
    def slow(self, seconds: float, method: str = "", pattern: str = "") -> Iterator[None]:
        """Let every request take longer."""
        with self._applied(Rule(method, pattern, delay=seconds)):
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
    def _applied(self, rule: Rule) -> Iterator[None]:
        self._rules.append(rule)
        try:
            yield
        finally:
            self._rules.remove(rule)

    def _do(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        if self._network is not None and not isinstance(self._network, OwnNetwork):
            enter(self._network.path)  # this thread alone: its sockets are that network's
        asyncio.set_event_loop(self._loop)
        listening = asyncio.start_server(self._serve, self._host, self._port, ssl=self._serving, limit=_LIMIT)
        server = self._loop.run_until_complete(listening)
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
            while head := await read_head(reader):
                body = await reader.readexactly(length(head))
                call = self._noted(head)
                said = await self._instead(call)
                if said is not None:
                    call.status = said.status
                    await send(writer, said.encoded())
                    continue
                if upstream is None:
                    upstream = await asyncio.open_connection(*self._target, ssl=self._context, limit=_LIMIT)
                await send(upstream[1], head + body)
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
        head = await read_head(reader)
        if not head:
            raise EOFError
        call.status = int(head.split(b" ", 2)[1])
        # A client that gave up is no reason not to hear the server out: what it held back has been done.
        with suppress(OSError):
            await send(writer, head)
        if call.watch:
            self._watches.add(writer)
        try:
            async with aclosing(read_body(reader, head)) as chunks:
                async for chunk in chunks:
                    if writer in self._to_cut:
                        await send(writer, chunk[: len(chunk) // 2])
                        raise EOFError
                    await send(writer, chunk)
        finally:
            self._watches.discard(writer)
            self._to_cut.discard(writer)


async def _end_all() -> None:
    """End every task of this loop, and let what they closed close."""
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(50):  # TLS takes several turns to let a connection go
        await asyncio.sleep(0)


__all__ = ["Answer", "Call", "FaultProxy", "Held"]
