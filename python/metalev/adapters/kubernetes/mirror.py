"""What was read of each object, and what is told of it: never an older version after a newer one.

A list, a watch and the answers to our own writes bring versions of one object in any order. The API server's versions
(``resourceVersion``) are numbers that grow from write to write of the whole store, so that they can be put in order.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from metalev.adapters.codec import Codec
from metalev.adapters.codec.decode import Json
from metalev.model.errors import BadInput
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import (
    Change,
    Deleted,
    Listed,
    Object,
    PoolStatusSeen,
    Rejected,
    Synced,
    Upserted,
)
from metalev.ports.cluster import ChangeSink

# Deleted objects whose version is remembered, so that a late answer does not bring one back.
TOMBSTONES = 4096
# Nobody writes these on the ground of a version, and many write them often: a kubelet every few seconds.
_VERSIONLESS = frozenset({Kind.NODE, Kind.NAMESPACE, Kind.ENDPOINT_SLICE, Kind.POD})


class Known(Struct, frozen=True):
    """An object as it was last read; ``obj`` is ``None`` if it cannot be used."""

    version: int
    uid: str
    generation: int
    obj: Object | None


class Mirror:
    """The objects of one cluster. Every method may be called by any thread; the sink is called by one at a time."""

    def __init__(self, codec: Codec, kinds: Iterable[Kind], *, controller: bool = False) -> None:
        """``controller``: pool statuses are told, and Services that ceased to be of type LoadBalancer until cleared."""
        self._codec = codec
        self._controller = controller
        self._lock = threading.RLock()
        self._sink: ChangeSink | None = None
        self._known: dict[ObjectKey, Known] = {}
        self._gone: OrderedDict[ObjectKey, int] = OrderedDict()
        self._rejected: set[str] = set()
        self._unlisted = set(kinds)
        self._pool_statuses: dict[Name, PoolStatus] = {}
        self._left: Callable[[Name], None] = lambda _: None

    def open(self, sink: ChangeSink, left: Callable[[Name], None] = lambda _: None) -> None:
        """Tell ``sink`` from now on, and ``left`` of Services that may have ceased to be of type LoadBalancer alone."""
        with self._lock:
            self._sink, self._left = sink, left

    def close(self) -> None:
        """Tell nobody any more."""
        with self._lock:
            self._sink = None

    @property
    def is_open(self) -> bool:
        """Whether somebody is told."""
        return self._sink is not None

    @property
    def unlisted(self) -> frozenset[Kind]:
        """The kinds of which no list has been read yet."""
        return frozenset(self._unlisted)

    def get(self, key: ObjectKey) -> Known | None:
        """The object as it was last read."""
        return self._known.get(key)

    def unread_since(self, key: ObjectKey, version: str) -> Known | None:
        """What became of an object after ``version``, if that cannot be used and so ``version`` is still in force."""
        with self._lock:
            known = self._known.get(key)
            unread = known is not None and str(key) in self._rejected
            return known if unread and known is not None and getattr(known.obj, "version", None) == version else None

    def of(self, kind: Kind) -> KindMirror:
        """The part of it that is one kind's."""
        return KindMirror(self, kind)

    def take(self, kind: Kind, raw: Json) -> ObjectKey | None:
        """Take in an object as it now is; ``None`` if it is none of ours."""
        document = self._codec.header(raw)
        key = ObjectKey(kind, Name(document.metadata.namespace, document.metadata.name))
        version = _number(document.metadata.resource_version)
        with self._lock:
            if self._is_newer(key, version):
                self._put(key, version, document.metadata.uid, document.metadata.generation, raw)
        return key

    def drop(self, kind: Kind, raw: Json) -> None:
        """Take in that a watch shows an object no longer, which it last saw as ``raw``."""
        document = self._codec.header(raw)
        key = ObjectKey(kind, Name(document.metadata.namespace, document.metadata.name))
        version = _number(document.metadata.resource_version)
        with self._lock:
            known = self._known.get(key)
            if known is not None and version < known.version:
                return  # there is a new one under the same name already
            self._remove(key, version)

    def listed(self, kind: Kind, seen: Iterable[ObjectKey], version: str) -> None:
        """Take in that a complete list of ``kind``, of this version, held the objects ``seen``."""
        at = _number(version)
        with self._lock:
            kept = set(seen)
            for key in [key for key in self._known if key.kind is kind and key not in kept]:
                if self._known[key].version > at:
                    kept.add(key)  # written since that list was made
                else:
                    self._remove(key, at)
            there = (key.name for key in kept if key in self._known and self._known[key].obj is not None)
            self._tell(Listed(kind, frozenset(there)))
            if kind in self._unlisted:
                self._unlisted.discard(kind)
                if not self._unlisted:
                    self._tell(Synced())

    def restored(self, kind: Kind) -> None:
        """Take whatever comes of ``kind`` from now on for newer than what is known."""
        with self._lock:
            for key, known in self._known.items():
                if key.kind is kind:
                    self._known[key] = replace(known, version=-1)
            for key in [key for key in self._gone if key.kind is kind]:
                del self._gone[key]

    def note_left(self, name: Name, raw: Json | None) -> None:
        """Take in a Service that is in the list no longer, as it is now; ``None`` if there is none.

        It is told for as long as something of ours is on it, to be cleared.
        """
        key = ObjectKey(Kind.SERVICE, name)
        document = self._codec.header(raw) if raw is not None else None
        obj = self._codec.read(Kind.SERVICE, raw) if raw is not None else None
        with self._lock:
            known = self._known.get(key)
            if known is not None and isinstance(known.obj, Service) and known.obj.wants_address:
                return  # it is in the list again
            if document is None or not isinstance(obj, Service) or obj.wants_address or obj.status == ServiceStatus():
                if known is not None:
                    self._remove(key, known.version)
                return
            version = _number(document.metadata.resource_version)
            if version >= (self._gone.get(key, -1) if known is None else known.version):
                self._known[key] = Known(version, document.metadata.uid, document.metadata.generation, obj)
                self._gone.pop(key, None)
                self._tell(Upserted(obj))

    def note_pool_status(self, name: Name, status: PoolStatus | None) -> None:
        """Take in what stands written of a pool."""
        if not self._controller or self._pool_statuses.get(name) == status:
            return
        self._pool_statuses.pop(name, None)
        if status is not None:
            self._pool_statuses[name] = status
        self._tell(PoolStatusSeen(name, status))

    def remark(self, change: Change) -> None:
        """Tell something else, one at a time like everything."""
        with self._lock:
            self._tell(change)

    # --- With the lock held ---

    def _is_newer(self, key: ObjectKey, version: int) -> bool:
        known = self._known.get(key)
        return version > (self._gone.get(key, -1) if known is None else known.version)

    def _put(self, key: ObjectKey, version: int, uid: str, generation: int, raw: Json) -> None:
        before = self._known.get(key)
        source = str(key)
        try:
            obj = self._codec.read(key.kind, raw)
        except BadInput as error:
            self._rejected.add(source)
            # What was good before stays in force.
            self._known[key] = Known(version, uid, generation, before.obj if before else None)
            self._tell(Rejected(source, str(error)))
            self._note_status_in(key, raw)
            return
        obj = None if obj is None else _stamped(obj, key.kind, uid, generation)
        self._known[key] = Known(version, uid, generation, obj)
        self._gone.pop(key, None)
        if obj is not None and (before is None or before.obj != obj):
            self._tell(Upserted(obj))
        self._withdraw(source)  # only now: what a mistake hid is missed by nobody in between
        self._note_status_in(key, raw)
        if isinstance(obj, Service) and not obj.wants_address and obj.status == ServiceStatus() and self._controller:
            self._remove(key, version)  # cleared: nothing on it is ours any more

    def _note_status_in(self, key: ObjectKey, raw: Json) -> None:
        if key.kind is Kind.POOL and self._controller:
            self.note_pool_status(key.name, self._codec.read_pool_status(raw))

    def _remove(self, key: ObjectKey, version: int) -> None:
        known = self._known.pop(key, None)
        self._gone[key] = version
        self._gone.move_to_end(key)
        if len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        if known is not None and known.obj is not None:
            self._tell(Deleted(key))
            if isinstance(known.obj, Service) and known.obj.status != ServiceStatus():
                self._left(key.name)
        self._withdraw(str(key))
        if key.kind is Kind.POOL:
            self.note_pool_status(key.name, None)

    def _withdraw(self, source: str) -> None:
        if source in self._rejected:
            self._rejected.discard(source)
            self._tell(Rejected(source, ""))

    def _tell(self, change: Change) -> None:
        if self._sink is not None:
            self._sink(change)


class KindMirror:
    """One kind's part of a mirror, to reflect a list in (:class:`.reflector.Reflection`)."""

    def __init__(self, mirror: Mirror, kind: Kind) -> None:
        self._mirror = mirror
        self._kind = kind

    def take(self, raw: Json) -> ObjectKey | None:
        """An object as it now is."""
        return self._mirror.take(self._kind, raw)

    def drop(self, raw: Json) -> None:
        """An object that is in the list no longer."""
        self._mirror.drop(self._kind, raw)

    def listed(self, seen: Iterable[ObjectKey], version: str) -> None:
        """A complete list."""
        self._mirror.listed(self._kind, seen, version)

    def restored(self) -> None:
        """The server's versions begin again at an older one."""
        self._mirror.restored(self._kind)


def _stamped(obj: Object, kind: Kind, uid: str, generation: int) -> Object:
    """The object under the version that a write must name: a pool's changes with its spec, not with its status."""
    if kind in _VERSIONLESS:
        return replace(obj, version="")
    return replace(obj, version=f"{uid}/{generation}") if isinstance(obj, Pool) else obj


def _number(version: str) -> int:
    """A resourceVersion as the number that it is; something else counts as newer than whatever was before."""
    return int(version) if version.isdecimal() else 2**63
