"""MetalLB's configuration before 0.13: the ConfigMap ``config``, with one YAML text under the key ``config``.

As strict as MetalLB 0.12 was about keys, so that no typing error passes for a default; tolerant of every spelling that
some version or its documents had. Names come out as MetalLB's own migration tool (``configmaptocrs``) makes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from metalev.adapters.codec import legacy_bgp, wire
from metalev.adapters.codec import legacy_wire as keys
from metalev.adapters.codec.fields import BadField, check_name
from metalev.adapters.codec.metallb import parse_range
from metalev.adapters.codec.section import Section, folded
from metalev.adapters.codec.yamltext import Places, UnreadableDocument, load_yaml
from metalev.decide.pools import unusable_ranges
from metalev.model.address import WRITE_RANGES
from metalev.model.legacy import LegacyBGPAdvertisement, LegacyConfig, Remark, object_name
from metalev.model.meta import Name
from metalev.model.pools import L2Advertisement, Pool

_FIELD: Final = "data.config"
_POOLS: Final = re.compile(r"""^[ \t{"']*add?ress?(es)?[-_]?pools?["']?[ \t]*:""", re.MULTILINE | re.IGNORECASE)
_UNUSED: Final = "BGP is not supported yet: this is read and has no effect"


class _Read(Struct, frozen=True):
    """One of ``address-pools``: where it stands, what it becomes, and what is to be said of it."""

    pool: Pool
    name_path: str
    ranges_path: str
    layer2: bool
    advertisements: tuple[LegacyBGPAdvertisement, ...]
    remarks: tuple[Remark, ...]


def is_bare(document: object) -> bool:
    """Whether ``document`` is the inner text of the ConfigMap alone, as guides show it."""
    if not isinstance(document, Mapping) or "kind" in document:
        return False
    return any(isinstance(key, str) and folded(key) == "addresspools" for key in document)


def is_meant(document: object) -> bool:
    """Whether ``document``, a ConfigMap, holds MetalLB's configuration: it may be misspelt, or no good as YAML."""
    match document:
        case {"data": {"config": str(text)}}:
            return _POOLS.search(text) is not None
        case {"data": {"config": content}}:
            return is_bare(content)
        case _:
            return False


def config_map(document: wire.ConfigMap, name: Name) -> LegacyConfig:
    """Read the ConfigMap. Raises :class:`BadField` with the line of its text."""
    if "config" not in document.data:
        raise BadField(_FIELD, "is missing: MetalLB's configuration stands there, as a text")
    text = document.data["config"]
    if not isinstance(text, str):
        raise BadField(_FIELD, 'is no text: write "config: |" and the configuration below it, indented')
    places = Places(text)
    try:
        config = bare(load_yaml(text), name)
    except UnreadableDocument as error:
        raise BadField(_FIELD, f"line {error.line}: {error.problem}", error.line) from None
    except BadField as error:
        line = places.line_of(error.path)
        raise BadField(_FIELD, f"line {line}: {error}", line) from None
    remarks = tuple(_inside(remark, places.line_of(remark.path)) for remark in config.remarks)
    return replace(config, version=document.metadata.resource_version, remarks=remarks)


def bare(content: object, name: Name) -> LegacyConfig:
    """Read the configuration itself. Raises :class:`BadField` with the path of the key."""
    top = Section(content)
    communities = top.read(keys.Top, {"bgp-communities": ("communities",)}).bgp_communities
    legacy_bgp.check_communities(communities, top.path_of("bgp-communities"))
    read = [_pool(section, name.namespace, communities) for section in top.sections("address-pools")]
    profiles = legacy_bgp.bfd_profiles(top.sections("bfd-profiles"))
    peers = legacy_bgp.peers(top.sections("peers"), {one.name for one in profiles})
    top.finish()
    _check_unique(read)
    bgp = {"peers": peers, "bgp-communities": communities, "bfd-profiles": profiles}
    unused = [Remark(top.path_of(key), 0, _UNUSED) for key, given in bgp.items() if given]
    return LegacyConfig(
        name=name,
        pools=tuple(one.pool for one in read),
        advertisements=tuple(_advertisements(read, name.namespace)),
        peers=peers,
        bgp_advertisements=tuple(item for one in read for item in one.advertisements),
        bgp_communities=communities,
        bfd_profiles=profiles,
        remarks=(*(remark for one in read for remark in one.remarks), *_unusable(read), *unused),
    )


def _pool(section: Section, namespace: str, communities: Mapping[str, str]) -> _Read:
    read = section.read(keys.Pool, {"addresses": ("cidr",)})
    name = check_name(object_name(read.name), section.path_of("name"))
    layer2 = read.protocol != "bgp"
    ranges_path = section.path_of("addresses")
    if not read.addresses:
        raise BadField(ranges_path, f"pool has no prefixes defined: {WRITE_RANGES}")
    pool = Pool(
        name=Name(namespace, name),
        ranges=tuple(parse_range(text, f"{ranges_path}[{index}]") for index, text in enumerate(read.addresses)),
        auto_assign=read.auto_assign,
        avoid_buggy_ips=read.avoid_buggy_ips,
    )
    advertisements = _bgp_advertisements(section, pool, communities, layer2=layer2)
    section.finish()
    remarks = tuple(Remark(section.path_of(key), 0, text) for key, text in _remarks(read, name))
    return _Read(pool, section.path_of("name"), ranges_path, layer2, advertisements, remarks)


def _remarks(read: keys.Pool, name: str) -> Iterator[tuple[str, str]]:
    if name != read.name:
        yield "name", f'the pool "{read.name}" is called "{name}" here: a Service may ask for it by either name'
    if read.arp_network is not None:
        yield "arp-network", "has no effect any more: remove it"
    if read.protocol == "bgp":
        yield "protocol", "BGP is not supported yet: the pool gives out addresses that nobody announces"


def _bgp_advertisements(
    section: Section, pool: Pool, communities: Mapping[str, str], *, layer2: bool
) -> tuple[LegacyBGPAdvertisement, ...]:
    """Those of a BGP pool; one with all defaults if it names none."""
    sections = section.sections("bgp-advertisements", "advertisements")
    found = legacy_bgp.advertisements(sections, pool, communities)
    if layer2 and found:
        wrong = "cannot have bgp-advertisements configuration element in a layer2 address pool"
        raise BadField(section.path_of("bgp-advertisements"), wrong)
    return found if layer2 or found else (LegacyBGPAdvertisement(pool.name.name),)


def _advertisements(read: Sequence[_Read], namespace: str) -> Iterator[L2Advertisement]:
    layer2 = [one.pool.name.name for one in read if one.layer2]
    for number, pool in enumerate(layer2, 1):
        yield L2Advertisement(Name(namespace, f"l2advertisement{number}"), pools=(pool,))


def _check_unique(read: Sequence[_Read]) -> None:
    first: dict[Name, _Read] = {}
    for one in read:
        earlier = first.setdefault(one.pool.name, one)
        if earlier is not one:
            raise BadField(one.name_path, f'duplicate pool "{one.pool.name.name}": {earlier.name_path} is the same')


def _unusable(read: Sequence[_Read]) -> Iterator[Remark]:
    paths = {one.pool.name: one.ranges_path for one in read}
    for one in unusable_ranges(one.pool for one in read):
        yield Remark(f"{paths[one.pool]}[{one.index}]", 0, one.message, serious=True)


def _inside(remark: Remark, line: int) -> Remark:
    """The remark as seen from the ConfigMap."""
    return replace(remark, path=_FIELD, line=line, text=f"line {line}: {remark.path}: {remark.text}")
