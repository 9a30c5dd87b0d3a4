"""What the kernel tells of the files below folders: inotify(7), and nobody wakes up while nothing happens.

Every folder is watched by itself, those that come later too. A file that is a link is watched where it leads to, for
the kernel tells of the file that changed and not of its links.
"""

from __future__ import annotations

import ctypes
import os
import select
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Self

from msgspec import Struct

# inotify.h. A file counts when whoever wrote it is done with it.
ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x4, 0x8, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, UNMOUNT, OVERFLOW, IGNORED, IS_FOLDER = 0x400, 0x800, 0x2000, 0x4000, 0x8000, 0x4000_0000
_ONLY_FOLDERS = 0x0100_0000
_OF_BOTH = ATTRIB | CLOSE_WRITE | DELETE_SELF | MOVE_SELF
_OF_A_FOLDER = _OF_BOTH | MOVED_FROM | MOVED_TO | CREATE | DELETE | _ONLY_FOLDERS
_OF_A_ROOT = ATTRIB | DELETE_SELF | MOVE_SELF | UNMOUNT | CREATE | MOVED_TO
_OF_A_PARENT = CREATE | MOVED_TO | _ONLY_FOLDERS | 0x2000_0000  # IN_MASK_ADD: it may be watched for more
_EVENT = struct.Struct("iIII")
_AT_ONCE = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)


class Notices(Struct, frozen=True):
    """Paths of which something was told. ``lost``: not everything was, and everything is to be looked at."""

    paths: frozenset[Path] = frozenset()
    lost: bool = False


class Inotify:
    """Watches the folders below ``roots`` that ``descend`` chooses. To be closed by the thread that reads."""

    def __init__(self, roots: Iterable[Path], descend: Callable[[Path], bool]) -> None:
        """A root that is not there yet is waited for in its folder.

        Raises ``OSError``: that is not there either, or the kernel has no more watches to give.
        """
        self._descend = descend
        self._roots = frozenset(roots)
        self._paths_of: dict[int, set[Path]] = {}
        self._fd = _check(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            for root in self._roots:
                self._add_root(root)
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._fd)

    def wait(self, bell: int, seconds: float) -> bool:
        """Sleep until there is something to read; whether there is. Another file descriptor, ``bell``, ends it, too."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(bell, select.POLLIN)
        return any(fd == self._fd for fd, _ in poll.poll(max(0.0, seconds) * 1_000))

    def read(self) -> Notices:
        """What was told since the last time."""
        told: set[Path] = set()
        lost = False
        for watch, mask, name in self._events():
            for place in tuple(self._paths_of.get(watch, ())):
                path = place / name if name else place
                if not any(path.is_relative_to(root) for root in self._roots):
                    continue
                self._follow(watch, mask, path)
                if not _is_being_written(path, mask):
                    told.add(path)
                lost |= path in self._roots and bool(mask & _OF_A_ROOT)
            lost |= bool(mask & OVERFLOW)
        return Notices(frozenset(told), lost)

    def _events(self) -> Iterator[tuple[int, int, str]]:
        try:
            data = os.read(self._fd, _AT_ONCE)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            yield watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length

    def _follow(self, watch: int, mask: int, path: Path) -> None:
        """Watch what came, and forget what went."""
        if mask & IGNORED:
            self._paths_of.pop(watch, None)
        if mask & (MOVED_FROM | DELETE):
            self._forget(path)
        if mask & (CREATE | MOVED_TO | ATTRIB | MOVE_SELF | IGNORED):
            self._add_one(path, is_folder=bool(mask & IS_FOLDER))

    def _forget(self, gone: Path) -> None:
        """What was moved away is watched no more: its path is no longer its own."""
        for watch, paths in [*self._paths_of.items()]:
            paths -= {path for path in paths if path == gone or path.is_relative_to(gone)}
            if not paths:
                del self._paths_of[watch]
                _libc.inotify_rm_watch(self._fd, watch)

    def _add_root(self, root: Path) -> None:
        for _ in range(2):
            try:
                self._add(root, _OF_A_FOLDER)
            except FileNotFoundError:
                self._add(root.parent, _OF_A_PARENT)  # and once more, for it may have come meanwhile
            else:
                self._add_below(root)
                return

    def _add_one(self, path: Path, *, is_folder: bool) -> None:
        if path in self._roots or not self._descend(path):
            return
        if not is_folder:
            # Of two links to one file both are told, for it is one watch then. A folder is watched as one alone.
            if path.is_symlink() and path.is_file():
                self._add_quietly(path, _OF_BOTH)
        elif self._add_quietly(path, _OF_A_FOLDER):
            self._add_below(path)

    def _add_below(self, folder: Path) -> None:
        try:
            with os.scandir(folder) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries]
        except OSError:
            return  # a look at everything names what cannot be read
        for name, is_folder, is_link in found:
            if is_folder or is_link:
                self._add_one(folder / name, is_folder=is_folder)

    def _add_quietly(self, path: Path, mask: int) -> bool:
        """Whether it is watched now; not if it has gone meanwhile, or may not be read."""
        try:
            self._add(path, mask)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False
        return True

    def _add(self, path: Path, mask: int) -> None:
        watch = _check(_libc.inotify_add_watch(self._fd, os.fsencode(path), mask), path)
        self._paths_of.setdefault(watch, set()).add(path)


def _is_being_written(path: Path, mask: int) -> bool:
    """Whether a file has just been opened that was not there: who made it will be done with it in a moment."""
    if mask & (CREATE | IS_FOLDER) != CREATE:
        return False
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _check(result: int, path: Path | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path or "inotify"))
    return result
