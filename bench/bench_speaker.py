"""What a change costs a speaker that knows 10,000 Services, and what it costs to tell the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

import pytest
from bench.report import Before, Benchmark, best_seconds, compare
from bench.worlds import name_of, ownership_table, service, world
from msgspec.structs import replace

from metalev.adapters.native import NativeOwnership
from metalev.decide.diff import state_actions, table_actions
from metalev.decide.speaker import SpeakerDecider, SpeakerDesired, speaker_state
from metalev.lab.lab import Lab
from metalev.lab.topology import home_network
from metalev.model.actions import SetOwnership
from metalev.model.ownership import OwnershipTable
from metalev.model.snapshot import Snapshot

Tell = Callable[[str], None]

NODE = "node-0"
SERVICES, NODES = 10_000, 100
MOVED_TO = (IPv4Address("10.0.250.0"), IPv4Address("10.0.250.1"))
GROUPS, FEW_GROUPS = 5_000, 500


def one_pass(decider: SpeakerDecider, snapshot: Snapshot, applied: OwnershipTable | None) -> SpeakerDesired:
    """From a snapshot to what is to be done; there must be something."""
    desired = decider.desired(snapshot)
    state = speaker_state(snapshot, NODE, desired)
    actions = (*table_actions(applied, desired.table), *state_actions(None, state, desired))
    assert any(isinstance(action, SetOwnership) for action in actions)
    return desired


class Mover:
    """A speaker that has seen everything; at each call one Service in the middle has another address."""

    def __init__(self, snapshot: Snapshot) -> None:
        index = SERVICES // 2
        self._worlds = [
            replace(snapshot, services={**snapshot.services, name_of(index): service(index, address)})
            for address in MOVED_TO
        ]
        self._decider = SpeakerDecider(NODE)
        self._desired = one_pass(self._decider, snapshot, None)

    def __call__(self) -> None:
        """Decide on the world with the other address."""
        self._worlds.reverse()
        self._desired = one_pass(self._decider, self._worlds[0], self._desired.table)


@pytest.mark.benchmark(group="one of 10,000 Services changes")
def test_one_changed_service_costs_a_fraction_of_the_first_pass(benchmark: Benchmark, tell: Tell) -> None:
    snapshot = world(SERVICES, nodes=NODES, allocated=True)
    benchmark(Mover(snapshot))
    first_pass = best_seconds(lambda: one_pass(SpeakerDecider(NODE), snapshot, None))
    said = compare(benchmark, "the first pass", first_pass)
    tell(f"one of {SERVICES:,} Services changes, {NODES} nodes, decision and diff: {said}")


@pytest.fixture(scope="module")
def engine() -> Iterator[NativeOwnership]:
    """An engine that is no candidate, in a network namespace: it is told everything and announces nothing."""
    with Lab(home_network(nodes=1, pods_per_node=0, router=False)) as lab:
        started = lab.node("node1").namespace.call(lambda: NativeOwnership(NODE))
        yield started
        started.stop()


def digest(engine: NativeOwnership, table: OwnershipTable) -> None:
    """Hand over a table and wait until the engine works by it: it reads its mail in order, the counters come after."""
    engine.set(table)
    engine.counters()


@pytest.mark.benchmark(group="a table of 5,000 groups")
@pytest.mark.parametrize("take", [NativeOwnership.set, digest])
def test_a_table_of_5000_groups_costs_per_group_what_one_of_500_costs(
    benchmark: Benchmark, engine: NativeOwnership, take: Callable[[NativeOwnership, OwnershipTable], None], tell: Tell
) -> None:
    many, few = ownership_table(GROUPS, nodes=NODES), ownership_table(FEW_GROUPS, nodes=NODES)
    baseline = Before(lambda: take(engine, few), GROUPS // FEW_GROUPS)
    benchmark.pedantic(lambda: take(engine, many), setup=baseline, rounds=30)
    said = compare(benchmark, f"of {FEW_GROUPS}", baseline.best, per=GROUPS, baseline_per=FEW_GROUPS)
    done = "taken in by the engine" if take is digest else "handed to the engine"
    tell(f"a table of {GROUPS:,} groups is {done}, per group: {said}")
