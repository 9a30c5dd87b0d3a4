"""Several Services on one address: on which terms (MetalLB's ``allow-shared-ip``), and where there is room for more.

Two may share if both name the same non-empty key, want no port twice, and are led to the same pods whenever the traffic
policy makes the node of a pod matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeAlias

from msgspec import Struct

from metalev.decide.rooms import PortKey, Room
from metalev.decide.wishes import sharing_key
from metalev.decide.words import quoted
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.services import Service, TrafficPolicy

# The sharing key and what MetalLB calls the backend key.
Key: TypeAlias = tuple[str, str]


class Terms(Struct, frozen=True):
    """How a Service uses its address; without a ``key`` it shares it with nobody.

    Of one that cannot be read nobody knows its terms (``unread``).
    """

    key: str = ""
    backend: str = ""
    ports: tuple[PortKey, ...] = ()
    unread: bool = False

    @property
    def together(self) -> Key | None:
        """What those who share one address have in common."""
        return (self.key, self.backend) if self.key else None


def terms_of(service: Service) -> Terms:
    """The terms of ``service``. Under the policy Local the selectors count too, or a node would have the wrong pods."""
    if service.hidden:
        return Terms(unread=True)
    local = service.traffic_policy is TrafficPolicy.LOCAL
    backend = ",".join(f"{label}={value}" for label, value in sorted(service.selector.items())) if local else ""
    return Terms(sharing_key(service), backend, tuple(dict.fromkeys((one.protocol, one.port) for one in service.ports)))


class Tenancy:
    """Who uses one address: those who agree, and ``intruders`` whose status shows it although they do not.

    An intruder keeps the address from being free and has no say in who may share it. But while the terms of either kind
    cannot be read, nobody new may: what they want may be its ports.
    """

    def __init__(self) -> None:
        self.tenants: dict[Name, Terms] = {}
        self.intruders: dict[Name, Terms] = {}
        self._ports: dict[PortKey, Name] = {}
        self._together: Key | None = None
        self._unread: set[Name] = set()

    @property
    def together(self) -> Key | None:
        """On what one more may share the address; ``None`` if nobody may, or there are no tenants."""
        return None if self._unread else self._together

    @property
    def ports(self) -> Collection[PortKey]:
        """The ports that the tenants use."""
        return self._ports.keys()

    def everybody(self) -> tuple[Name, ...]:
        """All who use it, by right and in order first."""
        return (*self.tenants, *self.intruders)

    def refusal(self, service: Name, terms: Terms, address: IPAddress) -> str:
        """Why ``service`` may not use the address on ``terms``, in MetalLB's words; empty if it may."""
        if len(self.tenants) == (service in self.tenants):
            return ""  # a sole tenant may change its key
        rivals = f"can't change sharing key for {quoted(service)}, address also in use by "
        if service not in self.tenants and self._unread - {service}:
            return f"{rivals}{_listed(self._unread - {service})}, whose manifest cannot be read"
        if not self._is_shared_on(terms):
            return rivals + _listed(one for one in self.tenants if one != service)
        for protocol, port in terms.ports:
            if self._ports.get((protocol, port), service) != service:
                return f"port {protocol}/{port} is already in use on {quoted(address)}"
        return ""

    def rivals(self, terms: Terms) -> tuple[Name, ...]:
        """The tenants who do not let anybody else use the address on ``terms``."""
        if not self._is_shared_on(terms):
            return tuple(self.tenants)
        return tuple(dict.fromkeys(self._ports[port] for port in terms.ports if port in self._ports))

    def is_only(self, service: Name) -> bool:
        """Whether nobody but ``service`` uses it."""
        return len(self.tenants) + len(self.intruders) == (service in self.tenants or service in self.intruders)

    def enter(self, service: Name, terms: Terms, address: IPAddress) -> tuple[PortKey, ...]:
        """Let ``service`` use the address on ``terms``: as a tenant if it may, else as an intruder.

        Returns the ports that may have come into use, or out of it.
        """
        allowed = not self.refusal(service, terms, address)
        left = self._leave_ports(service)
        (self._unread.add if terms.unread else self._unread.discard)(service)
        if allowed:
            self.intruders.pop(service, None)
            self.tenants[service], self._together = terms, terms.together
            self._ports.update(dict.fromkeys(terms.ports, service))
        else:
            self.tenants.pop(service, None)
            self.intruders[service] = terms
        return (*left, *terms.ports)

    def leave(self, service: Name, address: IPAddress) -> tuple[PortKey, ...]:
        """``service`` uses it no longer; returns the ports as :meth:`enter` does.

        If no tenant is left, the next in line is one.
        """
        touched = self._leave_ports(service)
        self.tenants.pop(service, None)
        self.intruders.pop(service, None)
        self._unread.discard(service)
        if not self.tenants:
            self._together = None
            for name, terms in tuple(self.intruders.items()):
                touched += self.enter(name, terms, address)
        return touched

    def give_way_to(self, service: Name, terms: Terms, address: IPAddress) -> tuple[Name, ...]:
        """Let ``service`` be the first here, and everybody else come after it; returns those who have no right then."""
        others = {**self.tenants, **self.intruders}
        others.pop(service, None)
        self.tenants, self.intruders, self._ports, self._unread = {}, {}, {}, set()
        for name, theirs in {service: terms, **others}.items():
            self.enter(name, theirs, address)
        return tuple(self.intruders)

    def _is_shared_on(self, terms: Terms) -> bool:
        return terms.together is not None and terms.together == self._together

    def _leave_ports(self, service: Name) -> tuple[PortKey, ...]:
        terms = self.tenants.get(service)
        ports = terms.ports if terms else ()
        for port in ports:
            del self._ports[port]
        return ports


def _listed(names: Iterable[Name]) -> str:
    return ",".join(map(str, names))


class Openings:
    """The shared addresses of one pool and family, by number, and which of them has room for given ports."""

    def __init__(self) -> None:
        self._rooms: dict[Key, Room] = {}
        self._key_of: dict[int, Key] = {}

    def changed(self, number: int, tenancy: Tenancy | None, ports: Iterable[PortKey] | None = None) -> None:
        """Somebody came to the address ``number``, or left it; ``None`` if it cannot be shared any more.

        ``ports`` are those that may have come into use or out of it; without, all may have.
        """
        key = tenancy.together if tenancy else None
        before = self._key_of.get(number)
        if before is not None and (before != key or ports is None):
            self._forget(number, before)
        if tenancy is None or key is None:
            return
        room = self._rooms.setdefault(key, Room())
        if number not in room:
            self._key_of[number] = key
            room.enter(number, tenancy.ports)
            return
        for port in ports or ():
            (room.use if port in tenancy.ports else room.free)(number, port)

    def lowest(self, terms: Terms) -> int | None:
        """The lowest number of an address that one more may use on ``terms``."""
        room = self._rooms.get(terms.together) if terms.together else None
        return room.lowest(frozenset(terms.ports)) if room else None

    def _forget(self, number: int, key: Key) -> None:
        del self._key_of[number]
        self._rooms[key].leave(number)
        if not self._rooms[key]:
            del self._rooms[key]
