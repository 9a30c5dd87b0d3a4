"""What is missing may stand in what cannot be read: what is said, and not done, because of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metalev.decide.findings import listed
from metalev.decide.words import quoted_list
from metalev.model.address import IPAddress

UNREAD = "ConfigurationError"
"""The reason of a Service that keeps an address of no known pool."""

_NAMED = 3


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
