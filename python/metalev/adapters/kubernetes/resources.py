"""Which objects are read from an API server, and where they are there."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from metalev.adapters.codec.kinds import API_VERSION, CLUSTER_SCOPED
from metalev.adapters.codec.services import SERVICE_NAME_LABEL
from metalev.model.cluster import BEACON_SECRET
from metalev.model.legacy import LEGACY_CONFIG
from metalev.model.meta import Kind, Name

_PLURAL: Mapping[Kind, str] = {
    Kind.SERVICE: "services",
    Kind.ENDPOINT_SLICE: "endpointslices",
    Kind.NODE: "nodes",
    Kind.NAMESPACE: "namespaces",
    Kind.POOL: "ipaddresspools",
    Kind.L2_ADVERTISEMENT: "l2advertisements",
    Kind.SECRET: "secrets",
    Kind.SPEAKER_STATE: "speakerstates",
    Kind.CONFIG_MAP: "configmaps",
    Kind.POD: "pods",
    Kind.DRILL: "drills",
}
# Of all others, those in metalev's own namespace count alone.
_EVERYWHERE = CLUSTER_SCOPED | {Kind.SERVICE, Kind.ENDPOINT_SLICE}


class Resource(Struct, frozen=True):
    """One list that is read and watched: its path, and the selectors that make it as short as it can be.

    Of one that is ``optional``, nothing is there where the server has no such resource or shows it to others only.
    """

    path: str
    selectors: Mapping[str, str] = {}
    optional: bool = False


def resource(kind: Kind, namespace: str, *, all_services: bool = False) -> Resource:
    """The list of ``kind`` for a metalev that lives in ``namespace``.

    With ``all_services`` also those that are not of type LoadBalancer: for a person who asks about one.
    """
    selectors: dict[Kind, dict[str, str]] = {
        Kind.SECRET: {"fieldSelector": f"metadata.name={BEACON_SECRET}"},
        Kind.CONFIG_MAP: {"fieldSelector": f"metadata.name={LEGACY_CONFIG}"},
        # Those of no Service, as other clusters' are, are nobody's mistake.
        Kind.ENDPOINT_SLICE: {"labelSelector": SERVICE_NAME_LABEL},
    }
    if not all_services:
        selectors[Kind.SERVICE] = {"fieldSelector": "spec.type=LoadBalancer"}
    path = collection(kind, "" if kind in _EVERYWHERE else namespace)
    # A speaker whose image is newer than the CRDs must announce all the same.
    return Resource(path, selectors.get(kind, {}), optional=kind is Kind.DRILL)


def only(path: str, name: str) -> Resource:
    """The list at ``path``, of which one object is of interest."""
    return Resource(path, {"fieldSelector": f"metadata.name={name}"})


def collection(kind: Kind, namespace: str) -> str:
    """The path of all objects of a kind, in one namespace or (empty) everywhere."""
    api_version = API_VERSION[kind]
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/{namespace}/{_PLURAL[kind]}" if namespace else f"{root}/{_PLURAL[kind]}"


def item(kind: Kind, name: Name) -> str:
    """The path of one object."""
    return f"{collection(kind, name.namespace)}/{name.name}"
