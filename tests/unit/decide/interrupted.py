"""A controller over a cluster that answers late, and that may be killed at any moment.

What is true stands in ``Cluster``. A controller sees it change by change, looks at one Service after the other, and
each of its writes is made some time after it was decided on, or never. What a new one knows is what stands written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from tests.unit.decide.happenings import MAINS
from tests.unit.decide.reference import Held, World, world_of

from metalev.decide.controller import ControllerDecider
from metalev.model.actions import Action, WriteServiceStatus
from metalev.model.address import IPAddress
from metalev.model.meta import Name
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service
from metalev.model.snapshot import Snapshot

OVERVIEW = Name("", "overview")
Change = Callable[[Snapshot], Snapshot]


class Write(Struct):
    """What a controller has decided and not done yet; the version is that of the Service that it saw."""

    name: Name
    actions: tuple[Action, ...] = ()
    pools: dict[Name, PoolStatus] | None = None


class Cluster:
    """What is written, by the owners of the Services and by controllers, and what of it cannot be read."""

    def __init__(self) -> None:
        self.truth = Snapshot(synced=True, pools={MAINS[0].name: MAINS[0]})
        self.garbled: set[Name] = set()
        self.news: list[tuple[Name, Change]] = []
        self._version = 0

    def listed(self) -> Snapshot:
        """What a controller that starts now reads: of what cannot be read, what was written of it before."""
        hidden = {
            name: Service(name, one.version, status=one.status, hidden=True)
            for name, one in self.truth.services.items()
            if name in self.garbled
        }
        return replace(self.truth, services={**self.truth.services, **hidden})

    def put(self, service: Service) -> None:
        """An owner's text or a written status; of a text that cannot be read, only the status is told."""
        self._version += 1
        service = replace(service, version=str(self._version))
        self.truth = _with(self.truth, service)
        garbled = service.name in self.garbled

        def told(seen: Snapshot) -> Snapshot:
            last = seen.services.get(service.name)
            if not garbled:
                return _with(seen, service)
            return _with(seen, replace(last, version=service.version, status=service.status)) if last else seen

        self.news.append((service.name, told))

    def remove(self, name: Name) -> None:
        self.garbled.discard(name)
        self._happen(name, _without(name))
        self._tell_problems()

    def garble(self, name: Name) -> None:
        if name in self.truth.services:
            self.garbled.add(name)
            self._tell_problems()

    def mend(self) -> None:
        garbled, self.garbled = self.garbled, set()
        self._tell_problems()
        for name in sorted(garbled):
            self.put(self.truth.services[name])

    def change(self, **fields: Any) -> None:
        """Something that concerns everybody."""
        self._happen(OVERVIEW, lambda seen: replace(seen, **fields))

    def write(self, write: Write) -> bool:
        """Carry out ``write``; tells whether nothing had changed since it was decided on."""
        if write.pools is not None:
            self.truth = replace(self.truth, pool_statuses=write.pools)
        for action in write.actions:
            if isinstance(action, WriteServiceStatus):
                current = self.truth.services.get(write.name)
                if current is None or current.version != action.service.version:
                    return False
                self.put(replace(current, status=action.status))
        return True

    def _tell_problems(self) -> None:
        self.change(problems={f"{name.name}.yaml:1": "is no YAML" for name in self.garbled})

    def _happen(self, name: Name, change: Change) -> None:
        self.truth = change(self.truth)
        self.news.append((name, change))


class Controller:
    """One life of a controller."""

    def __init__(self, cluster: Cluster, *, backwards: bool = False) -> None:
        self._cluster = cluster
        cluster.news.clear()
        self.seen = cluster.listed()
        self.decider = ControllerDecider(rest_seconds=60)
        self.queue = [*sorted(self.seen.services, reverse=backwards), OVERVIEW]
        self.pending: list[Write] = []
        self._given: dict[IPAddress, Name] = {}
        self._known: dict[Name, Service] = {}

    def see(self, count: int) -> None:
        """Take in the next ``count`` changes."""
        for name, change in self._cluster.news[:count]:
            self.seen = change(self.seen)
            self._queue_up((name, OVERVIEW))
        del self._cluster.news[:count]

    def look(self, count: int, now: int) -> None:
        """Decide about the next ``count`` names of which nothing is to be written yet."""
        for _ in range(count):
            busy = {write.name for write in self.pending}
            name = next((one for one in self.queue if one not in busy), None)
            if name is None:
                return
            self.queue.remove(name)
            self._known = self._known or dict(self.seen.services)
            if name == OVERVIEW:
                self.pending.append(Write(name, pools=dict(self.decider.desired(self.seen, now).pool_statuses)))
            else:
                self._decide(name, now)
            self._queue_up(self.decider.due())

    def write(self, place: int) -> None:
        """Carry out one of the writes that are pending."""
        if self.pending:
            write = self.pending.pop(place % len(self.pending))
            if not self._cluster.write(write):
                self._queue_up((write.name,))
                return
            for action in write.actions:
                if isinstance(action, WriteServiceStatus):
                    self.decider.contests.wrote(write.name, action.status.addresses)

    def settle(self, now: int) -> None:
        """Go on until nothing is left to be done."""
        for _ in range(400):
            self.see(len(self._cluster.news))
            self.look(3, now)  # so that some wait for their writes meanwhile
            self.write(0)
            if not (self._cluster.news or self.pending or self.queue):
                return
        raise AssertionError("it goes on for ever")

    def _queue_up(self, names: Iterable[Name]) -> None:
        self.queue += [name for name in dict.fromkeys(names) if name not in self.queue]

    def _decide(self, name: Name, now: int) -> None:
        self._known |= {key: one for key, one in self.seen.services.items() if key == name}
        before = self.books()
        actions = self.decider.service(self.seen, name, now)
        for action in actions:
            if isinstance(action, WriteServiceStatus):
                self._check(action, before)
        if actions:
            self.pending.append(Write(name, actions))

    def books(self) -> World:
        """The rules by what this controller has seen, and what it has decided besides.

        On which terms a Service holds an address is as of when it was last looked at.
        """
        decided = {
            write.name: action.status.addresses
            for write in self.pending
            for action in write.actions
            if isinstance(action, WriteServiceStatus)
        }
        services = {
            name: replace(
                self._known.get(name, one),
                status=replace(one.status, addresses=_union(one.status.addresses, decided.get(name, ()))),
            )
            for name, one in self.seen.services.items()
        }
        return world_of(replace(self.seen, services=services), {}, self._given)

    def _check(self, write: WriteServiceStatus, books: World) -> None:
        """Nothing is given that somebody has by right, or that is in no pool; what may stay is not taken away."""
        service, before, now = write.service, write.service.status.addresses, write.status.addresses
        for address in now:
            if address not in before:
                tenancy = self.decider.ledger._use.get(address)
                intruders = tenancy.intruders.items() if tenancy else ()
                mistaken = {name for name, terms in intruders if not terms.unread}
                rightful = books.services.keys() - mistaken
                assert books.has_room(service, address, among=rightful), f"{address} is somebody else's"
                assert books.is_known(address)
                assert address not in books.barred
                self._given[address] = service.name
        if now != before and books.is_content(service):
            assert set(before) <= set(now), f"{service.name} loses what it may keep"


def _union(one: Held, other: Held) -> Held:
    return tuple(dict.fromkeys((*one, *other)))


def _with(seen: Snapshot, service: Service) -> Snapshot:
    return replace(seen, services={**seen.services, service.name: service})


def _without(name: Name) -> Change:
    return lambda seen: replace(seen, services={key: one for key, one in seen.services.items() if key != name})


def pools_of(declared: Iterable[Pool | None]) -> dict[Name, Pool]:
    return {one.name: one for one in declared if one}
