"""The cluster: an API server, or a directory of the same manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from metalev.model.actions import Configuration, Event, SpeakerState
from metalev.model.cluster import BeaconKey
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import Change, Object

ChangeSink = Callable[[Change], None]


class Cluster(Protocol):
    """Reads objects as a stream of changes and writes what metalev says of them.

    The contract (``tests/contract/test_cluster.py`` names its cases):

    - after ``start`` every kind is delivered as ``Upserted`` objects followed by one ``Listed`` per kind; when all are
      through, one ``Synced``;
    - changes of one object arrive in their order, and after a write returns no older version of it is delivered;
    - a write that succeeds delivers the object as it now is before it returns;
    - an input that cannot be read is ``Rejected`` by name, and the last good version of it stays.
    """

    def start(self, sink: ChangeSink) -> None:
        """Begin to deliver changes to ``sink``, from any thread, one call at a time.

        Raises ``StartError`` when the cluster cannot be read at all.
        """
        ...

    def write_service_status(self, service: Service, status: ServiceStatus) -> None:
        """Write the addresses, conditions and pool annotation of a Service.

        Raises ``StaleWrite`` if the Service is no longer the one that was read, ``Unavailable`` if nobody answers.
        """
        ...

    def status_writer(self, service: Service) -> str:
        """Who else wrote the addresses in a Service's status last: a field manager; empty where that is not known.

        Raises ``Unavailable``.
        """
        ...

    def write_pool_status(self, pool: Pool, status: PoolStatus) -> None:
        """Write the counts of a pool, and what rests in it. Raises as ``write_service_status`` does.

        The controller, and nobody else, is told what stands written as ``PoolStatusSeen``: all of it before ``Synced``,
        and every change, its own too.
        """
        ...

    def write_speaker_state(self, state: SpeakerState) -> None:
        """Publish this node's own state. Raises ``Unavailable``, and ``StaleWrite`` for a state of another writer."""
        ...

    def write_configuration(self, configuration: Configuration) -> None:
        """Publish what this program makes of the configuration (MetalLB's ``ConfigurationState``).

        Raises ``Unavailable``; an adapter may also take it and write it as soon as it can.
        """
        ...

    def create_beacon_key(self, key: BeaconKey) -> None:
        """Make the Secret of the beacons with this key; one that is there stays as it is. Raises ``Unavailable``."""
        ...

    def record_event(self, event: Event) -> None:
        """Record an event on an object; equal ones are counted, not repeated. Raises ``Unavailable``."""
        ...

    def stop(self) -> None:
        """Deliver nothing more and let go of every lock and thread. May be called twice."""
        ...


__all__ = ["ChangeSink", "Cluster", "Object"]
