"""The keys of MetalLB's configuration before 0.13. Lists of mappings are read apart (:mod:`.section`)."""
# ruff: noqa: D101  (a sentence for each would say its name again)

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from metalev.adapters.codec.choices import recommend
from metalev.model.meta import Operator

_ASN: TypeAlias = Annotated[int, Meta(ge=1, le=2**32 - 1)]
_PeerPort: TypeAlias = Annotated[int, Meta(ge=1, le=16384)]
_U32: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
_Milliseconds: TypeAlias = Annotated[int, Meta(ge=10, le=60000)]
_Multiplier: TypeAlias = Annotated[int, Meta(ge=2, le=255)]
_TTL: TypeAlias = Annotated[int, Meta(ge=1, le=254)]


class Legacy(Struct, rename="kebab", frozen=True):
    """A part of the configuration."""


class Top(Legacy, frozen=True):
    bgp_communities: dict[str, str] = {}


class Pool(Legacy, frozen=True):
    name: str
    protocol: Annotated[Literal["layer2", "bgp", "l2", "arp", "ndp"], recommend("layer2", "bgp")]
    addresses: list[str]
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    arp_network: object = None


class BGPAdvertisement(Legacy, frozen=True):
    aggregation_length: Annotated[int, Meta(ge=1, le=32)] = 32
    aggregation_length_v6: Annotated[int, Meta(ge=1, le=128)] = 128
    local_pref: _U32 = field(default=0, name="localpref")
    communities: list[str] = []


class Peer(Legacy, frozen=True):
    my_asn: _ASN
    peer_asn: _ASN
    peer_address: str
    source_address: str = ""
    peer_port: _PeerPort = 179
    hold_time: str = ""
    keepalive_time: str = ""
    router_id: str = ""
    password: str = ""
    bfd_profile: str = ""
    ebgp_multihop: bool = False


class BFDProfile(Legacy, frozen=True):
    name: str
    receive_interval: _Milliseconds | None = None
    transmit_interval: _Milliseconds | None = None
    detect_multiplier: _Multiplier | None = None
    echo_interval: _Milliseconds | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: _TTL | None = None


class Selector(Legacy, frozen=True):
    match_labels: dict[str, str] = {}


class Requirement(Legacy, frozen=True):
    key: str
    operator: Operator
    values: list[str] = []
