"""Several Services on one address: on which terms (MetalLB's ``allow-shared-ip``), and where there is room for more.

Two may share if both name the same non-empty key, want no port twice, and are led to the same pods whenever the traffic
policy makes the node of a pod matter.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from msgspec import Struct

from metalev.decide.wishes import sharing_key
from metalev.decide.words import quoted
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.services import Service, TrafficPolicy

PortKey: TypeAlias = tuple[str, int]
# The sharing key and what MetalLB calls the backend key.
Key: TypeAlias = tuple[str, str]

# Different sets of ports that are remembered under one key; with more, what is remembered is made anew.
MAX_SHAPES = 64


class Terms(Struct, frozen=True):
    """How a Service uses its address; without a ``key`` it shares it with nobody."""

    key: str = ""
    backend: str = ""
    ports: tuple[PortKey, ...] = ()

    @property
    def together(self) -> Key | None:
        """What those who share one address have in common."""
        return (self.key, self.backend) if self.key else None


def terms_of(service: Service) -> Terms:
    """The terms of ``service``. Under the policy Local the selectors count too, or a node would have the wrong pods."""
    local = service.traffic_policy is TrafficPolicy.LOCAL
    backend = ",".join(f"{label}={value}" for label, value in sorted(service.selector.items())) if local else ""
    return Terms(sharing_key(service), backend, tuple(dict.fromkeys((one.protocol, one.port) for one in service.ports)))


class Tenancy:
    """Who uses one address: those who agree, and ``intruders`` whose status shows it although they do not.

    An intruder keeps the address from being free and has no say in who may share it.
    """

    def __init__(self) -> None:
        self.tenants: dict[Name, Terms] = {}
        self.intruders: dict[Name, Terms] = {}
        self._ports: dict[PortKey, Name] = {}
        self._together: Key | None = None

    @property
    def together(self) -> Key | None:
        """On what the tenants share the address; ``None`` if they do not, or there are none."""
        return self._together

    def everybody(self) -> tuple[Name, ...]:
        """All who use it, by right and in order first."""
        return (*self.tenants, *self.intruders)

    def refusal(self, service: Name, terms: Terms, address: IPAddress) -> str:
        """Why ``service`` may not use the address on ``terms``, in MetalLB's words; empty if it may."""
        if len(self.tenants) == (service in self.tenants):
            return ""  # a sole tenant may change its key
        if terms.together is None or terms.together != self.together:
            others = ",".join(str(one) for one in self.tenants if one != service)
            return f"can't change sharing key for {quoted(service)}, address also in use by {others}"
        for protocol, port in terms.ports:
            if self._ports.get((protocol, port), service) != service:
                return f"port {protocol}/{port} is already in use on {quoted(address)}"
        return ""

    def has_room(self, ports: frozenset[PortKey]) -> bool:
        """Whether nobody uses any of ``ports``."""
        return not any(port in self._ports for port in ports)  # isdisjoint would walk all that are in use

    def enter(self, service: Name, terms: Terms, address: IPAddress) -> None:
        """Let ``service`` use the address on ``terms``: as a tenant if it may, else as an intruder."""
        allowed = not self.refusal(service, terms, address)
        self._leave_ports(service)
        if allowed:
            self.intruders.pop(service, None)
            self.tenants[service], self._together = terms, terms.together
            self._ports.update(dict.fromkeys(terms.ports, service))
        else:
            self.tenants.pop(service, None)
            self.intruders[service] = terms

    def leave(self, service: Name, address: IPAddress) -> bool:
        """``service`` uses it no longer; tells whether nobody does. If no tenant is left, the next in line is one."""
        self._leave_ports(service)
        self.tenants.pop(service, None)
        self.intruders.pop(service, None)
        if not self.tenants:
            self._together = None
            for name, terms in tuple(self.intruders.items()):
                self.enter(name, terms, address)
        return not self.tenants

    def give_way_to(self, service: Name, terms: Terms, address: IPAddress) -> tuple[Name, ...]:
        """Let ``service`` be the first here, and everybody else come after it; returns those who have no right then."""
        others = {**self.tenants, **self.intruders}
        others.pop(service, None)
        self.tenants, self.intruders, self._ports, self._together = {}, {}, {}, None
        for name, theirs in {service: terms, **others}.items():
            self.enter(name, theirs, address)
        return tuple(self.intruders)

    def _leave_ports(self, service: Name) -> None:
        terms = self.tenants.get(service)
        for port in terms.ports if terms else ():
            del self._ports[port]


class Openings:
    """The shared addresses of one pool and family, by number, and which of them has room for given ports.

    For each key and set of ports that was ever asked for there is a heap of the numbers that had room when they last
    changed, so that neither an answer nor a change looks at all of them.
    """

    def __init__(self) -> None:
        self._rooms: dict[Key, _Room] = {}
        self._key_of: dict[int, Key] = {}

    def changed(self, number: int, tenancy: Tenancy | None) -> None:
        """Somebody came to the address ``number``, or left it; ``None`` if it cannot be shared any more."""
        key = tenancy.together if tenancy else None
        before = self._key_of.pop(number, None)
        if before is not None and before != key:
            self._rooms[before].remove(number)
            if not self._rooms[before].addresses:
                del self._rooms[before]
        if tenancy is not None and key is not None:
            self._key_of[number] = key
            self._rooms.setdefault(key, _Room()).put(number, tenancy)

    def lowest(self, terms: Terms) -> int | None:
        """The lowest number of an address that one more may use on ``terms``."""
        room = self._rooms.get(terms.together) if terms.together else None
        return room.lowest(frozenset(terms.ports)) if room else None


class _Room:
    """The addresses that are shared under one key."""

    def __init__(self) -> None:
        self.addresses: dict[int, Tenancy] = {}
        self._heaps: dict[frozenset[PortKey], _Numbers] = {}

    def put(self, number: int, tenancy: Tenancy) -> None:
        self.addresses[number] = tenancy
        for ports, heap in self._heaps.items():
            if tenancy.has_room(ports):
                heap.push(number)

    def remove(self, number: int) -> None:
        del self.addresses[number]

    def lowest(self, ports: frozenset[PortKey]) -> int | None:
        if ports not in self._heaps:
            if len(self._heaps) >= MAX_SHAPES:
                self._heaps.clear()
            self._heaps[ports] = _Numbers([one for one, tenancy in self.addresses.items() if tenancy.has_room(ports)])
        return self._heaps[ports].lowest(lambda one: one in self.addresses and self.addresses[one].has_room(ports))


class _Numbers:
    """A heap that holds each number once."""

    def __init__(self, numbers: list[int]) -> None:
        heapify(numbers)
        self._heap, self._members = numbers, set(numbers)

    def push(self, number: int) -> None:
        if number not in self._members:
            self._members.add(number)
            heappush(self._heap, number)

    def lowest(self, holds: Callable[[int], bool]) -> int | None:
        """The lowest number for which ``holds``; the lower ones are dropped."""
        while self._heap and not holds(self._heap[0]):
            self._members.remove(heappop(self._heap))
        return self._heap[0] if self._heap else None
