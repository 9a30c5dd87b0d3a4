"""Notices that files changed: soon by the kernel, and at last by looking."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

from metalev.adapters.files.inotify import Inotify

log = logging.getLogger("metalev.files")

# Editors write in several steps; a change is taken up when nothing more came for STEP_SECONDS, or after
# DEBOUNCE_SECONDS anyway.
DEBOUNCE_SECONDS = 0.1
STEP_SECONDS = 0.02
WATCH_AGAIN_SECONDS = 30.0
# Where the kernel tells of every change, a look at everything only makes up for what nobody foresaw: what it could not
# tell because there was too much of it, it says. So it is much rarer; with thousands of files it is all the CPU time
# that a program at rest uses for them.
RARER = 12
# File systems on which nobody else writes. Whatever is not among them (NFS, FUSE, what is unknown) may change untold.
LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs"})
MOUNTS = Path("/proc/self/mountinfo")
# A call that takes longer is stuck (a network file system that does not answer), and nobody waits for it any more.
STOP_SECONDS = 5.0
NO_BELL = -1


_Identity: TypeAlias = list[tuple[int, int] | None]


class _Opened(NamedTuple):
    """A watch, and which folders it is on."""

    inotify: Inotify
    identity: _Identity


class Watcher:
    """Calls ``changed`` with paths, and ``relist`` every so often whatever the kernel says.

    The second finds what the first cannot see: network file systems, lost notifications, folders that were replaced.
    Both are called from one thread of the watcher's own, which sleeps while nothing happens.
    """

    def __init__(
        self,
        roots: Iterable[Path],
        *,
        changed: Callable[[set[Path]], None],
        relist: Callable[[], None],
        relist_seconds: float,
        concerns: Callable[[Path], bool],
        descend: Callable[[Path], bool] | None = None,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """``relist_seconds`` is between two looks at everything, ``stop_seconds`` the most that :meth:`stop` waits.

        Where the kernel tells of every change, looks are :data:`RARER`. ``descend`` chooses the folders to watch (by
        default as ``concerns`` does).
        """
        self._roots = tuple(roots)
        self._changed = changed
        self._relist = relist
        self._relist_seconds = relist_seconds
        self._concerns = concerns
        self._descend = concerns if descend is None else descend
        self._stop_seconds = stop_seconds
        self._busy_since: float | None = None
        self._stopped = threading.Event()
        self._bell = NO_BELL
        self._opened: _Opened | None = None
        self._thread = threading.Thread(target=self._run, name="metalev-files", daemon=True)

    def listen(self) -> None:
        """Have the kernel note what happens from now on; whoever looks then misses nothing. To be called before start.

        Where it cannot, the thread says so, and looks.
        """
        with suppress(OSError):
            self._opened = self._open()

    def start(self) -> None:
        """Begin to call: by a look at everything, unless :meth:`listen` was called."""
        self._bell = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread.start()

    def stop(self) -> None:
        """Return when no call is under way any more, unless it is a call that stops, or one that does not end.

        May be called twice.
        """
        self._stopped.set()
        if self._bell == NO_BELL:
            if self._opened:
                self._opened.inotify.close()
                self._opened = None
            return
        os.eventfd_write(self._bell, 1)
        if self._thread is threading.current_thread():
            return
        self._thread.join(self._stop_seconds)
        if self._thread.is_alive():
            log.warning("a look at the manifests does not end; not waiting for it")
        else:
            os.close(self._bell)
            self._bell = NO_BELL

    def alive(self, limit: float) -> bool:
        """Whether it goes round: it has not been at one look for ``limit`` seconds, and has not ended by itself."""
        if self._thread.ident is None or self._stopped.is_set():
            return True
        since = self._busy_since
        return self._thread.is_alive() and (since is None or time.monotonic() - since < limit)

    def _run(self) -> None:
        for paths in self._batches():
            if self._stopped.is_set():
                return
            self._busy_since = time.monotonic()
            try:
                if paths:
                    self._changed(paths)
                if paths is None:
                    self._relist()
            except Exception:
                # Whatever it is, the next look may succeed; a watcher that ended would leave the world as it was.
                log.exception("a change of the manifests could not be taken up; trying again")
            self._busy_since = None

    def _batches(self) -> Iterator[set[Path] | None]:
        """Changed paths, and ``None`` for "look at everything", for ever."""
        while not self._stopped.is_set():
            try:
                yield from self._watch()
            except OSError as error:
                # Out of inotify watches, or a folder went away.
                log.warning("the kernel does not report changes (%s): looking every %g s", error, self._relist_seconds)
                yield from self._looks()

    def _watch(self) -> Iterator[set[Path] | None]:
        """What the kernel tells, until that is not all that happened: then the watch is to be set up anew."""
        told = all(is_local(root) for root in self._roots)
        pace = self._relist_seconds * (RARER if told else 1)
        opened, self._opened = self._opened, None
        look = opened is None  # nobody told what happened until now
        inotify, identity = opened or self._open()
        with inotify:
            while not self._stopped.is_set():
                if look:
                    yield None
                look = True
                due = time.monotonic() + pace
                while inotify.wait(self._bell, due - time.monotonic()):
                    paths, lost = self._gathered(inotify)
                    if paths:
                        yield paths
                    if lost or time.monotonic() >= due:
                        break
                else:
                    lost = False
                if lost or _identity(self._roots) != identity:
                    return

    def _open(self) -> _Opened:
        # A path may be that of another folder a moment later, and the watch stays on this one.
        identity = _identity(self._roots)
        return _Opened(Inotify(self._roots, self._descend), identity)

    def _gathered(self, inotify: Inotify) -> tuple[set[Path], bool]:
        """What is told within a moment: the paths that concern anybody, and whether there was more than that."""
        paths: set[Path] = set()
        lost = False
        end = time.monotonic() + DEBOUNCE_SECONDS
        while True:
            notices = inotify.read()
            paths |= {path for path in notices.paths if self._concerns(path)}
            lost |= notices.lost
            rest = end - time.monotonic()
            if lost or not paths or rest <= 0 or not inotify.wait(self._bell, min(rest, STEP_SECONDS)):
                return paths, lost

    def _looks(self) -> Iterator[None]:
        """A look now and then, until it is time to try again to be told."""
        until = time.monotonic() + WATCH_AGAIN_SECONDS
        identity = _identity(self._roots)
        due = 0.0
        while (now := time.monotonic()) < until and _identity(self._roots) == identity:
            if now >= due:
                yield None
                due = time.monotonic() + self._relist_seconds
            if self._stopped.wait(min(self._relist_seconds, 1.0)):
                return


def is_local(root: Path, mounts: Path = MOUNTS) -> bool:
    """Whether all changes below ``root`` are made by this host's kernel, as far as ``mounts`` (proc(5)) tells."""
    try:
        device = root.stat().st_dev
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = {line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2:3] == [number]}
    return bool(kinds) and kinds <= LOCAL


def _identity(roots: Iterable[Path]) -> _Identity:
    return [_inode(root) for root in roots]


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
