"""What is missing may stand in what cannot be read: what is said, and not done, because of that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from metalev.decide.findings import listed
from metalev.decide.words import quoted_list
from metalev.model.address import IPAddress
from metalev.model.legacy import LEGACY_CONFIG
from metalev.model.services import Service
from metalev.model.snapshot import Snapshot

UNREAD = "ConfigurationError"
"""The reason of a Service that keeps an address of no known pool."""

ANNOUNCEABLE = "metalev.io/Announceable"
"""The condition of a Service that no node may announce; there only while that is so, with each node's reason."""

NO_ADVERTISEMENT = "noMatchingAdvertisement"
"""MetalLB's word for a node on which nothing advertises the address."""

_NAMED = 3
# As whoever could not read it calls it, be it in a file or on an API server.
_CONFIG_MAP = re.compile(rf"(^|\s)ConfigMap \S+/{LEGACY_CONFIG}: ")


def legacy_is_unread(snapshot: Snapshot) -> bool:
    """Whether MetalLB's old ConfigMap is there and nobody who reads now has ever read it, and no pool sets it aside.

    Of a ConfigMap that was good before, what it said then is in force.
    """
    if snapshot.pools or snapshot.legacy_configs:
        return False
    return any(_CONFIG_MAP.search(f"{source}: {message}") for source, message in snapshot.problems.items())


def was_announced(service: Service) -> bool:
    """Whether the controller, when it last could tell, found an advertisement for the address of ``service``."""
    said = (one.message for one in service.status.conditions if one.type == ANNOUNCEABLE)
    return bool(service.status.pool) and not any(NO_ADVERTISEMENT in message for message in said)


def why_kept(addresses: Iterable[IPAddress], unread: Mapping[str, str]) -> str:
    """Why a Service keeps ``addresses``, which are in no known pool, by the sources that cannot be read."""
    return (
        f"{quoted_list(addresses)} is in no pool that is known, and is kept because {_sources(unread)} cannot be read"
    )


def why_no_pools(unread: Mapping[str, str]) -> str:
    """Why there is no address to give where no pool is known."""
    return f"no IPAddressPool can be read, so there is no address to give: correct {_sources(unread)}"


def _sources(unread: Mapping[str, str]) -> str:
    return listed(sorted(unread), _NAMED)
