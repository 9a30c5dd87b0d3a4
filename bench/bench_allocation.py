"""What an address costs: in a pool that is nearly full, in a /64, among 100,000 Services, and after a release.

An address should cost what it costs among few, whatever the number of the others: each of 100,000 Services at most 1.5
times what each of 10,000 costs in the same run, by CPU time, and each of 10,000 that share a key at most 1.5 times what
each of 500 does, or the benchmark fails. Python's garbage collector is
set as the programs set it: as Python does, it would walk over everything that lives now and then, and so over more the
more there is.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

import pytest
from bench.report import Before, Benchmark, best_seconds, compare
from bench.worlds import POOL, name_of, service, world
from msgspec.structs import replace

from metalev.decide.controller import ControllerDecider
from metalev.decide.freelist import FreeList
from metalev.decide.ledger import ALONE, Ledger
from metalev.decide.wishes import ALLOW_SHARED_IP, PREFIX
from metalev.model.address import AddressRange, Family, address_of
from metalev.model.services import Port
from metalev.model.snapshot import Snapshot
from metalev.runtime.collector import tune_collector

Tell = Callable[[str], None]

HOME = AddressRange.parse("192.168.1.0/24")
LARGE = AddressRange.parse("10.0.0.0/20")
HUGE = AddressRange.parse("2001:db8::/64")
HUNDREDS, THOUSANDS = 500, 4_000
FEW, MANY, MOST = 1_000, 10_000, 100_000
FLAT = 1.5
SHARE = PREFIX + ALLOW_SHARED_IP


@pytest.mark.benchmark(group="first free address of a /20, by what is in use")
@pytest.mark.parametrize("percent", [0, 50, 99])
def test_first_free_address_beside_a_scan_of_the_pool(benchmark: Benchmark, percent: int, tell: Tell) -> None:
    """MetalLB walks the pool from its first address, asking of each whether it is in use; so does the baseline."""
    free, taken = FreeList([LARGE]), set[IPv4Address]()
    for value in range(LARGE.first, LARGE.first + LARGE.size * percent // 100):
        free.take(IPv4Address(value))
        taken.add(IPv4Address(value))

    def scan() -> IPv4Address:
        return next(one for one in map(IPv4Address, range(LARGE.first, LARGE.last + 1)) if one not in taken)

    assert scan() == free.first_free(4)
    benchmark(free.first_free, 4)
    said = compare(benchmark, "a scan", best_seconds(scan))
    tell(f"first free address of a /20, {percent} % in use: {said}")


def allocate_and_release(pool: AddressRange) -> Callable[[], None]:
    """One address more and back, in a pool of which 100 are in use."""
    free, family = FreeList([pool]), pool.family
    for number in range(100):
        free.take(address_of(family, pool.first + number))
    return lambda: _allocate_and_release(free, family)


def _allocate_and_release(free: FreeList, family: Family) -> None:
    address = free.first_free(family)
    assert address is not None
    free.take(address)
    free.release(address)


@pytest.mark.benchmark(group="allocate and release one address in a /64")
def test_an_address_of_a_64_costs_what_one_of_a_24_costs(benchmark: Benchmark, tell: Tell) -> None:
    benchmark(allocate_and_release(HUGE))
    said = compare(benchmark, "in a /24", best_seconds(allocate_and_release(HOME)))
    tell(f"allocate and release in an IPv6 /64: {said}")


# ===== from the list of free addresses to the controller's decisions, without the time that writing them takes =====


def take_from_list(snapshot: Snapshot) -> None:
    """The lowest free address, for each Service."""
    free = FreeList([POOL])
    for _ in snapshot.services:
        address = free.first_free(4)
        assert address is not None
        free.take(address)


def enter_in_ledger(snapshot: Snapshot) -> None:
    """The lowest free address, entered as held by each Service."""
    ledger = Ledger()
    ledger.set_pools(snapshot.pools.values())
    for name in snapshot.services:
        address = ledger.first_fit("main", 4, ALONE)
        assert address is not None
        ledger.hold(name, [address])


def decide(snapshot: Snapshot) -> None:
    """The decisions of a cold start: an address for every Service."""
    decider = ControllerDecider()
    for name in snapshot.services:
        assert decider.service(snapshot, name)


@pytest.fixture
def tuned() -> Iterator[None]:
    """The collector as in a program, and afterwards as it was."""
    before = gc.get_threshold()
    tune_collector()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.benchmark(group="an address for each of many Services, CPU time", timer=time.process_time)
@pytest.mark.parametrize(("services", "fewer"), [(MANY, FEW), (MOST, MANY)])
@pytest.mark.parametrize("allocate", [take_from_list, enter_in_ledger, decide])
@pytest.mark.usefixtures("tuned")
def test_each_of_many_services_costs_what_each_of_a_tenth_costs(
    benchmark: Benchmark, allocate: Callable[[Snapshot], None], services: int, fewer: int, tell: Tell
) -> None:
    few, many = world(fewer, allocated=False), world(services, allocated=False)
    calls, rounds = (1, 2) if services == MOST else (services // fewer, 5)
    baseline = Before(lambda: allocate(few), calls, timer=time.process_time)
    benchmark.pedantic(lambda: allocate(many), setup=baseline, rounds=rounds)
    said = compare(benchmark, f"of {fewer:,}", baseline.best, per=services, baseline_per=fewer)
    tell(f"an address for each of {services:,} Services ({allocate.__name__}), per Service: {said}")
    if services == MOST:
        assert benchmark.extra_info["ratio"] <= FLAT, f"addresses cost more the more Services there are: {said}"


PORTS: Mapping[str, Callable[[int], Sequence[tuple[str, int]]]] = {
    "ever different ports": lambda index: [("TCP", index + 1)],
    "the same port": lambda _: [("TCP", 80)],
    "a port by TCP and UDP": lambda index: [("TCP", index + 1), ("UDP", index + 1)],
    "one port in common": lambda index: [("TCP", 80), ("TCP", 1_000 + index)],
    "ports in turn": lambda index: [("TCP", (80, 443, 8443)[index % 3]), ("TCP", (443, 8443, 80)[index % 3])],
}
"""What each of the Services that share one key uses: one address is enough for all of them, or each needs its own."""


def sharing(services: int, mix: str) -> Snapshot:
    """A world of Services that all name one sharing key."""
    alone = world(services, allocated=False)
    together = {
        name: replace(
            one, annotations={SHARE: "k"}, ports=tuple(Port(protocol, port) for protocol, port in PORTS[mix](index))
        )
        for index, (name, one) in enumerate(alone.services.items())
    }
    return replace(alone, services=together)


@pytest.mark.benchmark(group="an address for each of many Services that share a key, CPU time", timer=time.process_time)
@pytest.mark.parametrize("services", [THOUSANDS, MANY])
@pytest.mark.parametrize("mix", PORTS)
@pytest.mark.usefixtures("tuned")
def test_each_of_many_sharers_costs_what_each_of_500_costs(
    benchmark: Benchmark, services: int, mix: str, tell: Tell
) -> None:
    """All of the decision, as many Services as there are, beside 500 of them."""
    few, many = sharing(HUNDREDS, mix), sharing(services, mix)
    baseline = Before(lambda: decide(few), services // HUNDREDS // 2, timer=time.process_time)
    benchmark.pedantic(lambda: decide(many), setup=baseline, rounds=4)
    said = compare(benchmark, f"of {HUNDREDS:,}", baseline.best, per=services, baseline_per=HUNDREDS)
    tell(f"an address for each of {services:,} Services that share a key, {mix}, per Service: {said}")
    assert benchmark.extra_info["ratio"] <= FLAT, f"a shared address costs more the more share it: {said}"


class Turnover:
    """One Service goes and a new one takes its address, among others that have one and wait for nothing."""

    def __init__(self, others: int) -> None:
        full = world(others + 1, allocated=True)
        self._old, self._new = name_of(others), name_of(others + 1)
        left = {name: one for name, one in full.services.items() if name != self._old}
        self._with_old, self._with_neither = full, replace(full, services=left)
        self._with_new = replace(full, services={**left, self._new: service(others + 1)})
        self._decider = ControllerDecider()
        self._decider.service(full, self._old)
        self._decider.due()  # the first look at the pools wakes everybody

    def __call__(self) -> None:
        """There and back again, in four decisions."""
        assert self._decider.service(self._with_neither, self._old) == ()
        assert self._decider.due() == (), "a release must wake nobody when nobody waits"
        assert self._decider.service(self._with_new, self._new)
        self._decider.service(self._with_neither, self._new)
        self._decider.service(self._with_old, self._old)


@pytest.mark.benchmark(group="a Service goes, another takes its address, and back, among 10,000")
def test_a_release_among_10000_services_costs_what_one_among_1000_costs(benchmark: Benchmark, tell: Tell) -> None:
    """In MetalLB a release makes the controller look at every Service again."""
    benchmark(Turnover(MANY))
    said = compare(benchmark, "among 1,000", best_seconds(Turnover(FEW)))
    tell(f"a Service goes, another takes its address, and back, among 10,000: {said}")
