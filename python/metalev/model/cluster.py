"""Nodes, namespaces and the key of the beacons."""

from __future__ import annotations

from msgspec import Struct

from metalev.model.address import IPAddress
from metalev.model.meta import Labels, Name

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
BEACON_SECRET = "metalev-beacon"  # noqa: S105  (the name of the Secret, not its content)


class Node(Struct, frozen=True):
    """A node as far as metalev reads it.

    ``addresses`` are its InternalIPs, where its speaker hears beacons by UDP; ``other_addresses`` are the rest of them.
    """

    name: Name
    version: str = ""
    labels: Labels = {}
    addresses: tuple[IPAddress, ...] = ()
    network_unavailable: bool = False
    other_addresses: tuple[IPAddress, ...] = ()

    @property
    def excluded(self) -> bool:
        """Whether it carries the label that keeps load balancers away; its value does not matter."""
        return EXCLUDE_LABEL in self.labels


class SpeakerPod(Struct, frozen=True):
    """A pod that is a speaker: one of metalev's, or (``foreign``) one of MetalLB's.

    It counts while it is ``running``, for one that is being deleted answers to the last moment, and one that is not
    ``ready`` may answer already. One of MetalLB's that ``gossips`` (its memberlist, which is what it does unless told
    otherwise) agrees with those like it alone.
    """

    name: Name
    version: str = ""
    node: str = ""
    running: bool = False
    ready: bool = True
    foreign: bool = False
    gossips: bool = True


class Heartbeat(Struct, frozen=True):
    """What a Lease says of whoever renews it: when it did so last, by its own clock, and for how long (s) it holds.

    ``renewed`` is in seconds since 1970, ``stamp`` the same for people. ``holder`` is empty once it was given back.
    """

    renewed: float
    stamp: str
    lasts: float
    holder: str


def speaker_lease(node: str) -> str:
    """The name of the Lease that the speaker of ``node`` renews."""
    return f"speaker-{node}"


class Namespace(Struct, frozen=True):
    """A namespace: its labels choose pools."""

    name: Name
    version: str = ""
    labels: Labels = {}


class BeaconKey(Struct, frozen=True):
    """A key that signs beacons. ``id`` (0..65535) names it on the wire, so that two can be valid during a rotation."""

    id: int
    secret: bytes

    def __repr__(self) -> str:
        return f"BeaconKey(id={self.id}, secret=...)"


class BeaconSecret(Struct, frozen=True):
    """The Secret ``metalev-beacon``: the first key signs, every one is accepted."""

    name: Name
    version: str = ""
    keys: tuple[BeaconKey, ...] = ()
