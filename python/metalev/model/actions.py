"""What a reconcile wants done, each with its reason. An adapter carries it out; nothing else has an effect."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from metalev.model.cluster import BeaconKey
from metalev.model.meta import Name, ObjectKey
from metalev.model.ownership import Fact, OwnershipTable
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service, ServiceStatus


class EventType(StrEnum):
    """The two types of Kubernetes event."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Event(Struct, frozen=True):
    """An event on an object; ``reason`` and ``message`` are MetalLB's to the letter where MetalLB has them."""

    regarding: ObjectKey
    type: EventType
    reason: str
    message: str
    component: str


class Holding(Struct, frozen=True):
    """A group that a speaker announces: under which term and why, and on which interfaces (none: all)."""

    group: str
    addresses: tuple[str, ...]
    services: tuple[str, ...]
    term: int
    cause: str
    interfaces: tuple[str, ...] = ()


class Conflict(Struct, frozen=True):
    """An address that somebody else has: who, where that was seen, how it came out, and since when (Unix time)."""

    address: str
    mac: str
    interface: str = ""
    cause: str = ""
    since: int = 0


class Patience(Struct, frozen=True):
    """A node that is given up only after a longer silence than usual: after ``seconds``, and why.

    Of the speaker's own node it is what it asks its peers for.
    """

    node: str
    seconds: float
    cause: str = ""


class SpeakerState(Struct, frozen=True):
    """What one speaker says of itself, for people and for the controller (``metalev.io/v1alpha1``).

    ``local_addresses`` are those of its node's interfaces, ``gateways`` its default routers: the controller hands out
    none of them. ``conflicts`` are addresses that somebody else has, ``clean`` free ones that nobody answered for.
    ``patience`` names the nodes that are given up only after a longer silence than usual.
    """

    name: Name
    version: str = ""
    holdings: tuple[Holding, ...] = ()
    peers_heard: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    local_addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    clean: tuple[str, ...] = ()
    patience: tuple[Patience, ...] = ()


class WriteServiceStatus(Struct, frozen=True):
    """Make ``status`` that of ``service``, unless the Service has changed since it was read."""

    service: Service
    status: ServiceStatus
    reason: str


class ReportContest(Struct, frozen=True):
    """Say of ``service`` that it is left to somebody else who keeps writing its status, once it is known who."""

    service: Service
    reason: str


class WritePoolStatus(Struct, frozen=True):
    """Make ``status`` that of ``pool``."""

    pool: Pool
    status: PoolStatus
    reason: str


class WriteSpeakerState(Struct, frozen=True):
    """Publish what this speaker holds and sees."""

    state: SpeakerState
    reason: str


class Configuration(Struct, frozen=True):
    """What a program makes of the configuration: what is wrong with it, a sentence each, and with the pools alone.

    What is wrong is not used, and the last good one of it stays.
    """

    problems: tuple[str, ...] = ()
    pool_problems: tuple[str, ...] = ()


class WriteConfiguration(Struct, frozen=True):
    """Publish what this program makes of the configuration."""

    configuration: Configuration
    reason: str


class CreateBeaconKey(Struct, frozen=True):
    """Make the Secret with the key that signs beacons, which is not there yet."""

    key: BeaconKey
    reason: str


class RecordEvent(Struct, frozen=True):
    """Tell whoever looks at an object what happened to it."""

    event: Event

    @property
    def reason(self) -> str:
        """The event's own."""
        return self.event.reason


class SetOwnership(Struct, frozen=True):
    """Hand the whole table to the engine."""

    table: OwnershipTable
    reason: str


Action: TypeAlias = (
    WriteServiceStatus
    | ReportContest
    | WritePoolStatus
    | WriteSpeakerState
    | WriteConfiguration
    | CreateBeaconKey
    | RecordEvent
    | SetOwnership
)

__all__ = [
    "Action",
    "Configuration",
    "Conflict",
    "CreateBeaconKey",
    "Event",
    "EventType",
    "Fact",
    "Holding",
    "Patience",
    "RecordEvent",
    "ReportContest",
    "SetOwnership",
    "SpeakerState",
    "WriteConfiguration",
    "WritePoolStatus",
    "WriteServiceStatus",
    "WriteSpeakerState",
]
