"""Notices that files changed: soon by the kernel, and at last by looking."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchfiles import watch

log = logging.getLogger("metalev.files")

# Editors write in several steps; a change is taken up when nothing more came for STEP_MS, or after DEBOUNCE_MS anyway.
# Every step is a wake-up, also while nothing happens: at 20 ms they were half of what an idle program cost.
DEBOUNCE_MS = 100
STEP_MS = 50
# How often the watch says that nothing happened, which is when a relist can be due.
TICK_MS = 200
WATCH_AGAIN_SECONDS = 30.0
# Where the kernel tells of every change, a look at everything only makes up for what was lost: so much rarer.
RARER = 3
# File systems on which nobody else writes. Whatever is not among them (NFS, FUSE, what is unknown) may change untold.
LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs"})
MOUNTS = Path("/proc/self/mountinfo")
# A call that takes longer is stuck (a network file system that does not answer), and nobody waits for it any more.
STOP_SECONDS = 5.0


class Watcher:
    """Calls ``changed`` with paths, and ``relist`` every few seconds whatever the kernel says.

    The second finds what the first cannot see: network file systems, lost notifications, folders that were replaced.
    Both are called from one thread of the watcher's own.
    """

    def __init__(
        self,
        roots: Iterable[Path],
        *,
        changed: Callable[[set[Path]], None],
        relist: Callable[[], None],
        relist_seconds: float,
        concerns: Callable[[Path], bool],
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """``relist_seconds`` is between two looks at everything, ``stop_seconds`` the most that :meth:`stop` waits.

        Where the kernel tells of every change, looks are :data:`RARER`.
        """
        self._roots = tuple(roots)
        self._pace = relist_seconds
        self._changed = changed
        self._relist = relist
        self._relist_seconds = relist_seconds
        self._concerns = concerns
        self._stop_seconds = stop_seconds
        self._round_at = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metalev-files", daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._round_at = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Return when no call is under way any more, unless it is a call that stops, or one that does not end.

        May be called twice.
        """
        self._stopped.set()
        if self._thread is not threading.current_thread() and self._thread.is_alive():
            self._thread.join(self._stop_seconds)
            if self._thread.is_alive():
                log.warning("a look at the manifests does not end; not waiting for it")

    def alive(self, limit: float) -> bool:
        """Whether it goes round: it has not been at one look for ``limit`` seconds, and has not ended by itself."""
        if self._thread.ident is None or self._stopped.is_set():
            return True
        return self._thread.is_alive() and time.monotonic() - self._round_at < limit

    def _run(self) -> None:
        due = 0.0
        for paths in self._batches():
            self._round_at = time.monotonic()
            if self._stopped.is_set():
                return
            relist = paths is None or time.monotonic() >= due
            try:
                if paths:
                    self._changed(paths)
                if relist:
                    self._relist()
            except Exception:
                # Whatever it is, the next look may succeed; a watcher that ended would leave the world as it was.
                log.exception("a change of the manifests could not be taken up; trying again")
            if relist:
                due = time.monotonic() + self._pace

    def _batches(self) -> Iterator[set[Path] | None]:
        """Changed paths, an empty set now and then, and ``None`` for "look at everything", for ever."""
        while not self._stopped.is_set():
            try:
                yield from self._watch()
            except (OSError, RuntimeError) as error:
                # Out of inotify watches, or a folder went away.
                log.warning("the kernel does not report changes (%s): looking every %g s", error, self._relist_seconds)
                yield from self._ticks()

    def _watch(self) -> Iterator[set[Path] | None]:
        identity = _identity(self._roots)
        told = all(is_local(root) for root in self._roots)
        self._pace = self._relist_seconds * (RARER if told else 1)
        events = watch(
            *self._roots,
            watch_filter=lambda _, path: self._concerns(Path(path)),
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            stop_event=self._stopped,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        # Nobody told what happened while the watch was being set up.
        next(events, None)
        yield None
        for changes in events:
            yield {Path(path) for _, path in changes}
            if _identity(self._roots) != identity:
                # The watch is on the old folder, which may live on under another name.
                return

    def _ticks(self) -> Iterator[set[Path]]:
        self._pace = self._relist_seconds
        until = time.monotonic() + WATCH_AGAIN_SECONDS
        while time.monotonic() < until and not self._stopped.wait(min(self._relist_seconds, 1.0)):
            yield set()


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


def _identity(roots: Iterable[Path]) -> list[tuple[int, int] | None]:
    return [_inode(root) for root in roots]


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
