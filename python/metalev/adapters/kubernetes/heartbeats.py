"""The Leases of metalev's own namespace, read once, for a person who wants to know which speakers live."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from metalev.adapters.codec import wire
from metalev.adapters.kubernetes.api import Api
from metalev.model.cluster import Heartbeat
from metalev.model.errors import Unavailable

log = logging.getLogger("metalev.kubernetes")


class _Spec(wire.Wire, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    renew_time: datetime | None = None


class _Lease(wire.Wire, frozen=True):
    metadata: wire.Identity
    spec: _Spec = _Spec()


class _List(wire.Wire, frozen=True):
    items: list[_Lease] | None = None


def heartbeats(api: Api, namespace: str) -> Mapping[str, Heartbeat]:
    """Every Lease in ``namespace`` that was ever renewed, by its name; none where they may not or cannot be read."""
    try:
        found = api.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
        leases = msgspec.json.decode(found, type=_List).items or []
    except (Unavailable, msgspec.DecodeError) as error:
        log.debug("the Leases in %s are not read: %s", namespace, error)
        return {}
    return {one.metadata.name: _heartbeat(one.spec, one.spec.renew_time) for one in leases if one.spec.renew_time}


def _heartbeat(spec: _Spec, renewed: datetime) -> Heartbeat:
    return Heartbeat(
        renewed=renewed.timestamp(),
        stamp=f"{renewed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        lasts=spec.lease_duration_seconds or 0,
        holder=spec.holder_identity or "",
    )
