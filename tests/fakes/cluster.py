"""A cluster in memory. It passes the same contract suite as the real ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from msgspec.structs import replace

from metalev.model.actions import Configuration, Event, SpeakerState
from metalev.model.cluster import BEACON_SECRET, BeaconKey, BeaconSecret
from metalev.model.errors import StaleWrite, Unavailable
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
    key_of,
    source_of,
)
from metalev.ports.cluster import ChangeSink

CONTROLLER = "controller"
Written = TypeVar("Written", Service, Pool)


class World:
    """What every view of one cluster shares."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, Object] = {}
        self.problems: dict[str, Rejected] = {}
        self.pool_statuses: dict[Name, PoolStatus] = {}
        self.events: list[Event] = []
        self.configurations: dict[str, Configuration] = {}
        self.views: list[FakeCluster] = []
        self._version = 0

    def store(self, obj: Object) -> None:
        """Keep ``obj`` under a new version and show it to everybody."""
        self._version += 1
        stamped = replace(obj, version=str(self._version))
        self.objects[key_of(obj)] = stamped
        self.show(Upserted(stamped))

    def write_pool_status(self, pool: Name, status: PoolStatus | None) -> None:
        """Keep the status of a pool, or nothing, and tell the controller."""
        self.pool_statuses.pop(pool, None)
        if status is not None:
            self.pool_statuses[pool] = status
        for view in self.views:
            if view.writer == CONTROLLER:
                view.notice(PoolStatusSeen(pool, status))

    def show(self, change: Change) -> None:
        """Tell every view."""
        for view in self.views:
            view.notice(change)


class FakeCluster:
    """``FakeCluster(pool, service)`` holds these objects; ``put`` and ``remove`` change them as a user would.

    ``beside(writer)`` is another program's view of the same cluster. Without ``watch`` a view notices changes only when
    it is told to ``relist``, as after a watch that broke.
    """

    def __init__(
        self, *objects: Object, writer: str = CONTROLLER, watch: bool = True, world: World | None = None
    ) -> None:
        self.world = world or World()
        self.unavailable = ""
        self.other_writer = ""
        self.writer = writer
        self._watch = watch
        self._sink: ChangeSink | None = None
        self.world.views.append(self)
        for obj in objects:
            self.put(obj)

    def beside(self, writer: str = CONTROLLER, *, watch: bool = True) -> FakeCluster:
        """Another view of the same cluster."""
        return FakeCluster(writer=writer, watch=watch, world=self.world)

    # --- What a user does ---

    def put(self, obj: Object) -> None:
        """Create or change an object; a Service that says nothing of its status keeps the one it has."""
        current = self.world.objects.get(key_of(obj))
        if isinstance(obj, Service) and isinstance(current, Service) and obj.status == ServiceStatus():
            obj = replace(obj, status=current.status)
        self.world.store(obj)

    def remove(self, key: ObjectKey) -> None:
        """Delete an object."""
        del self.world.objects[key]
        if key.name in self.world.pool_statuses and key.kind is Kind.POOL:
            self.world.write_pool_status(key.name, None)
        self.world.show(Deleted(key))

    def reject(self, source: str, message: str, *, serious: bool = True) -> None:
        """Complain about an input; an empty message withdraws it."""
        complaint = Rejected(source, message, serious)
        self.world.problems[source] = complaint
        self.world.show(complaint)

    def relist(self) -> None:
        """Deliver every object and every list again."""
        self._deliver(*map(Upserted, self.world.objects.values()), *self._lists())

    # --- What became of it ---

    @property
    def events(self) -> list[Event]:
        """Every event that was recorded, oldest first."""
        return self.world.events

    @property
    def statuses(self) -> dict[Name, ServiceStatus]:
        """The status of every Service."""
        return {obj.name: obj.status for obj in self.world.objects.values() if isinstance(obj, Service)}

    @property
    def pool_statuses(self) -> dict[Name, PoolStatus]:
        """The status of every pool that has one."""
        return self.world.pool_statuses

    def get(self, key: ObjectKey) -> Object:
        """The object as it is now."""
        return self.world.objects[key]

    # --- The port ---

    def start(self, sink: ChangeSink) -> None:
        self._sink = sink
        problems = [complaint for complaint in self.world.problems.values() if complaint.message]
        written = [PoolStatusSeen(*one) for one in self.world.pool_statuses.items() if self.writer == CONTROLLER]
        self._deliver(*map(Upserted, self.world.objects.values()), *written, *problems, *self._lists(), Synced())

    def write_service_status(self, service: Service, status: ServiceStatus) -> None:
        current = self._require(CONTROLLER, service)
        if status != service.status:
            self.world.store(replace(current, status=status))

    def status_writer(self, _service: Service) -> str:
        return self.other_writer

    def write_pool_status(self, pool: Pool, status: PoolStatus) -> None:
        self._require(CONTROLLER, pool)
        self.world.write_pool_status(pool.name, status)

    def write_speaker_state(self, state: SpeakerState) -> None:
        self._require_writer(state.name.name)
        current = self.world.objects.get(key_of(state))
        if current is None or replace(current, version="") != replace(state, version=""):
            self.world.store(state)

    def write_configuration(self, configuration: Configuration) -> None:
        self._require_writer(self.writer)
        self.world.configurations[self.writer] = configuration

    def create_beacon_key(self, key: BeaconKey) -> None:
        self._require_writer(CONTROLLER)
        secret = BeaconSecret(Name("metallb-system", BEACON_SECRET), keys=(key,))
        if key_of(secret) not in self.world.objects:
            self.world.store(secret)

    def record_event(self, event: Event) -> None:
        self._require_writer(self.writer)
        self.world.events.append(event)

    def stop(self) -> None:
        self._sink = None

    def notice(self, change: Change) -> None:
        """Take in what happened in the cluster."""
        if self._watch:
            self._deliver(change)

    def _require(self, writer: str, obj: Written) -> Written:
        self._require_writer(writer)
        current = self.world.objects.get(source_of(obj))
        if current is None or current.version != obj.version:
            raise StaleWrite(f"{key_of(obj)} is not the one that was read")
        return cast("Written", current)

    def _require_writer(self, writer: str) -> None:
        if self.writer != writer:
            raise StaleWrite(f"{writer} writes this, not {self.writer}")
        if self.unavailable or self._sink is None:
            raise Unavailable(self.unavailable or "not started")

    def _lists(self) -> Iterable[Listed]:
        for kind in Kind:
            yield Listed(kind, frozenset(key.name for key in self.world.objects if key.kind is kind))

    def _deliver(self, *changes: Change) -> None:
        for change in changes:
            if self._sink is not None:
                self._sink(change)
