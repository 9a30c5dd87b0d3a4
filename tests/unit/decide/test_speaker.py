"""What a speaker hands to its engine, says of itself, and tells of: each only when it changes."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.questions import NOT_READY, backed
from tests.unit.decide.worlds import pool, service, world

from metalev.decide.desired import ControllerDesired
from metalev.decide.diff import controller_actions, state_actions, table_actions
from metalev.decide.speaker import SpeakerDecider, SpeakerDesired, speaker_state
from metalev.model.actions import (
    Action,
    Holding,
    Patience,
    RecordEvent,
    SetOwnership,
    SpeakerState,
    WritePoolStatus,
    WriteSpeakerState,
)
from metalev.model.cluster import BEACON_SECRET, EXCLUDE_LABEL, BeaconKey, BeaconSecret
from metalev.model.meta import Name
from metalev.model.ownership import Fact, FactKind, OwnershipTable
from metalev.model.pools import PoolStatus
from metalev.model.snapshot import Snapshot

KEY, OTHER_KEY = BeaconKey(1, b"k" * 32), BeaconKey(2, b"o" * 32)
WEB, DNS = service("web", "10.0.0.1"), service("dns", "10.0.0.2")


def took(address: str, term: int = 1) -> Fact:
    group = ip_address(address)
    return Fact(FactKind.TOOK, 7.0, "first-candidate", "", group=group, addresses=(group,), term=term)


def holding(snapshot: Snapshot, *facts: Fact) -> Snapshot:
    return replace(snapshot, held={str(fact.group): fact for fact in facts})


class Speaker:
    """A speaker whose actions are carried out at once."""

    def __init__(self, node: str = "node-a") -> None:
        self.node = node
        self.decider = SpeakerDecider(node, [KEY])
        self.table: OwnershipTable | None = None
        self.state: SpeakerState | None = None

    def see(self, snapshot: Snapshot) -> tuple[Action, ...]:
        desired = self.decider.desired(snapshot)
        state = speaker_state(snapshot, self.node, desired)
        actions = (*table_actions(self.table, desired.table), *state_actions(self.state, state, desired))
        self.table, self.state = desired.table, state
        return actions


def desired_speaker(snapshot: Snapshot, node: str, fallback_keys: Sequence[BeaconKey] = ()) -> SpeakerDesired:
    """What the speaker of ``node`` should do, worked out from nothing."""
    return SpeakerDecider(node, fallback_keys).desired(snapshot)


def events(actions: tuple[Action, ...]) -> list[str]:
    return [f"{one.event.regarding} {one.event.message}" for one in actions if isinstance(one, RecordEvent)]


def test_peers_are_all_other_nodes() -> None:
    table = desired_speaker(world(), "node-b").table
    assert [peer.node for peer in table.peers] == ["node-a", "node-c"]
    assert table.peers[0].addresses == (ip_address("192.0.2.1"),)


def test_groups_are_equal_on_every_node() -> None:
    tables = [desired_speaker(world(WEB, DNS), node).table.groups for node in ("node-a", "node-b", "node-c")]
    assert [str(group.key) for group in tables[0]] == ["10.0.0.1", "10.0.0.2"]
    assert tables[0] == tables[1] == tables[2]


def test_keys_come_from_the_secret_and_else_from_the_file() -> None:
    assert desired_speaker(world(), "node-a", [KEY]).table.keys == (KEY,)
    secret = BeaconSecret(Name("metallb-system", BEACON_SECRET), keys=(OTHER_KEY, KEY))
    snapshot = replace(world(), secrets={secret.name: secret})
    assert desired_speaker(snapshot, "node-a", [KEY]).table.keys == (OTHER_KEY, KEY)


def test_a_secret_without_keys_does_not_silence_the_beacons() -> None:
    empty = BeaconSecret(Name("metallb-system", BEACON_SECRET))
    snapshot = replace(world(), secrets={empty.name: empty})
    assert desired_speaker(snapshot, "node-a", [KEY]).table.keys == (KEY,)


def test_a_speaker_told_so_makes_candidates_of_excluded_nodes() -> None:
    labelled = {name: replace(one, labels={EXCLUDE_LABEL: ""}) for name, one in world().nodes.items()}
    snapshot = replace(world(WEB), nodes=labelled)
    (left,) = SpeakerDecider("node-a").desired(snapshot).table.groups
    assert left.candidates == ()
    (group,) = SpeakerDecider("node-a", ignore_exclude_lb=True).desired(snapshot).table.groups
    assert len(group.candidates) == 3


def test_a_group_that_nobody_may_own_is_not_in_the_table_but_has_a_reason() -> None:
    desired = desired_speaker(world(WEB, advertised=False), "node-a")
    assert desired.table.groups == ()
    assert desired.nobody["10.0.0.1"].startswith("noMatchingAdvertisement: node-a, node-b, node-c (")
    assert desired.services_of_group == {"10.0.0.1": (WEB.name,)}


def test_the_state_says_what_is_held_heard_and_wrong() -> None:
    snapshot = replace(
        holding(world(WEB), took("10.0.0.1", term=3)),
        peers_heard=frozenset({"node-c", "node-b"}),
        interfaces=frozenset({"eth0"}),
        problems={"web.yaml:1": "invalid CIDR"},
    )
    state = speaker_state(snapshot, "node-a", desired_speaker(snapshot, "node-a"))
    assert state.name == Name("", "node-a")
    assert state.holdings == (Holding("10.0.0.1", ("10.0.0.1",), ("shop/web",), 3, "first-candidate"),)
    assert state.peers_heard == ("node-b", "node-c")
    assert state.interfaces == ("eth0",)
    assert state.problems == ("web.yaml:1: invalid CIDR",)


def test_the_state_says_who_is_given_up_only_after_a_longer_silence() -> None:
    fact = Fact(FactKind.PATIENCE, 1.0, "late-beacons", "late", peer="node-b", patience=0.5)
    snapshot = replace(world(WEB), patience={"node-b": fact})
    state = speaker_state(snapshot, "node-a", desired_speaker(snapshot, "node-a"))
    assert state.patience == (Patience("node-b", 0.5, "late-beacons"),)
    assert state.problems == ()


def test_a_group_held_after_its_service_is_gone_is_still_said() -> None:
    state = speaker_state(holding(world(), took("10.0.0.1")), "node-a", SpeakerDesired())
    assert state.holdings[0].services == ()


def test_the_first_pass_hands_over_the_table_and_the_state() -> None:
    table, state = Speaker().see(world(WEB))
    assert isinstance(table, SetOwnership)
    assert table.reason == "first table: 1 groups, 2 peers"
    assert isinstance(state, WriteSpeakerState)
    assert state.reason == "first report"


def test_nothing_is_done_when_nothing_changed() -> None:
    speaker = Speaker()
    speaker.see(world(WEB))
    assert speaker.see(world(WEB)) == ()


def test_a_changed_table_says_what_changed() -> None:
    speaker = Speaker()
    speaker.see(world(WEB))
    (table,) = speaker.see(world(DNS, nodes=("node-a", "node-b")))
    assert table.reason == "peers changed; added 10.0.0.2; removed 10.0.0.1"


def test_a_table_of_which_only_what_is_probed_changed_says_so() -> None:
    speaker = Speaker()
    speaker.see(world(pools=()))
    (table,) = speaker.see(world())
    assert table.reason == "what is probed changed"


def test_a_changed_group_is_named() -> None:
    speaker = Speaker()
    speaker.see(world(WEB, nodes=("node-a", "node-b")))
    (table,) = speaker.see(world(WEB))
    assert table.reason == "peers changed; changed 10.0.0.1"


def test_many_changes_are_counted() -> None:
    pools = (pool("main", "10.0.0.0/24"),)
    speaker = Speaker()
    speaker.see(world(pools=pools))
    (table,) = speaker.see(world(*(service(str(one), f"10.0.0.{one}") for one in range(1, 6)), pools=pools))
    assert table.reason == "added 10.0.0.1, 10.0.0.2, 10.0.0.3 and 2 more"


def test_taking_a_group_is_told_once_per_service_in_metallbs_words() -> None:
    speaker, sharer = Speaker(), service("sharer", "10.0.0.1")
    speaker.see(world(WEB, sharer))
    actions = speaker.see(holding(world(WEB, sharer), took("10.0.0.1")))
    said = 'announcing from node "node-a" with protocol "layer2"'
    assert events(actions) == [f"Service shop/sharer {said}", f"Service shop/web {said}"]
    assert actions[0].reason == "changed: holdings"
    assert speaker.see(holding(world(WEB, sharer), took("10.0.0.1"))) == ()


def test_a_service_that_joins_a_held_group_is_told_of() -> None:
    speaker = Speaker()
    speaker.see(holding(world(WEB), took("10.0.0.1")))
    actions = speaker.see(holding(world(WEB, service("sharer", "10.0.0.1")), took("10.0.0.1")))
    assert [one.split()[1] for one in events(actions)] == ["shop/sharer"]


def test_a_sharer_is_told_of_its_announcer_once_it_has_endpoints() -> None:
    speaker = Speaker()
    shared = world(WEB, service("dns", "10.0.0.1"))
    told = events(speaker.see(holding(backed(shared, NOT_READY, of="dns"), took("10.0.0.1"))))
    assert [one.split()[1] for one in told] == ["shop/web"]
    told = events(speaker.see(holding(shared, took("10.0.0.1"))))
    assert [one.split()[1] for one in told] == ["shop/dns"]


def test_yielding_tells_nothing_and_taking_again_does() -> None:
    speaker = Speaker()
    speaker.see(holding(world(WEB), took("10.0.0.1", term=1)))
    assert events(speaker.see(world(WEB))) == []
    assert len(events(speaker.see(holding(world(WEB), took("10.0.0.1", term=3))))) == 1


def unable(address: str, cause: str = "no-interface") -> Fact:
    group = ip_address(address)
    return Fact(FactKind.UNABLE, 7.0, cause, f"{address} cannot be announced: {cause}", group=group)


def unable_state(snapshot: Snapshot, *facts: Fact) -> tuple[str, ...]:
    """The problems of a node that cannot announce what these facts say."""
    snapshot = replace(snapshot, unable={str(fact.group): fact for fact in facts})
    return speaker_state(snapshot, "node-a", desired_speaker(snapshot, "node-a", [KEY])).problems


def test_a_candidate_that_cannot_announce_says_so_in_its_state() -> None:
    assert unable_state(world(WEB, DNS), unable("10.0.0.1")) == ("10.0.0.1 cannot be announced: no-interface",)


def test_what_a_node_may_not_announce_or_leaves_to_a_better_subnet_is_no_problem_of_its() -> None:
    assert unable_state(world(WEB, nodes=("node-b",)), unable("10.0.0.1")) == ()
    assert unable_state(world(WEB), unable("10.0.0.1", "off-link")) == ()


def test_a_node_that_can_announce_nothing_names_a_few() -> None:
    services = [service(f"s{number}", f"10.0.1.{number}") for number in range(30)]
    snapshot = world(*services, pools=[pool("main", "10.0.1.0/24")])
    problems = unable_state(snapshot, *(unable(f"10.0.1.{number}") for number in range(30)))
    assert len(problems) == 21
    assert problems[-1] == "and 10 more of this kind"


def test_the_controller_writes_the_counts_of_a_pool_that_changed() -> None:
    main = pool("main", "10.0.0.0/30")
    desired = ControllerDesired({main.name: PoolStatus(1, 0, 3, 0)})
    (action,) = controller_actions(ControllerDesired(), desired, {main.name: main})
    assert isinstance(action, WritePoolStatus)
    assert (action.pool, action.reason) == (main, "1 IPv4 and 0 IPv6 addresses are in use")
    assert controller_actions(desired, desired, {main.name: main}) == ()


def test_the_controller_writes_counts_anew_that_somebody_else_has_changed() -> None:
    main, right = pool("main", "10.0.0.0/30"), PoolStatus(1, 0, 3, 0)
    desired = ControllerDesired({main.name: right})
    assert controller_actions(desired, desired, {main.name: main}, {main.name: right}) == ()
    assert len(controller_actions(desired, desired, {main.name: main}, {main.name: PoolStatus()})) == 1


def test_the_controller_tells_of_a_bad_pool_once() -> None:
    bad = pool("z")
    desired = ControllerDesired(pool_problems={bad.name: "overlaps"})
    actions = controller_actions(ControllerDesired(), desired, {bad.name: bad})
    assert [one.reason for one in actions] == ["ConfigurationError"]
    assert controller_actions(desired, desired, {}) == ()
