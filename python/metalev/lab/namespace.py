"""One network namespace, and how to do something inside it."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from metalev.lab.system import check
from metalev.model.errors import MetalevError

T = TypeVar("T")

NAMESPACES = Path("/run/netns")  # where ip-netns(8) keeps them
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(MetalevError):
    """Something in the lab failed; the message names the namespace, the command and what it said."""


class Namespace:
    """A named network namespace. It owns nothing: :meth:`create` and :meth:`remove` are called by whoever does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = NAMESPACES / name

    def create(self) -> None:
        """Make it, as ``ip netns add`` does; FileExistsError if the name is taken."""
        from pyroute2 import netns  # noqa: PLC0415, TID251  (half a second that pods and prober do not need)

        def unshare() -> None:
            check(_libc.unshare(CLONE_NEWNET), "unshare")
            netns.attach(self.name, threading.get_native_id())

        # In a thread of its own, which keeps the new namespace; without a fork, which other threads would not survive.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(unshare).result()

    def remove(self) -> None:
        """Take the name away; the kernel frees the namespace with its last process and socket. Absent is fine."""
        _libc.umount2(os.fsencode(self.path), 2)  # MNT_DETACH; an error means that it was not mounted
        self.path.unlink(missing_ok=True)

    def call(self, function: Callable[[], T]) -> T:
        """Run ``function`` in a thread inside the namespace, so that the caller's own thread never leaves its own."""
        with ThreadPoolExecutor(max_workers=1, initializer=enter, initargs=(self.path,)) as thread:
            return thread.submit(function).result()

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket that belongs to the namespace for as long as it lives."""
        return self.call(lambda: socket.socket(family, kind, protocol))

    def sysctl(self, name: str, value: int, *, optional: bool = False) -> None:
        """Set a ``net.`` sysctl (``ipv4/ip_forward``); each namespace has its own. An ``optional`` one may lack."""
        path = Path("/proc/sys/net") / name

        def write() -> None:
            if path.exists() or not optional:
                path.write_text(f"{value}\n")

        self.call(write)

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs ``argv`` in it. ``nsenter`` becomes ``argv``: it keeps the process id."""
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; :class:`LabError` if it fails (unless ``check`` is off) or takes too long."""
        try:
            done = subprocess.run(
                self.inside(argv), input=stdin, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: `{' '.join(argv)}` did not end within {timeout:g} s") from None
        if check and done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise LabError(f"{self.name}: `{' '.join(argv)}` failed ({done.returncode}): {said}")
        return done


class OwnNetwork(Namespace):
    """The network that this program is in already, for what runs on its loopback."""

    def __init__(self) -> None:
        super().__init__("localhost")

    def create(self) -> None:
        """It is there."""

    def remove(self) -> None:
        """It stays."""

    def call(self, function: Callable[[], T]) -> T:
        """Run ``function``, in the caller's own thread."""
        return function()

    def inside(self, argv: Sequence[str]) -> list[str]:
        """``argv`` as it is."""
        return list(argv)


def enter(path: Path) -> None:
    """Move the calling thread into the namespace (setns(2); in Python's own ``os`` only since 3.12)."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        check(_libc.setns(handle, CLONE_NEWNET), f"setns {path}")
    finally:
        os.close(handle)
