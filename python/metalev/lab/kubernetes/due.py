"""Names that are to be looked at, each once, now or later."""

from __future__ import annotations

import threading
import time
from typing import TypeAlias

Key: TypeAlias = tuple[str, str]


class Due:
    """A queue in which a name stands once, with the earliest time that was asked for."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._changed = threading.Condition()
        self._closed = False

    def add(self, key: Key, delay: float = 0) -> None:
        """Look at ``key`` within ``delay`` seconds."""
        when = time.monotonic() + delay
        with self._changed:
            if when < self._due.get(key, float("inf")):
                self._due[key] = when
                self._changed.notify_all()

    def take(self) -> Key | None:
        """Wait for the next name; None once it is closed."""
        with self._changed:
            while not self._closed:
                key = min(self._due, key=self._due.__getitem__, default=None)
                left = None if key is None else self._due[key] - time.monotonic()
                if key is not None and left is not None and left <= 0:
                    del self._due[key]
                    return key
                self._changed.wait(left)
            return None

    def close(self) -> None:
        """Nothing more is taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
