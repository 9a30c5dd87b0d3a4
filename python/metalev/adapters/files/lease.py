"""The right to be the one controller of a state folder: a local lock with its holder's name in it."""

from __future__ import annotations

import fcntl
import math
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metalev.adapters.codec import encode
from metalev.adapters.files import documents
from metalev.adapters.files.documents import UnreadableDocument
from metalev.adapters.files.state import CONTROLLER
from metalev.model.errors import StartError
from metalev.ports.clock import Clock


class FilesLease:
    """A lock that ends with its process, so that who lost it cannot write (:class:`metalev.ports.Leases`).

    On a disk that several hosts share, the kernel's lock may not reach the others; so the file names the host too,
    and a name that another host left there counts as held until somebody removes the file.
    """

    fenced = True
    margin = 0.0

    def __init__(self, state: Path, clock: Clock, identity: str = "") -> None:
        """``identity`` is the host's name, by default its own."""
        self._path = state / CONTROLLER / "lock"
        self._clock = clock
        self._host = identity or socket.gethostname()
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises ``StartError`` that names the holder, or why the file cannot be used."""
        if self._descriptor is not None:
            return
        try:
            self._descriptor = self._open_locked()
        except OSError as error:
            raise StartError(f"cannot lock {self._path}: {error.strerror}; check the owner of the folder") from error

    def remaining(self) -> float:
        """It does not end by the clock; it is gone (0) once the file that was locked is no longer the one at its place.

        Somebody removed it, as a name that a lost host left there asks for: the next controller locks a new file, and
        this one must not write beside it.
        """
        if self._descriptor is None:
            return 0.0
        try:
            return math.inf if os.path.samestat(os.fstat(self._descriptor), self._path.stat()) else 0.0
        except OSError:
            return 0.0

    def release(self) -> None:
        """Give the lock back. May be called twice."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        # Emptied, not removed: somebody may have opened it already, and would lock a file that nobody else can see.
        os.ftruncate(descriptor, 0)
        os.close(descriptor)

    def _open_locked(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._lock(descriptor)
            self._refuse_other_host(_holder(descriptor))
            self._sign(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            host, pid = holder.get("host", "an unknown host"), holder.get("pid", "?")
            raise StartError(
                f"the controller already runs on {host} as process {pid} ({self._path}); "
                "one serves any number of nodes: stop that one first"
            ) from None

    def _refuse_other_host(self, holder: Mapping[str, Any]) -> None:
        if holder and holder.get("host") != self._host:
            raise StartError(
                f"the controller already runs on {holder.get('host')} as process {holder.get('pid')}, "
                f"since {holder.get('since')} ({self._path}); if that host is gone, remove this file and start again"
            )

    def _sign(self, descriptor: int) -> None:
        since = encode.timestamp(self._clock.wall())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"host: {self._host}\npid: {os.getpid()}\nsince: {since}\n".encode(), 0)
        os.fsync(descriptor)


def _holder(descriptor: int) -> Mapping[str, Any]:
    """Who signed the file: host, pid, since. Nobody if it is empty or was cut by a crash."""
    try:
        content = documents.load_yaml(os.pread(descriptor, 4096, 0).decode(errors="replace"))
    except UnreadableDocument:
        return {}
    return content if isinstance(content, dict) else {}
