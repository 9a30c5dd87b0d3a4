"""What the engine is told, and the facts that it tells.

Python says which nodes *may* announce, in which order; each node says in its beacons which it *can*; the engine alone
decides which *does*.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from metalev.model.address import IPAddress
from metalev.model.cluster import BeaconKey


class Candidate(Struct, frozen=True):
    """A node that may announce a group; ``score`` is the sum of the preferences that name it."""

    node: str
    score: int = 0


class Preempt(StrEnum):
    """When a living announcer has to leave a group to a better candidate, from the fewest moves to the most.

    ``sticky``: if that one has a strictly higher preference score, after the hold-down. ``balanced``: if it comes first
    in the order, after the hold-down. ``immediate`` (MetalLB's way): the same as soon as it is up and has listened.
    """

    STICKY = "sticky"
    BALANCED = "balanced"
    IMMEDIATE = "immediate"


class Group(Struct, frozen=True):
    """The unit of ownership: addresses that move together.

    ``key`` is the smallest of the first addresses of its Services. ``candidates`` are in the order in which they are
    asked. ``interfaces`` empty means every interface. One that ``gives_way`` is left to a speaker of MetalLB that comes
    up: whoever announces it goes on until that one is heard to, and nobody takes it. ``keeps``: this node could serve
    it, so if it announces it and is no candidate any more, it goes on for as long as nobody relieves it. ``drilled``:
    this node is no candidate because of a drill, and for no other reason.
    """

    key: IPAddress
    addresses: tuple[IPAddress, ...]
    candidates: tuple[Candidate, ...]
    interfaces: tuple[str, ...] = ()
    gives_way: bool = False
    keeps: bool = False
    drilled: bool = False
    preempt: Preempt = Preempt.STICKY


class Peer(Struct, frozen=True):
    """Another node that runs a speaker, and where it hears beacons by UDP."""

    node: str
    addresses: tuple[IPAddress, ...] = ()


class Silence(Struct, frozen=True):
    """An order to this node to be silent for ``seconds`` (at most 30), as if it had died; each ``id`` counts once."""

    id: str
    seconds: float


class Probe(StrEnum):
    """Whether and when it is found out that somebody else has an address (RFC 5227)."""

    OFF = "off"
    AHEAD = "ahead"
    FULL = "full"


class Probing(Struct, frozen=True):
    """What is to be found out about addresses before anybody announces them.

    One of the nodes asks for each of ``addresses``, which are given away next. With ``full``, what nobody has announced
    yet is probed by the whole schedule of RFC 5227 before it is.
    """

    addresses: tuple[IPAddress, ...] = ()
    full: bool = False


class OwnershipTable(Struct, frozen=True):
    """Everything that ``Ownership.set`` is told, always whole. The first key signs; any of them is accepted."""

    peers: tuple[Peer, ...] = ()
    keys: tuple[BeaconKey, ...] = ()
    groups: tuple[Group, ...] = ()
    silence: Silence | None = None
    probing: Probing = Probing()


class FactKind(StrEnum):
    """What the engine reports. The words stand in logs, events and tests alike."""

    TOOK = "took"
    YIELDED = "yielded"
    OFFERED = "offered"
    KEPT = "kept"
    PEER_HEARD = "peer heard"
    PEER_LOST = "peer lost"
    ONE_WAY = "one way"
    UNABLE = "unable"
    ABLE = "able"
    OVERSLEPT = "overslept"
    FOREIGN_CLAIM = "foreign claim"
    INTERFACE_UP = "interface up"
    INTERFACE_DOWN = "interface down"
    GATEWAYS = "gateways"
    HOST_ADDRESSES = "host addresses"
    HOST_GATEWAYS = "host gateways"
    UNHEEDED = "unheeded"
    UNHEEDED_OVER = "unheeded over"
    UNSENT = "unsent"
    UNSENT_LASTS = "unsent lasts"
    UNSENT_OVER = "unsent over"
    CLEAN = "clean"
    CONFLICT = "conflict"
    CONFLICT_OVER = "conflict over"
    PROXY_ARP = "proxy arp"
    PROXY_ARP_OVER = "proxy arp over"
    OWN_KERNEL = "own kernel"
    OWN_KERNEL_OVER = "own kernel over"
    WITNESS = "witness"
    WITNESS_OVER = "witness over"
    PATIENCE = "patience"
    PATIENCE_OVER = "patience over"


class Fact(Struct, frozen=True):
    """Something that the engine saw or did, with its cause.

    ``cause`` is a fixed word (``missed-beacons``, ``first-candidate``, ...); ``message`` is the same for a person, with
    the figures. ``at`` is in seconds of the engine's clock, ``patience`` in seconds. What does not apply is empty.
    """

    kind: FactKind
    at: float
    cause: str
    message: str
    group: IPAddress | None = None
    addresses: tuple[IPAddress, ...] = ()
    term: int = 0
    peer: str = ""
    interface: str = ""
    mac: str = ""
    patience: float = 0.0
