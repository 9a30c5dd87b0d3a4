"""A directory of files of which each is read once per change."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

T = TypeVar("T")

SETTLED_NS = 100_000_000


class Signature(NamedTuple):
    """What ``stat`` says of a file; as long as it says the same, the file was not touched."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class _Seen(Struct, frozen=True):
    """How a file was when it was read; no signature while the next change could have the same one."""

    signature: Signature | None
    digest: bytes


class Changed(Struct, Generic[T], frozen=True):
    """What a file was and is; ``None`` stands for no file."""

    before: T | None
    after: T | None


class Tree(Generic[T]):
    """The files below ``root`` that ``wanted`` chooses, each as ``read`` makes it out of its path, content and past.

    Paths are relative to ``root``, with slashes. ``descend`` chooses folders; links to folders are not followed.
    A file or folder that cannot be read stays as it was and is named in ``problems``.
    """

    def __init__(
        self,
        root: Path,
        read: Callable[[str, bytes, T | None], T],
        *,
        wanted: Callable[[str], bool],
        descend: Callable[[str], bool],
        may_be_absent: bool = False,
    ) -> None:
        """``may_be_absent``: a ``root`` that is not there is an empty one."""
        self.root = root
        self._prefix = f"{root}/"
        self.files: dict[str, T] = {}
        self.problems: dict[str, str] = {}
        self._read = read
        self._wanted = wanted
        self._descend = descend
        self._may_be_absent = may_be_absent
        self._seen: dict[str, _Seen] = {}

    def rescan(self) -> dict[str, Changed[T]]:
        """Look at every file. Raises ``OSError`` if ``root`` cannot be read."""
        self.problems = {}
        present = [] if self._may_be_absent and not self.root.exists() else list(self._walk(""))
        gone = self.files.keys() - set(present)
        return self._look_at(present) | {path: self._forget(path) for path in gone if not self._is_hidden(path)}

    def refresh(self, paths: Iterable[str]) -> dict[str, Changed[T]]:
        """Look at these files alone."""
        return self._look_at(
            path for path in paths if self._wanted(path) and all(self._descend(folder) for folder in _folders(path))
        )

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder of this tree, or was one until now."""
        if self._wanted(path) or not all(self._descend(folder) for folder in (*_folders(path), path)):
            return False
        return (self.root / path).is_dir() or any(file.startswith(f"{path}/") for file in self.files)

    def _walk(self, folder: str) -> Iterator[str]:
        with os.scandir(self.root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if self._descend(path):
                        yield from self._walk_below(path)
                elif path in self.files or self._wanted(path):
                    yield path

    def _walk_below(self, folder: str) -> Iterator[str]:
        try:
            yield from self._walk(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self.problems[folder] = f"cannot be read: {error.strerror}"

    def _is_hidden(self, path: str) -> bool:
        """Whether ``path`` may be there still, behind a folder that cannot be read."""
        return any(folder in self.problems for folder in _folders(path))

    def _look_at(self, paths: Iterable[str]) -> dict[str, Changed[T]]:
        changes: dict[str, Changed[T]] = {}
        for path in paths:
            self.problems.pop(path, None)
            changes |= self._look_again(path)
        return changes

    def _look_again(self, path: str) -> dict[str, Changed[T]]:
        """Read ``path`` if it is not what was read last."""
        before = self.files.get(path)
        seen = self._seen.get(path)
        try:
            signature = _regular(f"{self._prefix}{path}")
            if seen and seen.signature == signature:
                return {}
            content = (self.root / path).read_bytes()
        except FileNotFoundError:
            if (self.root / path).is_symlink():
                self.problems[path] = "cannot be read: it is a link to a file that is not there"
                return {}
            return {path: self._forget(path)} if before is not None else {}
        except OSError as error:
            self.problems[path] = f"cannot be read: {error.strerror}"
            return {}
        digest = hashlib.blake2b(content, digest_size=16).digest()
        self._seen[path] = _Seen(signature if _is_settled(signature) else None, digest)
        if seen and seen.digest == digest:
            return {}
        self.files[path] = after = self._read(path, content, before)
        return {} if after == before else {path: Changed(before, after)}

    def _forget(self, path: str) -> Changed[T]:
        self._seen.pop(path, None)
        return Changed(self.files.pop(path), None)


def _folders(path: str) -> Iterator[str]:
    """The folders that ``path`` is in, outermost first."""
    parts = path.split("/")[:-1]
    return ("/".join(parts[: depth + 1]) for depth in range(len(parts)))


def _regular(path: str) -> Signature:
    """The signature of a regular file. It is taken before the content, so a change in between is seen next time.

    Asked for every file at every relist, hence without a ``Path``, which costs twice as much.
    """
    status = os.stat(path)  # noqa: PTH116
    if not stat.S_ISREG(status.st_mode):
        # Opening a FIFO would wait for a writer.
        raise OSError(0, "it is no regular file")
    return _signature(status)


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_settled(signature: Signature) -> bool:
    """Whether a change from now on must have another time. File systems tell time in ticks of some milliseconds."""
    return time.time_ns() - max(signature.modified_ns, signature.changed_ns) > SETTLED_NS
