"""The port :class:`metalev.ports.Cluster` on a directory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from metalev.adapters.codec import Codec, encode
from metalev.adapters.codec.fields import Document
from metalev.adapters.files.documents import UnreadableDocument, load_yaml
from metalev.adapters.files.events import EventLog
from metalev.adapters.files.state import CONTROLLER, pool_path, service_path, speaker_path
from metalev.adapters.files.view import View
from metalev.adapters.files.watch import STOP_SECONDS, Watcher
from metalev.adapters.files.writing import remove, write_yaml
from metalev.adapters.places import STATE_FOLDER
from metalev.model.actions import Configuration, Event, SpeakerState
from metalev.model.cluster import BeaconKey
from metalev.model.errors import StaleWrite, StartError, Unavailable
from metalev.model.meta import Kind, ObjectKey
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import Change, Deleted, Synced, key_of, source_of
from metalev.ports.clock import Clock
from metalev.ports.cluster import ChangeSink

# Most changes come by inotify at once; this is how long one takes that the kernel does not tell of (NFS).
RELIST_SECONDS = 10.0

log = logging.getLogger("metalev.files")


class FilesCluster:
    """Objects from manifests, with what the state folder says of them (:mod:`.state` shows its layout).

    The sink is called with the cluster's lock held: it must hand the change over and return, never call back.
    """

    def __init__(
        self,
        manifests: Path,
        clock: Clock,
        *,
        state: Path | None = None,
        namespace: str = "metallb-system",
        writer: str = "",
        relist_seconds: float = RELIST_SECONDS,
        watch: bool = True,
    ) -> None:
        """``writer`` is who writes through it: ``controller``, a node's name, or nobody (empty).

        ``state`` is by default ``.metalev`` in ``manifests``. Without ``watch``, changes are seen at a :meth:`relist`.
        """
        root = manifests.resolve()
        state_root = (state or manifests / STATE_FOLDER).resolve()
        codec = Codec(namespace, default_families=(4,))
        self._view = View(root, state_root, codec, pool_statuses=writer == CONTROLLER)
        self._state_root = state_root
        self._clock = clock
        self._writer = writer
        self._events = EventLog(state_root / writer / "events")
        self._lock = threading.RLock()
        self._sink: ChangeSink | None = None
        self._watcher = self._new_watcher(relist_seconds) if watch else None

    def start(self, sink: ChangeSink) -> None:
        """Deliver everything, then what changes. Raises ``StartError`` if a folder cannot be used."""
        self._check_folders()
        if self._watcher:
            self._watcher.listen()
        with self._lock:
            self._sink = sink
            self._take_up(self._view.rescan())
            self._deliver([*self._view.lists(), Synced()])
            self._sweep()
        if self._watcher:
            self._watcher.start()

    def relist(self) -> None:
        """Look at every file and list every kind again."""
        with self._lock:
            self._take_up(self._view.rescan())
            self._deliver(self._view.lists())
            self._sweep()

    def stop(self) -> None:
        """Deliver nothing more; a look that does not end is waited for for some seconds only. May be called twice."""
        # Whoever looks may be stuck with the lock; then it only counts that there is no sink any more.
        locked = self._lock.acquire(timeout=STOP_SECONDS)
        self._sink = None
        if locked:
            self._lock.release()
        if self._watcher:
            self._watcher.stop()

    def alive(self, limit: float) -> bool:
        """Whether files are being watched: no look has taken ``limit`` seconds. Any thread may ask."""
        return self._watcher is None or self._watcher.alive(limit)

    def write_service_status(self, service: Service, status: ServiceStatus) -> None:
        """Write what the controller says of a Service. Raises ``StaleWrite`` or ``Unavailable``."""
        with self._lock:
            self._require_writer(CONTROLLER, f"the status of Service {service.name}")
            self._require_unchanged(service)
            current = self._view.get(key_of(service))
            if isinstance(current, Service) and current.status == status and self._view.is_written(service.name):
                return
            path = service_path(service.name)
            document = encode.service_status(service.name, status, self._clock.wall(), _read(self._state_root / path))
            self._write(path, document, durable=True)
            self._take_up(self._view.refresh_object(key_of(service)))

    def status_writer(self, service: Service) -> str:  # noqa: ARG002  (a file does not say who wrote it)
        """Nobody: what somebody else writes into the state is written anew."""
        return ""

    def write_pool_status(self, pool: Pool, status: PoolStatus) -> None:
        """Write the counts of a pool. Raises ``StaleWrite`` or ``Unavailable``."""
        with self._lock:
            self._require_writer(CONTROLLER, f"the status of pool {pool.name.name}")
            self._require_unchanged(pool)
            path, document = pool_path(pool.name), encode.pool_status(pool.name, status)
            if _read(self._state_root / path) != document:
                self._write(path, document)
                self._take_up(self._view.refresh_object(key_of(pool)))

    def write_speaker_state(self, state: SpeakerState) -> None:
        """Publish this node's own state. Raises ``StaleWrite`` or ``Unavailable``."""
        with self._lock:
            self._require_writer(state.name.name, f"the state of speaker {state.name}")
            current = self._view.get(key_of(state))
            if isinstance(current, SpeakerState) and replace(current, version="") == replace(state, version=""):
                return
            self._write(speaker_path(state.name), encode.speaker_state(state))
            self._take_up(self._view.refresh_object(key_of(state)))

    def write_configuration(self, configuration: Configuration) -> None:
        """Publish what this program makes of the configuration. Raises ``Unavailable``."""
        with self._lock:
            self._require_writer(self._writer or "a controller or a speaker", "what it makes of the configuration")
            path = self._state_root / self._writer / "configuration.yaml"
            document = encode.configuration(self._writer, configuration, self._clock.wall(), _read(path))
            if _read(path) != document:
                write_yaml(path, document, durable=False)

    def create_beacon_key(self, key: BeaconKey) -> None:  # noqa: ARG002
        """Raises ``Unavailable``: nobody but the user writes manifests, least of all a key."""
        raise Unavailable("a directory's key is the user's to make: see --key-file")

    def record_event(self, event: Event) -> None:
        """Write an event, or count it. Raises ``Unavailable``."""
        with self._lock:
            self._require_writer(self._writer or "a controller or a speaker", f"an event on {event.regarding}")
            self._events.record(event, self._clock.wall())

    def _check_folders(self) -> None:
        """Refuse to start where nothing could be read or, by a writer, written."""
        try:
            next(self._view.root.iterdir(), None)
        except OSError as error:
            raise StartError(f"cannot read the manifests in {self._view.root}: {error.strerror}") from error
        if not self._writer:
            return  # who only looks makes nothing
        folder = self._state_root / self._writer
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot write to {folder}: {error.strerror}; choose a folder with --state") from error

    def _write(self, path: str, document: Document, *, durable: bool = False) -> None:
        self._view.wrote(path, write_yaml(self._state_root / path, document, durable=durable), document)

    def _require_writer(self, owner: str, what: str) -> None:
        if self._writer != owner:
            raise StaleWrite(f"{what} is written by {owner} alone, and this is {self._writer or 'a reader'}")
        if self._sink is None:
            raise Unavailable(f"{what} cannot be written: {self._view.root} is not being read")

    def _require_unchanged(self, obj: Service | Pool) -> None:
        """Look at the object's files again: whoever decided must have seen what they say now."""
        key = source_of(obj)
        self._take_up(self._view.refresh_object(key))
        current = self._view.get(key)
        if current is None:
            raise StaleWrite(f"{key} is gone")
        if current.version != obj.version:
            raise StaleWrite(f"{key} has changed since it was read")

    def _changed(self, paths: set[Path]) -> None:
        with self._lock:
            self._take_up(self._view.refresh(paths))

    def _take_up(self, changes: list[Change]) -> None:
        self._deliver(changes)
        self._mend()
        if any(isinstance(change, Deleted) for change in changes):
            self._sweep()

    def _mend(self) -> None:
        """Write anew what the controller wrote and somebody spoilt; what cannot be written waits for a relist."""
        if self._writer != CONTROLLER or self._sink is None:
            return
        for name, status in self._view.damaged():
            try:
                document = encode.service_status(name, status, self._clock.wall(), None)
                write_yaml(self._state_root / service_path(name), document)
            except Unavailable as error:
                log.warning("%s", error)
                return
            self._deliver(self._view.refresh_object(ObjectKey(Kind.SERVICE, name)))

    def _sweep(self) -> None:
        """Remove what the controller wrote about objects that are gone; what cannot be removed waits for a relist."""
        if self._writer != CONTROLLER:
            return
        for path in self._view.left_behind(self._clock.wall().timestamp()):
            try:
                remove(path)
            except Unavailable as error:
                log.warning("%s", error)
                return
            self._deliver(self._view.refresh([path]))

    def _deliver(self, changes: Iterable[Change]) -> None:
        for change in changes:
            sink = self._sink
            if sink is not None:
                sink(change)

    def _new_watcher(self, relist_seconds: float) -> Watcher:
        root, state = self._view.root, self._state_root
        return Watcher(
            [root] if state.is_relative_to(root) else [root, state],
            changed=self._changed,
            relist=self.relist,
            relist_seconds=relist_seconds,
            concerns=self._view.concerns,
            descend=lambda folder: self._view.concerns(folder) or state.is_relative_to(folder),
        )


def _read(path: Path) -> Document | None:
    """The document that was written before, for what is kept of it."""
    try:
        content = load_yaml(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, UnreadableDocument):
        return None
    return content if isinstance(content, dict) else None
