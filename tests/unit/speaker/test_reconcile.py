"""The speaker over a cluster and an engine in memory, in virtual time."""

import itertools
from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.driver import Driver
from tests.fakes.ownership import FakeOwnership

from metalev.model.actions import SpeakerState
from metalev.model.address import AddressRange
from metalev.model.cluster import BEACON_SECRET, BeaconKey, BeaconSecret, Node
from metalev.model.errors import StartError
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact, FactKind
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import Endpoint, EndpointSlice, Service, ServiceStatus
from metalev.model.snapshot import KeysRead, Noticed, Object
from metalev.ports.ownership import Counters
from metalev.runtime.effects import Effects
from metalev.runtime.outcome import Retry
from metalev.speaker.reconcile import STATE_PAUSE, STATE_PAUSE_PER_SECOND, SpeakerReconciler

NAMESPACE = "metallb-system"
KEY = BeaconKey(1, b"k" * 32)
OTHER_KEY = BeaconKey(2, b"o" * 32)


def service(text: str, *held: str) -> Service:
    status = ServiceStatus(tuple(ip_address(one) for one in held), pool="main")
    return Service(Name("shop", text), type="LoadBalancer", status=status)


def endpoints(text: str) -> EndpointSlice:
    return EndpointSlice(Name("shop", f"{text}-1"), Name("shop", text), endpoints=(Endpoint(("10.1.0.1",), "node1"),))


def node(text: str) -> Node:
    return Node(Name("", text), addresses=(ip_address("192.0.2.10"),))


def secret(*keys: BeaconKey) -> BeaconSecret:
    return BeaconSecret(Name(NAMESPACE, BEACON_SECRET), keys=keys)


def world(*more: Object) -> FakeCluster:
    pool = Pool(Name(NAMESPACE, "main"), ranges=(AddressRange.parse("192.0.2.0/24"),))
    everywhere = L2Advertisement(Name(NAMESPACE, "all"))
    return FakeCluster(pool, everywhere, node("node1"), node("node2"), *more, writer="node1")


def took(vip: str, term: int = 1) -> Noticed:
    address = ip_address(vip)
    return Noticed(Fact(FactKind.TOOK, 1.0, "first-candidate", f"took {vip}", address, (address,), term))


def yielded(vip: str) -> Noticed:
    address = ip_address(vip)
    return Noticed(Fact(FactKind.YIELDED, 2.0, "higher-term", f"fell silent for {vip}", address, (address,), 1))


def unable(vip: str, cause: str = "no-interface") -> Noticed:
    address = ip_address(vip)
    return Noticed(Fact(FactKind.UNABLE, 1.0, cause, f"cannot announce {vip}", address, (address,)))


def able(vip: str) -> Noticed:
    address = ip_address(vip)
    return Noticed(Fact(FactKind.ABLE, 2.0, "link", f"can announce {vip}", address, (address,)))


class Speaker(Driver[str]):
    """The speaker of node1, settled on ``cluster``."""

    def __init__(self, cluster: FakeCluster, *keys: BeaconKey, named: str = "node1") -> None:
        self.clock = VirtualClock()
        self.cluster = cluster
        self.engine = FakeOwnership()
        effects = Effects(cluster, self.engine)
        self.reconciler = SpeakerReconciler(
            effects, self.clock, named, key_secret=f"{NAMESPACE}/{BEACON_SECRET}", fallback_keys=keys
        )
        super().__init__(self.reconciler, self.clock)
        self.start(cluster)

    def put(self, *objects: Object) -> None:
        for obj in objects:
            self.cluster.put(obj)
        self.settle()

    def notice(self, *facts: Noticed) -> None:
        for fact in facts:
            self.loop.inbox.put(fact)
        self.settle(within=STATE_PAUSE)

    def holdings(self) -> list[str]:
        state = self.cluster.get(ObjectKey(Kind.SPEAKER_STATE, Name("", "node1")))
        return [holding.group for holding in state.holdings]  # type: ignore[union-attr]

    def assigned(self) -> list[tuple[str, str]]:
        return [(str(event.regarding.name), event.message) for event in self.cluster.events]


def web() -> FakeCluster:
    return world(service("web", "192.0.2.1"), endpoints("web"))


def test_the_engine_gets_peers_keys_and_groups_in_one_table() -> None:
    [table] = Speaker(web(), KEY).engine.tables
    assert [peer.node for peer in table.peers] == ["node2"]
    assert table.keys == (KEY,)
    assert [str(group.key) for group in table.groups] == ["192.0.2.1"]


def test_the_table_is_set_once_while_nothing_changes() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.relist()
    speaker.put(node("node1"))
    speaker.notice(took("192.0.2.1"))
    assert len(speaker.engine.tables) == 1


def test_a_change_sets_the_whole_table_anew() -> None:
    speaker = Speaker(web(), KEY)
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert [str(group.key) for group in speaker.engine.tables[-1].groups] == ["192.0.2.1", "192.0.2.2"]


def test_a_service_that_is_gone_leaves_the_table() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.remove(ObjectKey(Kind.SERVICE, Name("shop", "web")))
    speaker.settle()
    assert speaker.engine.tables[-1].groups == ()


def test_the_reason_of_a_new_table_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    speaker = Speaker(web(), KEY)
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert "new table for the engine: added 192.0.2.2" in caplog.text


def test_a_takeover_is_published_and_told_to_the_service() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    assert speaker.holdings() == ["192.0.2.1"]
    assert speaker.assigned() == [("shop/web", 'announcing from node "node1" with protocol "layer2"')]


def test_a_takeover_is_told_once() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    speaker.put(replace(service("web", "192.0.2.1"), labels={"a": "b"}))
    speaker.settle(within=60)
    assert len(speaker.assigned()) == 1


LACKING = (
    """the interfaces specified by LB IP "192.0.2.1" doesn't exist in assigned node "node1" with protocol "layer2\""""
)


def on_interfaces(*names: str) -> FakeCluster:
    cluster = web()
    cluster.put(L2Advertisement(Name(NAMESPACE, "all"), interfaces=names))
    return cluster


def test_a_service_is_told_that_the_node_lacks_the_interfaces_of_its_advertisement() -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.notice(unable("192.0.2.1"))
    assert speaker.assigned() == [("shop/web", LACKING)]
    assert [event.reason for event in speaker.cluster.events] == ["announceFailed"]


def test_missing_interfaces_are_told_once_until_they_were_there() -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.notice(unable("192.0.2.1"))
    speaker.put(replace(service("web", "192.0.2.1"), labels={"a": "b"}))
    speaker.notice(unable("192.0.2.1"))
    assert len(speaker.assigned()) == 1
    speaker.notice(able("192.0.2.1"))
    speaker.notice(unable("192.0.2.1"))
    assert len(speaker.assigned()) == 2


@pytest.mark.parametrize("cause", ["own-address", "gateway", "off-link"])
def test_another_reason_not_to_announce_is_no_missing_interface(cause: str) -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.notice(unable("192.0.2.1", cause))
    assert speaker.assigned() == []


def test_a_link_that_is_down_is_no_missing_interface() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(unable("192.0.2.1"))
    assert speaker.assigned() == []


def test_missing_interfaces_are_told_when_the_cluster_answers_again() -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.cluster.unavailable = "connection refused"
    speaker.notice(unable("192.0.2.1"))
    speaker.cluster.unavailable = ""
    speaker.settle(within=60)
    assert speaker.assigned() == [("shop/web", LACKING)]


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


KERNEL = Fact(FactKind.OWN_KERNEL, 1.0, "frame", "a kernel answers", addresses=(ip_address("192.0.2.1"),), peer="node2")
KERNEL_OVER = replace(KERNEL, kind=FactKind.OWN_KERNEL_OVER, message="it answers no longer")


def trouble_of(speaker: Speaker) -> list[str]:
    return sorted(
        f"{one.regarding.name.name} {one.reason}" for one in speaker.cluster.events if "a kernel answers" in one.message
    )


def test_a_kernel_that_answers_is_told_once_and_so_is_its_end_and_again_when_it_begins_anew() -> None:
    speaker = Speaker(web(), KEY)
    begun, ended = ["node2 KernelAnswers", "web KernelAnswers"], ["node2 KernelAnswersOver", "web KernelAnswersOver"]
    speaker.notice(Noticed(KERNEL))
    speaker.notice(Noticed(replace(KERNEL, at=20.0)))
    assert trouble_of(speaker) == begun
    speaker.notice(Noticed(KERNEL_OVER))
    speaker.settle(within=60)
    assert trouble_of(speaker) == sorted([*begun, *ended])
    speaker.notice(Noticed(KERNEL))
    speaker.settle(within=60)
    assert trouble_of(speaker) == sorted([*begun, *begun, *ended])


def test_an_end_that_could_not_be_told_is_told_later() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(Noticed(KERNEL))
    speaker.settle(within=60)
    speaker.cluster.unavailable = "connection refused"
    speaker.notice(Noticed(KERNEL_OVER))
    speaker.settle(within=1)
    speaker.cluster.unavailable = ""
    speaker.settle(within=120)
    assert len([one for one in trouble_of(speaker) if one.endswith("Over")]) == 2


def test_without_a_key_there_is_no_table_and_the_speaker_is_not_ready() -> None:
    speaker = Speaker(web())
    assert speaker.engine.tables == []
    assert "create the Secret metallb-system/metalev-beacon" in speaker.reconciler.not_ready()


def test_other_keys_of_the_file_make_a_new_table() -> None:
    speaker = Speaker(web(), KEY)
    speaker.loop.inbox.put(KeysRead((OTHER_KEY, KEY)))
    speaker.settle()
    assert [table.keys for table in speaker.engine.tables] == [(KEY,), (OTHER_KEY, KEY)]


def test_the_keys_of_a_secret_win_over_those_that_a_file_has_later() -> None:
    speaker = Speaker(web())
    speaker.put(secret(KEY))
    speaker.loop.inbox.put(KeysRead((OTHER_KEY,)))
    speaker.settle()
    assert speaker.engine.tables[-1].keys == (KEY,)


def test_a_secret_that_is_gone_and_comes_again_is_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    speaker = Speaker(web())
    speaker.put(secret(KEY))
    speaker.cluster.remove(ObjectKey(Kind.SECRET, Name(NAMESPACE, BEACON_SECRET)))
    speaker.settle()
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    speaker.put(secret(KEY))
    assert {table.keys for table in speaker.engine.tables} == {(KEY,)}
    assert caplog.text.count("has no key any more; the last one stays in force") == 1
    assert caplog.text.count(f"over: the Secret {NAMESPACE}/{BEACON_SECRET} has a key again") == 1


def test_a_missing_key_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    speaker = Speaker(web())
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert len([record for record in caplog.records if "no key to sign beacons with" in record.message]) == 1


def test_a_key_that_comes_later_starts_the_announcing() -> None:
    speaker = Speaker(web())
    speaker.put(secret(KEY))
    assert speaker.engine.tables[0].keys == (KEY,)
    assert speaker.reconciler.not_ready() == ""


def test_the_secret_counts_for_more_than_the_key_file() -> None:
    assert Speaker(world(secret(OTHER_KEY)), KEY).engine.tables[0].keys == (OTHER_KEY,)


def test_a_secret_that_is_removed_leaves_its_last_key_in_force() -> None:
    speaker = Speaker(world(secret(KEY), service("web", "192.0.2.1"), endpoints("web")))
    speaker.cluster.remove(ObjectKey(Kind.SECRET, Name(NAMESPACE, BEACON_SECRET)))
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert len(speaker.engine.tables[-1].groups) == 2
    assert speaker.engine.tables[-1].keys == (KEY,)


def test_a_node_that_the_cluster_does_not_have_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(StartError, match=r"^no Node is named node9; there are: node1, node2\."):
        Speaker(web().beside("node9"), KEY, named="node9")


def test_a_node_that_vanishes_later_ends_nothing() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.remove(ObjectKey(Kind.NODE, Name("", "node1")))
    speaker.settle()
    assert [candidate.node for candidate in speaker.engine.tables[-1].groups[0].candidates] == ["node2"]


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
