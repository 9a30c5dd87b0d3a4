"""Actions carried out: the one place where a decision becomes a call of a port."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from metalev.model.actions import (
    Action,
    CreateBeaconKey,
    Event,
    EventType,
    RecordEvent,
    ReportContest,
    SetOwnership,
    WriteConfiguration,
    WritePoolStatus,
    WriteServiceStatus,
    WriteSpeakerState,
)
from metalev.model.errors import StartError, Unavailable
from metalev.model.services import Service
from metalev.ports.cluster import Cluster
from metalev.ports.leases import Leases
from metalev.ports.ownership import Ownership

# Events kept while the cluster does not answer; the oldest go first, for they say the least about now.
BACKLOG = 1000

log = logging.getLogger("metalev.effects")


class Effects:
    """Carries actions out, in the order in which they come.

    Events wait in a backlog until ``flush``, so that a write is not repeated because of an event that failed.
    """

    def __init__(
        self,
        cluster: Cluster,
        ownership: Ownership | None = None,
        lease: Leases | None = None,
        *,
        record: Callable[[Event], None] | None = None,
    ) -> None:
        """``ownership`` is for a program that has an engine, ``lease`` for one that writes only while it holds it.

        ``record`` takes events at once and sees to the rest itself.
        """
        self._cluster = cluster
        self._ownership = ownership
        self._lease = lease
        self._record = record or self._keep
        self._events: deque[Event] = deque(maxlen=BACKLOG)

    def carry_out(self, action: Action) -> None:
        """Do it. Raises ``StaleWrite`` and ``Unavailable`` as the cluster does, ``StartError`` without the right to."""
        assert not isinstance(action, ReportContest), "who it is must be found out first"
        self._require_lease(action)
        match action:
            case WriteServiceStatus(service, status):
                self._cluster.write_service_status(service, status)
            case WritePoolStatus(pool, status):
                self._cluster.write_pool_status(pool, status)
            case WriteSpeakerState(state):
                self._cluster.write_speaker_state(state)
            case WriteConfiguration(configuration):
                self._cluster.write_configuration(configuration)
            case CreateBeaconKey(key):
                self._cluster.create_beacon_key(key)
            case SetOwnership(table):
                assert self._ownership is not None
                self._ownership.set(table)
            case RecordEvent(event):
                self._record(event)
        _tell(action)

    def status_writer(self, service: Service) -> str:
        """Who else wrote the addresses in a Service's status; empty if it is not known. Raises ``Unavailable``."""
        return self._cluster.status_writer(service)

    def _require_lease(self, action: Action) -> None:
        """A write may start only if the right to it lasts until the write has ended, one way or the other."""
        if self._lease is None or not isinstance(action, WriteServiceStatus | WritePoolStatus | CreateBeaconKey):
            return
        if self._lease.remaining() > self._lease.margin:
            return
        if self._lease.fenced:
            raise StartError(
                "this controller has lost the right to write: its lock was removed or taken over; start it again"
            )
        ending = Unavailable("the lease may end before a write does; it waits until the lease is renewed")
        ending.told = True  # whoever renews it says what keeps it from that
        raise ending

    def _keep(self, event: Event) -> None:
        self._events.append(event)

    def flush(self) -> None:
        """Record the events that wait. Raises ``Unavailable``; what is left then still waits."""
        while self._events:
            event = self._events.popleft()
            try:
                self._cluster.record_event(event)
            except Unavailable:
                self._events.appendleft(event)
                raise


def _tell(action: Action) -> None:
    """Log what was done and why: at a level that tells each change of interest once."""
    match action:
        case WriteServiceStatus(service, status):
            level = logging.DEBUG if status.addresses == service.status.addresses else logging.INFO
            log.log(level, "%s: %s", service.name, action.reason)
        case WritePoolStatus(pool):
            log.debug("pool %s: %s", pool.name.name, action.reason)
        case WriteSpeakerState():
            log.debug("own state: %s", action.reason)
        case WriteConfiguration():
            log.debug("what is made of the configuration: %s", action.reason)
        case CreateBeaconKey():
            log.info("%s", action.reason)
        case SetOwnership():
            log.info("new table for the engine: %s", action.reason)
        case RecordEvent(event):
            level = logging.WARNING if event.type is EventType.WARNING else logging.DEBUG
            log.log(level, "%s: %s", event.regarding.name, event.message, extra={"fields": {"reason": event.reason}})
