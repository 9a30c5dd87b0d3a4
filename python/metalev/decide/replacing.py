"""Which addresses a Service is given another one for, because somebody else turned out to have them.

Only an address that was given a moment ago, before anybody could find that out; only once for a Service, which its
condition remembers; never one that it asks for by name, that it shares, or that a speaker knew when it started.
"""

from __future__ import annotations

from collections.abc import Mapping

from metalev.decide.ledger import Ledger
from metalev.decide.wishes import requested_addresses
from metalev.decide.words import quoted
from metalev.model.address import IPAddress
from metalev.model.errors import BadValue
from metalev.model.meta import Name
from metalev.model.services import Condition, ConditionStatus, Service

REPLACED = "metalev.io/AddressReplaced"
"""The condition that is True on a Service which was given another address because somebody else has the first one."""

REASON = "AddressInUse"

WITHIN_SECONDS = 120.0
"""How long after it was given an address may still be replaced: by then its users have it in their caches and names."""

HELD_BEFORE = "held-before"
"""The engine's word for an address that was a VIP already when the speaker started."""


class Givings:
    """What this program gave away lately, and when."""

    def __init__(self) -> None:
        self._given: dict[IPAddress, tuple[Name, float]] = {}  # the longest ago first

    def gave(self, service: Name, address: IPAddress, now: float) -> None:
        """Remember that ``service`` was given ``address``."""
        self._given.pop(address, None)  # so that it stands behind those before it
        self._given[address] = (service, now)
        while now - self._given[oldest := next(iter(self._given))][1] > WITHIN_SECONDS:
            del self._given[oldest]

    def lately(self, service: Name, address: IPAddress, now: float) -> bool:
        """Whether ``service`` was given ``address`` so lately that it may be replaced."""
        name, at = self._given.get(address, (None, 0.0))
        return name == service and now - at <= WITHIN_SECONDS


def to_replace(
    service: Service, conflicts: Mapping[IPAddress, frozenset[str]], givings: Givings, ledger: Ledger, now: float
) -> frozenset[IPAddress]:
    """The addresses of ``service`` that are to be replaced if others are to be had; usually none."""
    held = [address for address in service.status.addresses if address in conflicts] if conflicts else []
    if not held or any(one.type == REPLACED for one in service.status.conditions):
        return frozenset()
    try:
        wished = requested_addresses(service)
    except BadValue:
        return frozenset()
    return frozenset(
        address
        for address in held
        if address not in wished
        and HELD_BEFORE not in conflicts[address]
        and not ledger.others_hold(service.name, address)
        and givings.lately(service.name, address, now)
    )


def replaced(old: frozenset[IPAddress], new: tuple[IPAddress, ...], ledger: Ledger) -> Condition:
    """The condition that tells of it and remembers it."""
    told = ", ".join(f"{quoted(address)} is an address {ledger.barred(address)}" for address in sorted(old, key=int))
    return Condition(REPLACED, ConditionStatus.TRUE, REASON, f"{told}: assigned {', '.join(map(quoted, new))} instead")
