"""MetalLB's configuration before 0.13: one ConfigMap that says everything.

Its pools become :class:`Pool` and :class:`L2Advertisement` here. What concerns BGP is kept as it is, for the day when
something speaks it.
"""

from __future__ import annotations

from msgspec import Struct

from metalev.model.meta import LabelSelector, Name
from metalev.model.pools import L2Advertisement, Pool

LEGACY_CONFIG = "config"

_LONGEST_NAME = 63


def object_name(text: str) -> str:
    """What a pool that was called ``text`` is called as an object: as MetalLB's ``configmaptocrs`` makes it."""
    return text.lower().replace("_", "-")[:_LONGEST_NAME]


class Remark(Struct, frozen=True):
    """Something to know about a place in a configuration that is in force.

    ``path`` is the field of the object; ``line`` the line, from 1, of the text in it (0: it holds no text).
    ``serious`` is whether something that is wanted is missing because of it.
    """

    path: str
    line: int
    text: str
    serious: bool = False


class LegacyPeer(Struct, frozen=True):
    """A BGP router to talk to; times are in seconds, ``None`` where nothing was said."""

    my_asn: int
    peer_asn: int
    peer_address: str
    source_address: str = ""
    peer_port: int = 179
    hold_time: float | None = None
    keepalive_time: float | None = None
    router_id: str = ""
    password: str = ""
    bfd_profile: str = ""
    ebgp_multihop: bool = False
    node_selectors: tuple[LabelSelector, ...] = ()

    def __repr__(self) -> str:
        return f"LegacyPeer({self.peer_address}, AS {self.peer_asn})"  # no password in a log


class LegacyBGPAdvertisement(Struct, frozen=True):
    """How the addresses of ``pool`` are to be told to peers."""

    pool: str
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int = 0
    communities: tuple[str, ...] = ()


class LegacyBFDProfile(Struct, frozen=True):
    """Intervals in milliseconds; ``None`` leaves the choice to the daemon."""

    name: str
    receive_interval: int | None = None
    transmit_interval: int | None = None
    detect_multiplier: int | None = None
    echo_interval: int | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: int | None = None


class LegacyConfig(Struct, frozen=True):
    """The ConfigMap ``config`` in metalev's own namespace; it counts while there is no IPAddressPool."""

    name: Name
    version: str = ""
    pools: tuple[Pool, ...] = ()
    advertisements: tuple[L2Advertisement, ...] = ()
    peers: tuple[LegacyPeer, ...] = ()
    bgp_advertisements: tuple[LegacyBGPAdvertisement, ...] = ()
    bgp_communities: dict[str, str] = {}
    bfd_profiles: tuple[LegacyBFDProfile, ...] = ()
    remarks: tuple[Remark, ...] = ()
