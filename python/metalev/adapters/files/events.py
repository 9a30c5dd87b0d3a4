"""Events as files: one per object, reason and component, counted instead of repeated."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import datetime
from pathlib import Path

from metalev.adapters.codec import encode
from metalev.adapters.files import documents
from metalev.adapters.files.documents import UnreadableDocument
from metalev.adapters.files.writing import remove, write_yaml
from metalev.model.actions import Event
from metalev.model.errors import Unavailable

KEPT = 1000


class EventLog:
    """The newest events of one writer, in one folder that nobody else writes to."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder = folder
        self._kept = kept
        self._oldest_first: OrderedDict[str, None] | None = None

    def record(self, event: Event, now: datetime) -> None:
        """Write ``event``, or count it if it was written before. Raises ``Unavailable``."""
        name = _name_of(event)
        path = self._folder / f"{name}.yaml"
        count, first = _seen(path)
        moment = encode.timestamp(now)
        document = encode.event(event, name, count + 1, first or moment, moment)
        # Not durable: an event is told to people, nothing is decided by it, and there may be one for every Service.
        write_yaml(path, document, durable=False)
        self._drop_oldest(path.name)

    def _drop_oldest(self, newest: str) -> None:
        if self._oldest_first is None:
            self._oldest_first = self._list()
        self._oldest_first[newest] = None
        self._oldest_first.move_to_end(newest)
        while len(self._oldest_first) > self._kept:
            name, _ = self._oldest_first.popitem(last=False)
            remove(self._folder / name)

    def _list(self) -> OrderedDict[str, None]:
        try:
            files = [(path.stat().st_mtime_ns, path.name) for path in self._folder.glob("[!.]*.yaml")]
        except OSError as error:
            raise Unavailable(f"cannot list {self._folder}: {error.strerror}") from error
        return OrderedDict((name, None) for _, name in sorted(files))


def _name_of(event: Event) -> str:
    """A name for people, and a digest that makes it unique: of what is one event, so that equal ones meet."""
    regarding = event.regarding
    identity = "\0".join((regarding.kind, *(str(regarding.name), event.reason, event.component)))
    digest = hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()
    return f"{regarding.name.name[:200]}.{digest}"


def _seen(path: Path) -> tuple[int, str]:
    """How often the event was recorded, and when first."""
    try:
        document = documents.load_yaml(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, UnreadableDocument):
        return 0, ""
    match document:
        case {"count": int(count), "firstTimestamp": str(first)}:
            return count, first
        case _:
            return 0, ""
