"""Random histories of Services, pools, nodes, hours and restarts, held to the rules as a person would write them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.decide.reference import World

from metalev.decide.controller import ControllerDecider
from metalev.model.actions import SpeakerState, WriteServiceStatus
from metalev.model.address import AddressRange, Family
from metalev.model.cluster import Node
from metalev.model.meta import Name
from metalev.model.pools import Pool, Resting, ServiceAllocation
from metalev.model.services import FamilyPolicy, Port, Service, ServiceStatus, TrafficPolicy
from metalev.model.snapshot import Snapshot

REST = 60
NAMES = [Name("shop", "a"), Name("shop", "b"), Name("shop", "c"), Name("bank", "d"), Name("bank", "e")]


def pool(name: str, *ranges: str, **fields: Any) -> Pool:
    return Pool(Name("metallb-system", name), ranges=tuple(map(AddressRange.parse, ranges)), **fields)


FOR_SHOP = ServiceAllocation(priority=1, namespaces=("shop",))
MAINS = [
    pool("main", "10.0.0.0/30", "fd00::/127"),
    pool("main", "10.0.0.0/31"),
    pool("main", "10.0.0.2-10.0.0.4", "10.0.0.0/31", "fd00::/126"),
    pool("main", "10.0.0.0/30", avoid_buggy_ips=True),
    pool("renamed", "10.0.0.0/30", "fd00::/127"),
]
SIDES = [
    pool("side", "10.0.1.0/30", auto_assign=False),
    pool("side", "10.0.1.0/31", "fd00:1::/127"),
    pool("side", "10.0.1.0/32", "fd00:1::/127", allocation=FOR_SHOP),
    pool("side", "10.0.1.0/31", allocation=ServiceAllocation(namespaces=("bank",))),
]
FAMILIES: list[tuple[tuple[Family, ...], FamilyPolicy]] = [
    ((4,), FamilyPolicy.SINGLE),
    ((4,), FamilyPolicy.SINGLE),
    ((6,), FamilyPolicy.SINGLE),
    ((4, 6), FamilyPolicy.PREFER),
    ((6, 4), FamilyPolicy.PREFER),
    ((4, 6), FamilyPolicy.REQUIRE),
    ((4,), FamilyPolicy.REQUIRE),
    ((4, 4), FamilyPolicy.SINGLE),
    ((6, 6), FamilyPolicy.PREFER),
]
WISHES = ["", "", "", "10.0.0.1", "10.0.0.2", "10.0.1.0", "fd00::1", "10.0.0.1,fd00::1", "10.9.9.9", "please"]


@st.composite
def specs(draw: st.DrawFn) -> Service:
    families, policy = draw(st.sampled_from(FAMILIES))
    wish, named, key = draw(st.sampled_from(WISHES)), draw(st.sampled_from(["", "", "main", "side"])), draw(KEYS)
    annotations = {"loadBalancerIPs": wish, "address-pool": named, "allow-shared-ip": key}
    return Service(
        draw(st.sampled_from(NAMES)),
        type=draw(st.sampled_from(["LoadBalancer"] * 5 + ["ClusterIP"])),
        families=families,
        family_policy=policy,
        traffic_policy=draw(st.sampled_from([TrafficPolicy.CLUSTER, TrafficPolicy.CLUSTER, TrafficPolicy.LOCAL])),
        selector=draw(st.sampled_from([{"app": "x"}, {"app": "x"}, {"app": "y"}])),
        ports=tuple(Port("TCP", port) for port in draw(st.sampled_from([(80,), (81,), (80, 81), (82,)]))),
        annotations={f"metallb.io/{name}": text for name, text in annotations.items() if text},
    )


KEYS = st.sampled_from(["", "", "k", "k", "l"])
STEPS = st.one_of(
    specs(),
    specs(),
    st.sets(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda names: ("remove", sorted(names))),
    st.tuples(st.just("pools"), st.sampled_from([None, *MAINS]), st.sampled_from([None, *SIDES])),
    st.tuples(st.just("nodes"), st.sets(st.sampled_from(["10.0.0.1", "10.0.0.3", "10.0.1.0", "fd00::1"]), max_size=2)),
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 61])),
    st.just(("restart",)),
    st.tuples(st.just("restart with"), st.sampled_from([None, *MAINS]), st.sampled_from([None, *SIDES])),
    st.tuples(st.just("restart"), st.sampled_from([{0}, {1}, {0, 1}])),
    st.just(("mend",)),
)


class History:
    """A controller whose writes succeed at once, and the same world as the reference sees it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000
        self.decider = ControllerDecider(rest_seconds=REST)
        self.snapshot = Snapshot(synced=True, pools={MAINS[0].name: MAINS[0]})
        self.declared: list[Pool | None] = [MAINS[0], None]
        self.broken: set[int] = set()
        self.rests: dict[Any, Resting] = {}

    def world(self) -> World:
        pools = [self.snapshot.pools[name] for name in sorted(self.snapshot.pools)]
        barred = {address for node in self.snapshot.nodes.values() for address in node.addresses}
        barred |= {ip_address(text) for state in self.snapshot.speakers.values() for text in state.gateways}
        return World(dict(self.snapshot.services), pools, barred, self.rests, bool(self.broken))

    def step(self, step: Any) -> None:
        match step:
            case Service():
                old = self.snapshot.services.get(step.name)
                self.put(replace(step, status=old.status if old else ServiceStatus()))
                self.settle([step.name])
            case ("remove", names):
                for name in names:
                    self.remove(name)
                self.settle(names)
            case ("pools", *pools):
                self.declare(pools)
                self.settle([NAMES[0]])
            case ("nodes", texts):
                self.set_nodes(sorted(texts))
                self.settle([NAMES[0]])
            case ("wait", seconds):
                self.now += seconds
                self.rests = {key: one for key, one in self.rests.items() if one.until > self.now}
                self.settle([NAMES[0]])
            case _:
                self.end_and_begin(step)

    def end_and_begin(self, step: Any) -> None:
        match step:
            case ("restart with", *pools):
                self.stop()
                self.declare(pools)
                self.start()
            case ("mend",):
                self.mend()
            case ("restart", *broken):
                self.restart(*broken)

    def set_nodes(self, texts: list[str]) -> None:
        """The first is of a node, the second a gateway of it."""
        name = Name("", "node-a")
        node = Node(name, addresses=tuple(map(ip_address, texts[:1])))
        state = SpeakerState(name, gateways=tuple(texts[1:]))
        self.snapshot = replace(self.snapshot, nodes={name: node}, speakers={name: state})

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

    def remove(self, name: Name) -> None:
        gone = self.snapshot.services.get(name)
        self.snapshot = replace(
            self.snapshot, services={key: one for key, one in self.snapshot.services.items() if key != name}
        )
        self.release(name, gone.status.addresses if gone else ())

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
        for action in self.decider.service(self.snapshot, name, self.now):
            if isinstance(action, WriteServiceStatus):
                self.check_and_write(action)
                assert self.decider.service(self.snapshot, name, self.now) == ()

    def check_and_write(self, write: WriteServiceStatus) -> None:
        before, now = write.service.status.addresses, write.status.addresses
        assert now == self.world().expected(write.service)
        assert not [address for address in now if address not in before and address in self.world().barred]
        for address in now:
            self.rests.pop(address, None)
        self.put(replace(write.service, status=write.status))
        self.release(write.service.name, [address for address in before if address not in now])

    def check(self) -> None:
        """What is true of any world that has settled."""
        world = self.world()
        for service in world.services.values():
            held = service.status.addresses
            assert held == world.expected(service), f"{service.name} waits in vain, or holds what it should not"
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


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=2000, deadline=None)
def test_whatever_happens_everybody_holds_what_the_rules_say_and_a_restart_changes_nothing(steps: list[Any]) -> None:
    history = History()
    for step in steps:
        history.step(step)
        history.check()
    history.restart()
