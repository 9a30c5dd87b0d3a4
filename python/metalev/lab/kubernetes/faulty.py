"""A way to the API server on which things go wrong: a proxy that answers, holds, delays or cuts what a test names.

It ends TLS on both sides, so those who come by it need a token: a client certificate proves nothing here. A request is
named by a pattern that is searched in ``METHOD /path?query``; of several faults that match, the latest counts::

    with FaultyApi(plane) as api:
        program = start(api.kubeconfig(plane.service_account("metallb-system", "controller")))
        held = api.hold("PATCH .*/status")
        held.wait()                     # it is here, and the API server has not seen it
        ...
        held.release()                  # now it goes on, whatever became of who sent it
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from metalev.lab.kubernetes import kubeconfig
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.faults import Answer, Cut, Delay, Fault, Hold
from metalev.lab.kubernetes.http1 import Message, read_head, relay_body
from metalev.lab.namespace import LabError, OwnNetwork, enter

STARTS_S = 10
NOISE = (OSError, asyncio.IncompleteReadError, ssl.SSLError)  # one of the two sides went away


class Request(Struct, frozen=True):
    """A request that came: when (time.monotonic()), what, by which program, and the status of the answer."""

    at: float
    what: str
    agent: str
    status: int


class FaultyApi:
    """The proxy, for as long as the ``with`` block runs: beside the API server, on ``port`` or any free one."""

    def __init__(self, plane: ControlPlane, port: int = 0) -> None:
        self._plane = plane
        self._port = port
        self._faults: list[Fault] = []
        self.requests: list[Request] = []
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lab-faulty-api", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(STARTS_S) or self._failure is not None:
            raise LabError(f"the faulty way to the API server does not start: {self._failure}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    # ===== what goes wrong =====

    def answer(self, pattern: str, status: int, *, retry_after: int | None = None, times: int | None = None) -> Fault:
        """Answer with a status of HTTP; the API server sees nothing of it."""
        return self._add(Answer(pattern, times, status, retry_after))

    def delay(self, pattern: str, seconds: float, *, times: int | None = None) -> Fault:
        """Pass requests on later."""
        return self._add(Delay(pattern, times, seconds))

    def cut(self, pattern: str, after: int, *, times: int | None = None) -> Fault:
        """End the connection after so many bytes of the answer's body."""
        return self._add(Cut(pattern, times, after))

    def hold(self, pattern: str, *, times: int | None = None) -> Hold:
        """Hold requests back until :meth:`Hold.release`."""
        fault = Hold(pattern, times, self._loop)
        self._add(fault)
        return fault

    def cut_all(self) -> None:
        """End every connection that there is."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._connections])

    def heal(self) -> None:
        """No more faults. What is held stays held."""
        for fault in self._faults:
            fault.stop()

    # ===== the way =====

    @property
    def server(self) -> str:
        """The URL of the API on this way."""
        return f"https://{self._plane.address}:{self._port}"

    def kubeconfig(self, config: Path) -> Path:
        """The same kubeconfig, which must have a token, on this way."""
        return kubeconfig.moved(config, self.server, "faulty")

    def count(self, pattern: str) -> int:
        """How many requests matched so far."""
        return sum(1 for request in list(self.requests) if re.search(pattern, request.what))

    def _add(self, fault: Fault) -> Fault:
        self._faults = [fault, *self._faults]
        return fault

    def _run(self) -> None:
        try:
            if not isinstance(self._plane.namespace, OwnNetwork):
                enter(self._plane.namespace.path)  # this thread alone: its sockets are the control plane's
            asyncio.set_event_loop(self._loop)
            server = self._loop.run_until_complete(self._listen())
        except Exception as failure:  # noqa: BLE001  (whoever starts it is told)
            self._failure = failure
            self._started.set()
            self._loop.close()
            return
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in list(self._connections):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._connections, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._plane.server_certificate)
        server = await asyncio.start_server(self._accept, self._plane.address, self._port, ssl=context)
        self._port = server.sockets[0].getsockname()[1]
        return server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(*NOISE, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trust = ssl.create_default_context(cafile=str(self._plane.authority))
        upstream = None
        try:
            while (request := await read_head(reader)) is not None:
                request.body = await reader.readexactly(int(request.headers.get("content-length", "0")))
                what = request.start.rpartition(" ")[0]
                fault = next((fault for fault in self._faults if fault.takes(what)), None)
                answer = await fault.before() if fault is not None else None
                if answer is not None:
                    self._note(what, request, answer)
                    writer.write(answer.encode())
                    await writer.drain()
                    continue
                if upstream is None:
                    upstream = await asyncio.open_connection(self._plane.address, self._plane.port, ssl=trust)
                upstream[1].write(request.encode())
                await upstream[1].drain()
                head = await read_head(upstream[0])
                if head is None:
                    return
                self._note(what, request, head)
                writer.write(head.encode())
                cut_after = fault.cut_after if fault is not None else None
                if not await relay_body(upstream[0], writer, head, cut_after):
                    return
        finally:
            if upstream is not None:
                upstream[1].transport.abort()

    def _note(self, what: str, request: Message, answer: Message) -> None:
        status = int(answer.start.split()[1])
        self.requests.append(Request(time.monotonic(), what, request.headers.get("user-agent", ""), status))
