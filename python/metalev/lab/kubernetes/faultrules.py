"""What goes wrong on the way to an API server: which requests it happens to, and what is seen of them."""

from __future__ import annotations

import json
import re
import threading
from math import inf

from msgspec import Struct, field

PATIENCE_S = 60.0


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


class Rule(Struct, eq=False):
    """What happens to the requests that match; ``watch`` is for watches alone, or for all but them."""

    method: str
    pattern: str
    watch: bool | None = None
    answer: Answer | None = None
    hold: Held | None = None
    delay: float = 0.0
    at_most: float = inf
    """How many requests it still applies to."""
