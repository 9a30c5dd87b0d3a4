"""Addresses that the tests may put into pools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from itertools import count
from threading import Event
from time import monotonic
from typing import Self

Address = IPv4Address | IPv6Address
DOCUMENT = 11
"""As many as the range has that a reader of the user's document gives to MetalLB."""
WANTED, WANTED_IPV6 = 200, 4000
SHARE = 5
"""Of an IPv4 network, no more than this part is taken: in a small one others have addresses, too."""
REST_S = 65.0
"""How long a used address is left alone: for a minute metalev gives others first, and tests say which comes first."""
LEFT_FREE = 6
"""At the end of a network: the broadcast address, and what somebody may have put there."""


class Ranges:
    """Addresses in the order in which they are used: the first ones for documents, the others in turn for the tests.

    Of IPv6 there are always enough: each is used once. Of IPv4, the one that was not used for the longest time, and not
    before that is long enough.
    """

    def __init__(
        self,
        text: str,
        now: Callable[[], float] = monotonic,
        pause: Callable[[float], object] = lambda seconds: Event().wait(seconds),
    ) -> None:
        """``text`` is as in METALEV_E2E_RANGE: ranges of both families, ``a-b,c-d``."""
        self._now, self._pause = now, pause
        self._taken: set[str] = set()
        self._rests_until: dict[str, float] = {}
        ranges = [_ends(part) for part in text.split(",")]
        fours = [one for first, last in ranges if first.version == 4 for one in _all(first, last)]
        sixes = [first for first, _ in ranges if first.version == 6]
        assert len(fours) >= DOCUMENT + 9, f"too few IPv4 addresses in {text}"
        assert sixes, f"no range of IPv6 addresses in {text}"
        self.document = [str(one) for one in fours[:DOCUMENT]]
        self._fours = _for_ever([str(one) for one in fours[DOCUMENT:]])
        self._sixes = (str(sixes[0] + offset) for offset in count())

    @classmethod
    def at_the_end_of(cls, networks: Iterable[str], node: Address) -> Self:
        """The last addresses of the IPv4 network that a node is in, and of an IPv6 network beside it."""
        own = [ip_interface(one).network for one in networks]
        four = next((one for one in own if node in one), None)
        six = next((one for one in own if one.version == 6 and not one.is_link_local and not one.is_loopback), None)
        assert four, f"the client is in no network of the node {node}: METALEV_E2E_CLIENT must name one that is"
        assert six, "the client has no IPv6 network: METALEV_E2E_RANGE must name addresses of both families"
        wanted = ((four, min(WANTED, four.num_addresses // SHARE)), (six, WANTED_IPV6))
        ends = ((one[-(number + LEFT_FREE)], one[-LEFT_FREE]) for one, number in wanted)
        return cls(",".join(f"{first}-{last}" for first, last in ends))

    def take(self, family: int, number: int) -> list[str]:
        """The next ``number`` addresses, not always neighbours."""
        if family == 6:
            return [next(self._sixes) for _ in range(number)]
        return [self._rested(next(self._fours)) for _ in range(number)]

    def used(self) -> None:
        """Nobody has any more what was taken until now: it rests from now on."""
        self._rests_until.update(dict.fromkeys(self._taken, self._now() + REST_S))
        self._taken.clear()

    def _rested(self, address: str) -> str:
        while (left := self._rests_until.get(address, 0.0) - self._now()) > 0:
            self._pause(left)
        self._taken.add(address)
        return address


def _ends(text: str) -> tuple[Address, Address]:
    first, _, last = (part.strip() for part in text.partition("-"))
    return ip_address(first), ip_address(last)


def _all(first: Address, last: Address) -> Iterator[Address]:
    return (first + offset for offset in range(int(last) - int(first) + 1))


def _for_ever(addresses: list[str]) -> Iterator[str]:
    while True:
        yield from addresses
