"""Random histories of Services, pools, nodes, hours and restarts, held to the rules as a person would write them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from msgspec.structs import replace
from tests.unit.decide.happenings import MAINS, NAMES, any_history_keeps, edit, network, of, pools, relabelling, spec
from tests.unit.decide.reference import World, is_of_others, world_of

from metalev.decide.controller import ControllerDecider
from metalev.model.actions import SpeakerState, WriteServiceStatus
from metalev.model.address import IPAddress
from metalev.model.cluster import Node
from metalev.model.meta import Name
from metalev.model.pools import Pool, Resting
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import Snapshot

REST = 60
LATELY = 120
STEPS = [
    spec,
    spec,
    spec,
    lambda chance: ("remove", sorted(chance.sample(NAMES, chance.randint(1, 3)))),
    pools,
    network,
    relabelling,
    edit,
    of("wait", [1, 20, 61, 121]),
    of("restart"),
    lambda chance: ("restart with", *pools(chance)[1:]),
    of("restart", [{0}, {1}, {0, 1}]),
    of("mend"),
]


class History:
    """A controller whose writes succeed at once, and the same world as the reference sees it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000
        self.decider = ControllerDecider(rest_seconds=REST)
        self.snapshot = Snapshot(synced=True, pools={MAINS[0].name: MAINS[0]})
        self.declared: list[Pool | None] = [MAINS[0], None]
        self.broken: set[int] = set()
        self.rests: dict[Any, Resting] = {}
        self.given: dict[IPAddress, tuple[Name, int]] = {}
        self.looked_at: set[Name] = set()

    def world(self) -> World:
        lately = {address: name for address, (name, at) in self.given.items() if self.now - at <= LATELY}
        return world_of(self.snapshot, self.rests, lately)

    def step(self, step: Any) -> None:
        match step:
            case Service():
                self.specify(step)
            case ("remove", names):
                self.remove_all(names)
            case ("pools", *pools):
                self.declare(pools)
                self.settle([NAMES[0]])
            case ("network", node, state):
                self.see(node, state)
            case ("labels", one):
                self.snapshot = replace(self.snapshot, namespaces={**self.snapshot.namespaces, one.name: one})
                self.settle([NAMES[0]])
            case ("edit", name, texts):
                self.edit(name, tuple(map(ip_address, texts)))
            case _:
                self.end_and_begin(step)

    def end_and_begin(self, step: Any) -> None:
        match step:
            case ("wait", seconds):
                self.wait(seconds)
                self.settle([NAMES[0]])
            case ("restart with", *pools):
                self.stop()
                self.declare(pools)
                self.start()
            case ("mend",):
                self.mend()
            case ("restart", *broken):
                self.restart(*broken)

    def specify(self, service: Service) -> None:
        """Its owner writes it; who leaves it to another class of load balancers leaves the status to that one, too."""
        old = self.snapshot.services.get(service.name)
        status = old.status if old else ServiceStatus()
        if old and is_of_others(service) != is_of_others(old):
            self.remove(service.name)
            status = ServiceStatus((ip_address("10.0.0.1"),) if is_of_others(service) else ())
        self.put(replace(service, status=status))
        self.settle([service.name])

    def edit(self, name: Name, addresses: tuple[IPAddress, ...]) -> None:
        """Somebody writes a status by hand: an address that nobody else has, or nothing, or nonsense."""
        service = self.snapshot.services.get(name)
        if service is None or is_of_others(service) or any(map(self.world().holders, addresses)):
            return
        self.wait(61)  # what is written more often than three times a minute is left to whoever writes it
        self.put(replace(service, status=replace(service.status, addresses=addresses)))
        for address in addresses:
            self.rests.pop(address, None)
        self.release(name, [one for one in service.status.addresses if one not in addresses])
        self.settle([name])

    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.rests = {key: one for key, one in self.rests.items() if one.until > self.now}

    def see(self, node: Node, state: SpeakerState) -> None:
        """A node and what its speaker found out; whoever may have to give up an address for that is looked at."""
        before = self.world().barred
        self.snapshot = replace(self.snapshot, nodes={node.name: node}, speakers={state.name: state})
        world = self.world()
        concerned = {name for name, one in world.services.items() if set(world.to_give_up(one)) - before}
        self.looked_at = set()
        self.settle([NAMES[0]])
        assert concerned <= self.looked_at

    def declare(self, pools: list[Pool | None]) -> None:
        """What stands in the manifests, and what of it can be read."""
        self.declared = pools
        self.snapshot = replace(
            self.snapshot,
            pools={one.name: one for place, one in enumerate(pools) if one and place not in self.broken},
            problems={f"pool-{place}.yaml:1": "is broken" for place in self.broken},
        )

    def restart(self, broken: set[int] | None = None) -> None:
        """Nothing is left but what was written; nobody's address may change because of it, nor by what is broken."""
        before = self.holdings()
        self.stop()
        if broken:
            self.broken = self.broken | broken
            self.declare(self.declared)
        self.start()
        # Of the pools of one address the first that can be read counts, so its pool may be another one then.
        assert {name: now[0] for name, now in self.holdings().items() if before[name][0]} == {
            name: then[0] for name, then in before.items() if then[0]
        }
        assert broken or self.holdings() == before

    def mend(self) -> None:
        """Everything can be read again."""
        self.broken = set()
        self.declare(self.declared)
        self.settle([NAMES[0]])

    def stop(self) -> None:
        """What the pools' statuses do not say is forgotten."""
        statuses = self.decider.desired(self.snapshot, self.now).pool_statuses
        assert {one.address: one for status in statuses.values() for one in status.resting} == {
            address: one for address, one in self.rests.items() if self.is_in_a_pool(address)
        }
        self.rests = {address: one for address, one in self.rests.items() if self.is_in_a_pool(address)}
        self.snapshot = replace(self.snapshot, pool_statuses=statuses)

    def start(self) -> None:
        self.given = {}
        self.decider = ControllerDecider(rest_seconds=REST)
        self.settle(sorted(self.snapshot.services))

    def holdings(self) -> dict[Name, tuple[Any, str]]:
        """Who holds what, of which pool. Why somebody does not hold what he wishes is as of when it was last tried."""
        return {name: (one.status.addresses, one.status.pool) for name, one in self.snapshot.services.items()}

    def is_in_a_pool(self, address: Any) -> bool:
        world = self.world()
        return any(address in world.all_of(one) for one in world.pools)

    def put(self, service: Service) -> None:
        self.snapshot = replace(self.snapshot, services={**self.snapshot.services, service.name: service})

    def remove_all(self, names: list[Name]) -> None:
        for name in names:
            self.remove(name)
        self.settle(names)

    def remove(self, name: Name) -> None:
        gone = self.snapshot.services.get(name)
        self.snapshot = replace(
            self.snapshot, services={key: one for key, one in self.snapshot.services.items() if key != name}
        )
        self.release(name, gone.status.addresses if gone and not is_of_others(gone) else ())

    def release(self, name: Name, addresses: Any) -> None:
        for address in addresses:
            if not self.world().holders(address):
                self.rests[address] = Resting(address, name, self.now + REST)

    def settle(self, names: list[Name]) -> None:
        """Look at ``names``, then at whoever that concerns, until nothing is left to be done."""
        queue = list(names)
        for _ in range(200):
            if not queue:
                return
            self.look_at(queue.pop(0))
            queue += [name for name in self.decider.due() if name not in queue]
        raise AssertionError("it goes on for ever")

    def look_at(self, name: Name) -> None:
        self.looked_at.add(name)
        service = self.snapshot.services.get(name)
        expected = self.world().expected(service) if service else ()
        for action in self.decider.service(self.snapshot, name, self.now):
            if isinstance(action, WriteServiceStatus):
                self.check_and_write(action)
                assert self.decider.service(self.snapshot, name, self.now) == ()
        assert service is None or self.snapshot.services[name].status.addresses == expected

    def check_and_write(self, write: WriteServiceStatus) -> None:
        before, now = write.service.status.addresses, write.status.addresses
        assert now == self.world().expected(write.service)
        assert not [address for address in now if address not in before and address in self.world().barred]
        for address in now:
            self.rests.pop(address, None)
        self.given |= {address: (write.service.name, self.now) for address in now if address not in before}
        self.put(replace(write.service, status=write.status))
        self.release(write.service.name, [address for address in before if address not in now])

    def check(self) -> None:
        """What is true of any world that has settled."""
        world = self.world()
        for service in world.services.values():
            if is_of_others(service):
                continue
            held = service.status.addresses
            expected = world.expected(service, replacing=False)
            assert held == expected, f"{service.name} waits in vain, or holds what it should not"
            assert all(world.has_room(service, address) for address in held)
            assert self.broken or all(self.is_in_a_pool(address) for address in held)
        statuses = self.decider.desired(self.snapshot, self.now).pool_statuses
        for one in world.pools:
            self.check_counts(world, one, statuses[one.name])

    def check_counts(self, world: World, pool: Pool, status: Any) -> None:
        addresses = world.all_of(pool)
        used = {address for address in addresses if world.holders(address)}
        free = {address for address in addresses if address not in used and address not in world.barred}
        told = status.assigned_ipv4, status.assigned_ipv6, status.available_ipv4, status.available_ipv6
        assert told == tuple(sum(one.version == family for one in kind) for kind in (used, free) for family in (4, 6))
        assert {one.address for one in status.resting} == {one for one in addresses if one in self.rests}


def keeps_to_the_rules(steps: Sequence[Any]) -> None:
    history = History()
    for step in steps:
        history.step(step)
        history.check()
    history.restart()


def test_whatever_happens_everybody_holds_what_the_rules_say_and_a_restart_changes_nothing() -> None:
    any_history_keeps(keeps_to_the_rules, STEPS, histories=2000, longest=25)
