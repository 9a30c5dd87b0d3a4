"""A rolling replacement of MetalLB by metalev and back, node by node, with every address asked for all the time.

MetalLB's programs are stand-ins (``metalev.lab.kubernetes.metallb``), which answer, elect, join, leave and are missed
as MetalLB's do. Among themselves they answer twice for moments, also as MetalLB's do: who leaves the memberlist answers
on until the others have heard of it, and who joins it takes everything before. What is said here is of metalev.
"""

from collections.abc import Iterator

import pytest
from msgspec import Struct
from tests.kubernetes.migration import SERVICES, Migration, Way

from metalev.lab.kubernetes.cluster import METALEV, SYSTEM, KubernetesLab
from metalev.lab.kubernetes.metallb import METALLB
from metalev.lab.kubernetes.metallb.members import DEAD_S


class Ways(Struct):
    """There and back."""

    migration: Migration
    there: Way
    back: Way

    def way(self, name: str) -> Way:
        """One of them."""
        return self.there if name == "there" else self.back


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    with KubernetesLab(tmp_path_factory.mktemp("migration"), images={**METALEV, **METALLB}) as lab:
        migration = Migration(lab)
        there = migration.there()
        # MetalLB's webhooks would refuse it: nobody serves them.
        lab.plane.kubectl("label", "ipaddresspool", "first", "-n", SYSTEM, "edited=true")
        yield Ways(migration, there, migration.back())


both = pytest.mark.parametrize("name", ["there", "back"])


def test_metallb_served_every_address_before(ways: Ways) -> None:
    assert len(ways.migration.addresses) == SERVICES + 2
    assert len({life.mac for life in ways.there.lives}) == 3


@both
def test_no_question_is_answered_by_both(ways: Ways, name: str) -> None:
    way = ways.way(name)
    assert {address: found for address, one in way.report.records.items() if (found := way.doubles(one))} == {}


@both
def test_no_speaker_of_metalev_answers_again_once_another_has(ways: Ways, name: str) -> None:
    """A question may be answered by both when one hands over to the next, who finds it waiting; none after it is."""
    way = ways.way(name)
    answered = {address: way.of_ours(record) for address, record in way.report.records.items()}
    assert {address: macs for address, macs in answered.items() if len(set(macs)) < len(macs)} == {}


def test_once_metalev_answers_for_an_address_metallb_does_no_more(ways: Ways) -> None:
    assert {ways.there.sides(one) for one in ways.there.report.records.values()} == {"Mo"}


def test_once_metallb_answers_again_metalev_does_no_more(ways: Ways) -> None:
    assert {ways.back.sides(one) for one in ways.back.report.records.values()} == {"oM"}


@both
def test_no_address_is_silent_for_as_long_as_metallb_takes_to_notice_a_dead_node(ways: Ways, name: str) -> None:
    records = ways.way(name).report.records
    assert {address: one for address, one in records.items() if one.longest_silence_ms >= DEAD_S * 1000} == {}


@both
def test_an_address_is_silent_for_no_longer_than_the_api_server_knows_its_pod(ways: Ways, name: str) -> None:
    way = ways.way(name)
    handovers = {address: way.handover(record) for address, record in way.report.records.items()}
    assert {address: one for address, one in handovers.items() if not one.fine} == {}


@both
def test_no_service_loses_or_changes_its_address(ways: Ways, name: str) -> None:
    assert ways.way(name).statuses == ways.migration.before


@both
def test_controllers_of_both_never_run_at_a_time(ways: Ways, name: str) -> None:
    together = ways.way(name).together
    assert frozenset({"MetalLB"}) in together
    assert frozenset({"metalev"}) in together
    assert frozenset({"MetalLB", "metalev"}) not in together
