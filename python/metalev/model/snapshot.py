"""The world at one moment, and the changes that lead from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from metalev.model.actions import SpeakerState
from metalev.model.cluster import BeaconKey, BeaconSecret, Namespace, Node, SpeakerPod
from metalev.model.drills import Drill
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact
from metalev.model.pools import L2Advertisement, Pool, PoolStatus
from metalev.model.services import EndpointSlice, Service

Object: TypeAlias = (
    Service
    | EndpointSlice
    | Node
    | Namespace
    | Pool
    | L2Advertisement
    | BeaconSecret
    | SpeakerState
    | LegacyConfig
    | SpeakerPod
    | Drill
)

KIND_OF: Mapping[type, Kind] = {
    Service: Kind.SERVICE,
    EndpointSlice: Kind.ENDPOINT_SLICE,
    Node: Kind.NODE,
    Namespace: Kind.NAMESPACE,
    Pool: Kind.POOL,
    L2Advertisement: Kind.L2_ADVERTISEMENT,
    BeaconSecret: Kind.SECRET,
    SpeakerState: Kind.SPEAKER_STATE,
    LegacyConfig: Kind.CONFIG_MAP,
    SpeakerPod: Kind.POD,
    Drill: Kind.DRILL,
}


def key_of(obj: Object) -> ObjectKey:
    """The key under which a snapshot holds ``obj``."""
    return ObjectKey(KIND_OF[type(obj)], obj.name)


def source_of(obj: Object) -> ObjectKey:
    """The object in which ``obj`` stands: itself, but for a pool that MetalLB's old ConfigMap gives."""
    return (obj.source if isinstance(obj, Pool) else None) or key_of(obj)


class Upserted(Struct, frozen=True):
    """An object that is new or has changed."""

    obj: Object


class Deleted(Struct, frozen=True):
    """An object that is gone."""

    key: ObjectKey


class Listed(Struct, frozen=True):
    """A complete list has been delivered: whatever of ``kind`` is not among ``names`` is gone.

    This is how a delete that nobody saw (a watch that broke, a program that was down) is made up for.
    """

    kind: Kind
    names: frozenset[Name]


class Rejected(Struct, frozen=True):
    """An input that cannot be used: ``source`` says where it stands, ``message`` what would be right.

    What was good before stays in force. An empty message withdraws the complaint. ``serious`` is whether something that
    is wanted is missing because of it; a field, or an object of a kind, that metalev does not read is only named.
    """

    source: str
    message: str
    serious: bool = True


class PoolStatusSeen(Struct, frozen=True):
    """What stands written of a pool; ``None`` if nothing does any more. Only who writes it is told.

    It is no part of the pool, so that writing it leaves everything alone that is derived from pools.
    """

    name: Name
    status: PoolStatus | None


class Synced(Struct, frozen=True):
    """Every kind has been listed once: from here on what is absent is really absent."""


class Standby(Struct, frozen=True):
    """Whether this program only looks on, because another one does the work (``on``), or does it itself."""

    on: bool


class KeysRead(Struct, frozen=True):
    """The key file has been read anew: the first key signs, any is accepted."""

    keys: tuple[BeaconKey, ...]


class Noticed(Struct, frozen=True):
    """A fact from the wire."""

    fact: Fact


Change: TypeAlias = Upserted | Deleted | Listed | Rejected | PoolStatusSeen | Synced | Standby | KeysRead | Noticed


class Snapshot(Struct, frozen=True):
    """All that is known, by name. Mappings are never changed in place, so identity means equality.

    ``endpoints`` is grouped by Service. ``problems`` maps a source to what is wrong with it, ``notes`` to what
    is merely not used. ``held`` maps the key of
    a group (as text) to the fact that it was taken, ``unable`` to the fact that this node cannot announce it.
    ``conflicts`` maps an address (as text) to the fact that somebody else has it, ``clean`` are addresses that nobody
    has, ``witnessed`` maps an address to the fact that it was not answered as it should be, ``trouble`` is what others
    on the wire do that concerns no address alone.
    ``patience`` maps a node to the fact that it is given up only after a longer silence than usual.
    ``local_addresses`` are those of this host, on whichever interface, ``gateways`` its default routers.
    ``file_keys`` are those that the key file has had since it changed.
    In ``standby`` another program of the same kind does the work.
    """

    services: Mapping[Name, Service] = {}
    endpoints: Mapping[Name, Mapping[Name, EndpointSlice]] = {}
    nodes: Mapping[Name, Node] = {}
    namespaces: Mapping[Name, Namespace] = {}
    pools: Mapping[Name, Pool] = {}
    pool_statuses: Mapping[Name, PoolStatus] = {}
    l2_advertisements: Mapping[Name, L2Advertisement] = {}
    secrets: Mapping[Name, BeaconSecret] = {}
    file_keys: tuple[BeaconKey, ...] = ()
    speakers: Mapping[Name, SpeakerState] = {}
    legacy_configs: Mapping[Name, LegacyConfig] = {}
    speaker_pods: Mapping[Name, SpeakerPod] = {}
    drills: Mapping[Name, Drill] = {}
    problems: Mapping[str, str] = {}
    notes: Mapping[str, str] = {}
    held: Mapping[str, Fact] = {}
    peers_heard: frozenset[str] = frozenset()
    unable: Mapping[str, Fact] = {}
    interfaces: frozenset[str] = frozenset()
    local_addresses: frozenset[str] = frozenset()
    gateways: frozenset[str] = frozenset()
    conflicts: Mapping[str, Fact] = {}
    clean: frozenset[str] = frozenset()
    witnessed: Mapping[str, Fact] = {}
    patience: Mapping[str, Fact] = {}
    trouble: frozenset[Fact] = frozenset()
    synced: bool = False
    standby: bool = False
