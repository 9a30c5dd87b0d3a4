"""The table of what is read, and the way from any document to a model value."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from metalev.adapters.codec import core, legacy, metallb, services, wire
from metalev.adapters.codec.fields import BadField, check_name, convert, parse
from metalev.adapters.codec.kinds import API_VERSION, CLUSTER_SCOPED, METALLB, NOT_OURS, NOT_YET, split_api_version
from metalev.adapters.codec.unknown import unknown_fields
from metalev.model.address import Family
from metalev.model.cluster import BEACON_SECRET
from metalev.model.errors import BadInput
from metalev.model.legacy import LEGACY_CONFIG, Remark
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import PoolStatus
from metalev.model.services import ServiceStatus
from metalev.model.snapshot import Object

log = logging.getLogger("metalev.codec")

ToModel: TypeAlias = Callable[[Any, Name], Object | None]
Json: TypeAlias = bytes | msgspec.Raw

_READERS: Mapping[Kind, tuple[type[Struct], ToModel]] = {
    Kind.ENDPOINT_SLICE: (wire.EndpointSlice, services.endpoint_slice),
    Kind.NODE: (wire.Node, core.node),
    Kind.NAMESPACE: (wire.Namespace, core.namespace),
    Kind.SECRET: (wire.Secret, core.beacon_secret),
    Kind.POOL: (wire.Pool, metallb.pool),
    Kind.L2_ADVERTISEMENT: (wire.L2Advertisement, metallb.l2_advertisement),
    Kind.SPEAKER_STATE: (wire.SpeakerState, core.speaker_state),
    Kind.CONFIG_MAP: (wire.ConfigMap, legacy.config_map),
    Kind.POD: (wire.Pod, core.speaker_pod),
    Kind.DRILL: (wire.Drill, core.drill),
}
_KIND: Mapping[tuple[str, str], Kind] = {
    (split_api_version(api_version)[0], str(kind)): kind for kind, api_version in API_VERSION.items()
}


class UnreadKind(BadInput):
    """A kind that metalev does not read. Nothing is wrong with it, but whoever wrote it should know."""


class Codec(Struct, frozen=True):
    """Reads objects. ``namespace`` is metalev's own, where MetalLB's resources and the beacons' Secret are.

    ``default_families`` are those of a Service that says nothing of its ClusterIPs: none behind an API server, which
    always says it; IPv4 where manifests are all there is. ``default_namespace`` is that of an object without one.
    """

    namespace: str
    default_families: tuple[Family, ...] = ()
    default_namespace: str = "default"

    def identify(self, document: object) -> ObjectKey | None:
        """The object that ``document`` is about, also if the rest of it is wrong; ``None`` if it does not say so."""
        if legacy.is_bare(document):
            return ObjectKey(Kind.CONFIG_MAP, self._only_one[Kind.CONFIG_MAP])
        try:
            header = convert(document, wire.Header)
            kind = _KIND.get((split_api_version(header.api_version)[0], header.kind))
            return ObjectKey(kind, self._name_in(document, kind, header.metadata)) if kind else None
        except BadInput:
            return None

    def decode(self, document: object) -> Object | None:
        """Read an object; ``None`` if it is none of metalev's business.

        MetalLB's old configuration may stand there as the inner text of its ConfigMap alone, too.
        Raises :class:`BadField` for a wrong type or value, :class:`UnreadKind` for a kind that has no reader.
        """
        if legacy.is_bare(document):
            return legacy.bare(document, self._only_one[Kind.CONFIG_MAP])
        header = convert(document, wire.Header)
        kind = self._kind(header)
        if kind is None:
            return None
        name = self._name_in(document, kind, header.metadata)
        if kind in self._only_one and name != self._only_one[kind]:
            return None
        if split_api_version(header.api_version)[0] == METALLB and name.namespace != self.namespace:
            raise BadInput(f"resource must be created in {self.namespace} namespace")
        if kind is Kind.SERVICE:
            return services.service(convert(document, wire.Service), name, self.default_families)
        wire_type, to_model = _READERS[kind]
        return to_model(convert(document, wire_type), name)

    def header(self, raw: Json) -> wire.Stamped:
        """Read what every object of an API server begins with. Raises :class:`BadField`."""
        return parse(raw, wire.Stamped)

    def read(self, kind: Kind, raw: Json) -> Object | None:
        """Read the JSON of an object that an API server gave as one of ``kind``; raises as :meth:`decode` does."""
        if kind is Kind.SERVICE:
            document = parse(raw, wire.Service)
            name = Name(document.metadata.namespace, document.metadata.name)
            return services.service(document, name, self.default_families)
        wire_type, to_model = _READERS[kind]
        other: Any = parse(raw, wire_type)
        return to_model(other, Name(other.metadata.namespace, other.metadata.name))

    def read_pool_status(self, raw: Json) -> PoolStatus | None:
        """The status in the JSON of an IPAddressPool; ``None`` if there is none, or nothing that metalev wrote."""
        try:
            document = parse(raw, wire.PoolStatusDocument)
            return metallb.pool_status(document.status)
        except BadInput:
            return None

    def unknown_fields(self, document: object) -> tuple[Remark, ...]:
        """What ``document`` says that has no effect, if it is MetalLB's business or metalev's.

        Kubernetes' objects have many fields that metalev has no need to read; of theirs, the annotations of Services,
        the entries of the beacons' Secret, and where MetalLB's old ConfigMap stands are looked at.
        """
        match document:
            case {"apiVersion": str(version), "kind": str(kind)} if split_api_version(version)[0] == METALLB:
                known = _KIND.get((METALLB, kind))
                return tuple(unknown_fields(document, _READERS[known][0])) if known else ()
            case {"kind": Kind.SECRET, "metadata": {"name": str(name)}} if name == BEACON_SECRET:
                return tuple(core.unknown_entries(document))
            case {"apiVersion": "v1", "kind": Kind.SERVICE}:
                return tuple(services.unknown_annotations(document))
            case {"apiVersion": "v1", "kind": Kind.CONFIG_MAP, "metadata": {"name": str(name), **rest}}:
                elsewhere = rest.get("namespace") not in {None, "", self.namespace}
                if elsewhere and name == LEGACY_CONFIG and legacy.is_meant(document):
                    wrong = f"MetalLB's configuration is read in {self.namespace} alone: move it there"
                    return (Remark("metadata.namespace", 0, wrong),)
                return ()
            case _:
                return ()

    def decode_service_status(self, document: object) -> tuple[Name, ServiceStatus]:
        """Read a document that holds a Service's status alone, as :mod:`.encode` writes it."""
        partial = convert(document, wire.ServiceStatusDocument)
        name = self._name(Kind.SERVICE, partial.metadata)
        return name, services.status(partial.metadata, partial.status)

    @property
    def _only_one(self) -> Mapping[Kind, Name]:
        """The kinds of which one object is read and the others are somebody else's, and its name."""
        return {
            Kind.SECRET: Name(self.namespace, BEACON_SECRET),
            Kind.CONFIG_MAP: Name(self.namespace, LEGACY_CONFIG),
        }

    def decode_pool_status(self, document: object) -> tuple[Name, PoolStatus]:
        """Read a document that holds a pool's status alone, as :mod:`.encode` writes it."""
        partial = convert(document, wire.PoolStatusDocument)
        return self._name(Kind.POOL, partial.metadata), metallb.pool_status(partial.status)

    def _kind(self, header: wire.Header) -> Kind | None:
        group, _ = split_api_version(header.api_version)
        group_kind = (group, header.kind)
        if kind := _KIND.get(group_kind):
            if header.api_version != API_VERSION[kind]:
                raise BadField("apiVersion", f'"{header.api_version}" is not read: write {API_VERSION[kind]}')
            return kind
        named = f'kind "{header.kind}" (apiVersion {header.api_version})'
        if group_kind in NOT_YET:
            raise UnreadKind(f"{named} is {NOT_YET[group_kind]}")
        if group_kind in NOT_OURS:
            log.debug("%s %s is nothing that metalev reads", named, header.metadata.name)
            return None
        raise UnreadKind(f"{named} is not read by metalev{_hint(header.kind)}")

    def _name_in(self, document: object, kind: Kind, metadata: wire.Identity) -> Name:
        """Its name; MetalLB's old configuration is known by what is in it, where it says no namespace."""
        is_legacy = kind is Kind.CONFIG_MAP and metadata.name == LEGACY_CONFIG and not metadata.namespace
        if is_legacy and legacy.is_meant(document):
            return self._only_one[Kind.CONFIG_MAP]
        return self._name(kind, metadata)

    def _name(self, kind: Kind, metadata: wire.Identity) -> Name:
        name = check_name(metadata.name, "metadata.name")
        if kind in CLUSTER_SCOPED:
            return Name("", name)
        if metadata.namespace:
            return Name(check_name(metadata.namespace, "metadata.namespace"), name)
        ours = kind in {Kind.POOL, Kind.L2_ADVERTISEMENT} or name == BEACON_SECRET
        return Name(self.namespace if ours else self.default_namespace, name)


def unpack(document: object) -> Iterator[tuple[str, object]]:
    """Yield the objects of ``document``, each with its path: itself, or the items if it is a ``List`` of any kind.

    The items of a typed list (``ServiceList``) do not repeat their kind; they get it here.
    """
    match document:
        case {"apiVersion": version, "kind": str(list_kind), "items": list(items)} if list_kind.endswith("List"):
            common = {"apiVersion": version, "kind": list_kind.removesuffix("List")}
            for index, item in enumerate(items):
                yield f"items[{index}]", common | item if common["kind"] and isinstance(item, dict) else item
        case _:
            yield "", document


def _hint(kind: str) -> str:
    for known in Kind:
        if known.lower() == kind.lower():
            return f": {known} is in {API_VERSION[known]}"
    close = get_close_matches(kind, [str(known) for known in Kind], n=1, cutoff=0.8)
    return f': did you mean "{close[0]}" ({API_VERSION[Kind(close[0])]})?' if close else ""
