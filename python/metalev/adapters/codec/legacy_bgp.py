"""The parts of MetalLB's old configuration that concern BGP, checked and kept for later."""

from __future__ import annotations

import re
from typing import Final

from metalev.adapters.codec import legacy_wire as keys
from metalev.adapters.codec.fields import BadField, parse_address
from metalev.adapters.codec.metallb import check_expression
from metalev.adapters.codec.section import Section
from metalev.adapters.codec.wire import SelectorRequirement
from metalev.model.legacy import LegacyBFDProfile, LegacyBGPAdvertisement, LegacyPeer
from metalev.model.meta import Expression, LabelSelector

# Go's time.ParseDuration, which is how MetalLB reads a hold time.
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def peer(section: Section) -> LegacyPeer:
    """One of ``peers``."""
    read = section.read(keys.Peer)
    selectors = tuple(_selector(one) for one in section.sections("node-selectors"))
    section.finish()
    return LegacyPeer(
        my_asn=read.my_asn,
        peer_asn=read.peer_asn,
        peer_address=str(parse_address(read.peer_address, section.path_of("peer-address"))),
        source_address=_address(read.source_address, section.path_of("source-address")),
        peer_port=read.peer_port,
        hold_time=_seconds(read.hold_time, section.path_of("hold-time")),
        keepalive_time=_seconds(read.keepalive_time, section.path_of("keepalive-time")),
        router_id=_address(read.router_id, section.path_of("router-id")),
        password=read.password,
        bfd_profile=read.bfd_profile,
        ebgp_multihop=read.ebgp_multihop,
        node_selectors=selectors,
    )


def advertisement(section: Section, pool: str) -> LegacyBGPAdvertisement:
    """One of a pool's ``bgp-advertisements``."""
    read = section.read(keys.BGPAdvertisement, {"localpref": ("local-pref", "localPref")})
    section.finish()
    return LegacyBGPAdvertisement(
        pool, read.aggregation_length, read.aggregation_length_v6, read.local_pref, tuple(read.communities)
    )


def bfd_profile(section: Section) -> LegacyBFDProfile:
    """One of ``bfd-profiles``."""
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
