"""The parts of MetalLB's old configuration that concern BGP, checked by MetalLB's rules and kept for later."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from metalev.adapters.codec import legacy_wire as keys
from metalev.adapters.codec.communities import check_community
from metalev.adapters.codec.fields import BadField, parse_address
from metalev.adapters.codec.metallb import check_expression
from metalev.adapters.codec.section import Section
from metalev.adapters.codec.wire import SelectorRequirement
from metalev.model.address import AddressRange
from metalev.model.legacy import LegacyBFDProfile, LegacyBGPAdvertisement, LegacyPeer
from metalev.model.meta import Expression, LabelSelector
from metalev.model.pools import Pool

# Go's time.ParseDuration, which is how MetalLB reads a hold time.
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SHORTEST_HOLD_TIME: Final = 3
# An UPDATE's attribute has one byte for its length, of four bytes for each community.
_MAX_COMMUNITIES: Final = 63


def check_communities(communities: Mapping[str, str], path: str) -> None:
    """Each alias must stand for a community. Raises :class:`BadField`."""
    for alias, value in communities.items():
        check_community(value, f"{path}.{alias}")


def peers(sections: Iterable[Section], profiles: Collection[str]) -> tuple[LegacyPeer, ...]:
    """``peers``; ``profiles`` are the names of the BFD profiles that there are. Raises :class:`BadField`."""
    found: list[LegacyPeer] = []
    for section in sections:
        peer = _peer(section)
        if peer.bfd_profile and peer.bfd_profile not in profiles:
            path, known = section.path_of("bfd-profile"), ", ".join(sorted(profiles)) or "none"
            raise BadField(path, f'references non existing BFD profile "{peer.bfd_profile}": there is {known}')
        if peer in found:
            raise BadField(section.path, f"peer {peer.peer_address} already exists: remove one of the two")
        found.append(peer)
    return tuple(found)


def bfd_profiles(sections: Iterable[Section]) -> tuple[LegacyBFDProfile, ...]:
    """``bfd-profiles``. Raises :class:`BadField`."""
    found: dict[str, LegacyBFDProfile] = {}
    for section in sections:
        profile = _bfd_profile(section)
        if profile.name in found:
            raise BadField(section.path_of("name"), f"found duplicate bfd profile name {profile.name}")
        found[profile.name] = profile
    return tuple(found.values())


def advertisements(
    sections: Iterable[Section], pool: Pool, communities: Mapping[str, str]
) -> tuple[LegacyBGPAdvertisement, ...]:
    """A pool's ``bgp-advertisements``; ``communities`` are the aliases that there are. Raises :class:`BadField`."""
    found: list[LegacyBGPAdvertisement] = []
    for section in sections:
        one = _advertisement(section, pool.name.name)
        _check_lengths(section, one, pool)
        _check_named_communities(section, one, communities)
        for earlier in found:
            _check_apart(section, one, earlier, pool)
        found.append(one)
    return tuple(found)


def _peer(section: Section) -> LegacyPeer:
    read = section.read(keys.Peer)
    selectors = tuple(_selector(one) for one in section.sections("node-selectors"))
    section.finish()
    if read.ebgp_multihop and read.my_asn == read.peer_asn:
        raise BadField(section.path_of("ebgp-multihop"), "invalid EBGPMultiHop parameter set for an ibgp peer")
    hold_time, keepalive_time = _times(section, read)
    return LegacyPeer(
        my_asn=read.my_asn,
        peer_asn=read.peer_asn,
        peer_address=str(parse_address(read.peer_address, section.path_of("peer-address"))),
        source_address=_address(read.source_address, section.path_of("source-address")),
        peer_port=read.peer_port,
        hold_time=hold_time,
        keepalive_time=keepalive_time,
        router_id=_router_id(read.router_id, section.path_of("router-id")),
        password=read.password,
        bfd_profile=read.bfd_profile,
        ebgp_multihop=read.ebgp_multihop,
        node_selectors=selectors,
    )


def _times(section: Section, read: keys.Peer) -> tuple[float | None, float | None]:
    """The hold time and the keepalive time, in seconds."""
    hold_path, keepalive_path = section.path_of("hold-time"), section.path_of("keepalive-time")
    hold, keepalive = _seconds(read.hold_time, hold_path), _seconds(read.keepalive_time, keepalive_path)
    if hold is not None and 0 < int(hold) < _SHORTEST_HOLD_TIME:
        raise BadField(hold_path, f'invalid hold time "{read.hold_time}": must be 0 or >=3s')
    if hold is not None and keepalive is not None and keepalive > hold:
        wrong = f'invalid keepaliveTime "{read.keepalive_time}", must be lower than holdTime "{read.hold_time}"'
        raise BadField(keepalive_path, wrong)
    return hold, keepalive


def _advertisement(section: Section, pool: str) -> LegacyBGPAdvertisement:
    read = section.read(keys.BGPAdvertisement, {"localpref": ("local-pref", "localPref")})
    section.finish()
    return LegacyBGPAdvertisement(
        pool, read.aggregation_length, read.aggregation_length_v6, read.local_pref, tuple(read.communities)
    )


def _bfd_profile(section: Section) -> LegacyBFDProfile:
    read = section.read(keys.BFDProfile)
    section.finish()
    return LegacyBFDProfile(
        read.name,
        read.receive_interval,
        read.transmit_interval,
        read.detect_multiplier,
        read.echo_interval,
        read.echo_mode,
        read.passive_mode,
        read.minimum_ttl,
    )


def _check_lengths(section: Section, one: LegacyBGPAdvertisement, pool: Pool) -> None:
    """What is announced as one may not be more than what the pool has: of a range, any of its CIDRs will do."""
    for addresses in pool.ranges:
        key, length = _length(one, addresses)
        prefix = addresses.shortest_prefix()
        if length < prefix:
            wrong = f"invalid aggregation length {length}: prefix {prefix} in this pool is more specific than the "
            wrong += f"aggregation length for addresses {addresses}"
            raise BadField(section.path_of(key), wrong)


def _length(one: LegacyBGPAdvertisement, addresses: AddressRange) -> tuple[str, int]:
    """The key and the value of the aggregation length for the family of ``addresses``."""
    if addresses.family == 4:
        return "aggregation-length", one.aggregation_length
    return "aggregation-length-v6", one.aggregation_length_v6


def _check_named_communities(section: Section, one: LegacyBGPAdvertisement, aliases: Mapping[str, str]) -> None:
    path = section.path_of("communities")
    if len(one.communities) > _MAX_COMMUNITIES:
        raise BadField(path, f"has {len(one.communities)} communities: at most {_MAX_COMMUNITIES} fit into an update")
    for index, community in enumerate(one.communities):
        here = f"{path}[{index}]"
        if community in one.communities[:index]:
            raise BadField(here, f'"{community}" stands there twice')
        if community not in aliases:
            check_community(community, here, aliases)


def _check_apart(section: Section, one: LegacyBGPAdvertisement, earlier: LegacyBGPAdvertisement, pool: Pool) -> None:
    """Two advertisements of one pool must differ, and not only in their preference: one route has one."""
    if one == earlier:
        raise BadField(section.path, "says the same as an advertisement before it: remove one of the two")
    same = any(_length(one, addresses) == _length(earlier, addresses) for addresses in pool.ranges)
    if same and one.local_pref != earlier.local_pref:
        wrong = f"invalid local preference {one.local_pref}: local preference {earlier.local_pref} was already set "
        raise BadField(section.path_of("localpref"), wrong + "for the same pool and aggregation length")


def _router_id(text: str, path: str) -> str:
    if text and parse_address(text, path).version != 4:
        raise BadField(path, f'invalid router id "{text}": it is written like an IPv4 address')
    return text


def _address(text: str, path: str) -> str:
    return str(parse_address(text, path)) if text else ""


def _seconds(text: str, path: str) -> float | None:
    if not text:
        return None
    if not _DURATION.fullmatch(text):
        raise BadField(path, f'"{text}" is no duration: write 90s or 1m30s')
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def _selector(section: Section) -> LabelSelector:
    labels = section.read(keys.Selector).match_labels
    expressions = tuple(_expression(one) for one in section.sections("match-expressions"))
    section.finish()
    return LabelSelector(labels, expressions)


def _expression(section: Section) -> Expression:
    read = section.read(keys.Requirement)
    section.finish()
    return check_expression(SelectorRequirement(read.key, read.operator, read.values), section.path)
