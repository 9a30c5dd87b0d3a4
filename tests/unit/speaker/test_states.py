"""What the speaker publishes of itself, and when."""

import itertools
from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.speaker.scene import KEY, Speaker, endpoints, secret, service, took, web, world, yielded

from metalev.model.actions import SpeakerState
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact, FactKind
from metalev.model.snapshot import Noticed
from metalev.ports.ownership import Counters
from metalev.runtime.outcome import Retry
from metalev.speaker.reconcile import STATE_PAUSE, STATE_PAUSE_PER_SECOND


def test_the_state_names_the_addresses_that_nobody_may_be_given() -> None:
    speaker = Speaker(web(), KEY)
    own = Fact(FactKind.INTERFACE_UP, 1.0, "link", "up", addresses=(ip_address("192.0.2.10"),), interface="lan0")
    router = Fact(FactKind.GATEWAYS, 1.0, "link", "by", addresses=(ip_address("192.0.2.254"),), interface="lan0")
    speaker.notice(Noticed(own), Noticed(router))
    state = speaker.cluster.get(ObjectKey(Kind.SPEAKER_STATE, Name("", "node1")))
    assert isinstance(state, SpeakerState)
    assert (state.local_addresses, state.gateways) == (("192.0.2.10",), ("192.0.2.254",))


def test_what_was_yielded_is_no_longer_published() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    speaker.notice(yielded("192.0.2.1"))
    assert speaker.holdings() == []


def test_a_storm_of_takeovers_is_a_few_writes_and_the_last_state_lands() -> None:
    speaker = Speaker(web(), KEY)
    before = int(speaker.cluster.world._version)
    for term in range(1, 101):
        speaker.loop.inbox.put(took("192.0.2.1", term))
        speaker.settle(within=0.01)
    speaker.settle(within=STATE_PAUSE)
    assert speaker.cluster.world._version - before <= 1.0 / STATE_PAUSE + 2
    state = speaker.cluster.get(ObjectKey(Kind.SPEAKER_STATE, Name("", "node1")))
    assert state.holdings[0].term == 100  # type: ignore[union-attr]


def test_a_state_that_takes_long_to_write_is_written_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = Speaker(web(), KEY)
    write = speaker.cluster.write_speaker_state
    written: list[float] = []

    def slowly(state: SpeakerState) -> None:
        speaker.clock.seconds += 2.0
        written.append(speaker.clock.now())
        write(state)

    monkeypatch.setattr(speaker.cluster, "write_speaker_state", slowly)
    for term in range(1, 101):
        speaker.loop.inbox.put(took("192.0.2.1", term))
        speaker.settle(within=1.0)
    assert len(written) > 5
    pauses = [later - earlier for earlier, later in itertools.pairwise(written)]
    assert all(pause >= 2.0 * STATE_PAUSE_PER_SECOND for pause in pauses)


@pytest.mark.parametrize("step", [86_400.0, -3_600.0])
def test_a_step_of_the_time_of_day_moves_nothing_and_rewrites_no_holding(step: float) -> None:
    speaker = Speaker(web(), KEY)
    speaker.clock.ahead = 86_400.0
    speaker.notice(took("192.0.2.1"))
    before = speaker.cluster.get(ObjectKey(Kind.SPEAKER_STATE, Name("", "node1")))
    speaker.clock.ahead += step
    speaker.cluster.relist()
    speaker.settle(within=120)
    assert len(speaker.engine.tables) == 1
    assert speaker.cluster.get(ObjectKey(Kind.SPEAKER_STATE, Name("", "node1"))) == before
    assert len(speaker.assigned()) == 1


def test_a_table_does_not_wait_for_the_pause_between_states() -> None:
    speaker = Speaker(web(), KEY)
    speaker.loop.inbox.put(took("192.0.2.1"))
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert len(speaker.engine.tables) == 2
    assert speaker.clock.seconds == 0.0


def test_the_last_state_lands_at_once_when_the_program_ends() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    speaker.loop.inbox.put(yielded("192.0.2.1"))
    speaker.reconciler.hurry()
    speaker.settle()
    assert speaker.holdings() == []


def test_a_cluster_that_does_not_answer_gets_the_state_later_and_the_engine_its_table_at_once() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.unavailable = "connection refused"
    speaker.notice(took("192.0.2.1"))
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert len(speaker.engine.tables) == 2
    assert isinstance(speaker.outcomes[-1], Retry)
    speaker.cluster.unavailable = ""
    speaker.settle(within=60)
    assert speaker.holdings() == ["192.0.2.1"]
    assert len(speaker.assigned()) == 1


def test_the_problems_of_the_input_are_in_the_state() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.reject("web.yaml:3", "spec.ports is no list")
    speaker.settle(within=STATE_PAUSE)
    state = speaker.cluster.get(ObjectKey(Kind.SPEAKER_STATE, Name("", "node1")))
    assert state.problems == ("web.yaml:3: spec.ports is no list",)  # type: ignore[union-attr]


def test_figures_show_what_is_held_for_which_service() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    figures = speaker.reconciler.figures(speaker.loop.snapshot, Counters(beacons_sent=4))
    assert figures.announced is not None
    assert [(row.service, row.ip, row.node) for row in figures.announced] == [("shop/web", "192.0.2.1", "node1")]
    assert figures.engine == Counters(beacons_sent=4)


def test_figures_show_when_an_address_came_here() -> None:
    speaker = Speaker(web(), KEY)
    came = speaker.clock.wall().timestamp() - speaker.clock.now() + 1.0
    speaker.notice(took("192.0.2.1"))
    again = took("192.0.2.1").fact
    speaker.notice(Noticed(replace(again, at=9.0, cause="link")))
    assert speaker.reconciler.figures(speaker.loop.snapshot, Counters()).moved == (("192.0.2.1", came),)


def test_a_state_that_somebody_removed_is_there_again_within_a_minute() -> None:
    speaker = Speaker(world(secret(KEY)))
    key = ObjectKey(Kind.SPEAKER_STATE, Name("", "node1"))
    assert key in speaker.cluster.world.objects
    speaker.cluster.remove(key)
    speaker.settle(within=61)
    assert key in speaker.cluster.world.objects
