"""What can go wrong on the way to an API server."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from http import HTTPStatus

from metalev.lab.kubernetes.http1 import Message
from metalev.lab.namespace import LabError


class Fault:
    """What happens to requests that match, until it has happened ``times`` times or is stopped."""

    def __init__(self, pattern: str, times: int | None) -> None:
        self._pattern = re.compile(pattern)
        self._left = times
        self.hits = 0

    def stop(self) -> None:
        """From now on requests go their way."""
        self._left = 0

    def takes(self, what: str) -> bool:
        """Whether it happens to this request; it counts then."""
        if self._left == 0 or not self._pattern.search(what):
            return False
        self._left = None if self._left is None else self._left - 1
        self.hits += 1
        return True

    async def before(self) -> Message | None:
        """What happens before the API server sees the request; an answer ends it there."""

    @property
    def cut_after(self) -> int | None:
        """After how many bytes of the answer's body the connection ends; None: after all of them."""
        return None


class Answer(Fault):
    """The answer of an API server that cannot or will not."""

    def __init__(self, pattern: str, times: int | None, status: int, retry_after: int | None) -> None:
        super().__init__(pattern, times)
        reason = HTTPStatus(status).phrase.replace(" ", "")
        said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status}
        body = json.dumps({**said, "message": f"the test says {status}"}).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        if retry_after is not None:
            headers["retry-after"] = str(retry_after)
        self._answer = Message(f"HTTP/1.1 {status} {reason}", headers, body)

    async def before(self) -> Message:
        """The answer."""
        return self._answer


class Delay(Fault):
    """A slow API server."""

    def __init__(self, pattern: str, times: int | None, seconds: float) -> None:
        super().__init__(pattern, times)
        self._seconds = seconds

    async def before(self) -> None:
        """Wait."""
        await asyncio.sleep(self._seconds)


class Cut(Fault):
    """A connection that breaks in the middle of an answer."""

    def __init__(self, pattern: str, times: int | None, after: int) -> None:
        super().__init__(pattern, times)
        self._after = after

    @property
    def cut_after(self) -> int:
        """After so many bytes."""
        return self._after


class Hold(Fault):
    """Requests that are held back until they are released."""

    def __init__(self, pattern: str, times: int | None, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(pattern, times)
        self._loop = loop
        self._arrived = threading.Event()
        self._released = asyncio.Event()

    def wait(self, timeout: float = 20) -> None:
        """Wait until the first of them is here. Raises :class:`LabError` if none comes."""
        if not self._arrived.wait(timeout):
            raise LabError(f"no request matched {self._pattern.pattern!r} within {timeout:g} s")

    def release(self) -> None:
        """Let them go on, also those whose sender has given up, and hold no more."""
        self.stop()
        self._loop.call_soon_threadsafe(self._released.set)

    async def before(self) -> None:
        """Tell that it is here, and wait."""
        self._arrived.set()
        await self._released.wait()
