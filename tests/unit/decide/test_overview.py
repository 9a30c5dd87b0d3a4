"""One screen of everything: counts, what is wrong first, and whether anything is."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.questions import announced, labelled, pod, settled, speaker, with_pods
from tests.unit.decide.worlds import name, pool, service, world

from metalev.decide.overview import Overview, PoolRow, overview
from metalev.decide.why import Inquiry
from metalev.model.actions import Patience, SpeakerState
from metalev.model.cluster import EXCLUDE_LABEL, Heartbeat
from metalev.model.meta import LabelSelector, Name
from metalev.model.pools import L2Advertisement, PoolStatus, Resting
from metalev.model.snapshot import Snapshot

TWO = ("10.0.0.0", "10.0.0.1")
WAITED = "is given up only after up to"


def see(snapshot: Snapshot, namespace: str = "") -> Overview:
    return overview(Inquiry(snapshot), namespace)


def served(*states: SpeakerState) -> Snapshot:
    """Two Services with addresses; node-a announces both unless ``states`` say something else."""
    found = states or (speaker("node-a", *TWO), speaker("node-b"), speaker("node-c"))
    return announced(settled(world(service("a"), service("b"))), *found)


def test_all_is_well() -> None:
    seen = see(served())
    assert (seen.healthy, seen.verdict) == (True, "all is well: all 2 Services are answered for")
    assert [(one.name, one.announces, one.hears) for one in seen.nodes] == [
        *(("node-a", 2, 2), ("node-b", 0, 2), ("node-c", 0, 2))
    ]


def test_who_is_given_up_late_is_a_remark_and_no_problem() -> None:
    late, starved = Patience("node-c", 0.5, "late-beacons"), Patience("node-b", 0.75, "starved")
    states = [speaker("node-a", *TWO), speaker("node-b"), speaker("node-c")]
    states[0] = replace(states[0], patience=(late,))
    states[1] = replace(states[1], patience=(replace(late, seconds=1.0), starved))
    seen = see(served(*states))
    assert (seen.healthy, seen.problems) == (True, ())
    assert seen.remarks == (
        f"node-b {WAITED} 0.75 s of silence: it asks for that, for its host has no time for its speaker",
        f"node-c {WAITED} 1 s of silence: its beacons come late or get lost on the way to node-a, node-b",
    )


def test_a_label_that_every_node_carries_is_a_problem_though_who_announces_goes_on() -> None:
    barred = labelled(served(), "node-a", "node-b", "node-c")
    (problem,) = see(barred).problems
    assert problem.startswith(f"every node carries the label {EXCLUDE_LABEL}, so nothing is announced anew: remove")
    assert not see(barred).healthy
    assert overview(Inquiry(barred, ignore_exclude_lb=True)).problems == ()
    assert see(labelled(served(), "node-a", "node-b")).problems == ()


def test_what_is_without_traffic_comes_first_and_is_counted() -> None:
    seen = see(served(speaker("node-a", TWO[0]), speaker("node-b"), speaker("node-c")))
    assert [str(one.service) for one in seen.chains] == ["shop/b", "shop/a"]
    assert (seen.healthy, seen.verdict) == (False, "1 of 2 Services without traffic")


def test_services_of_another_class_are_listed_and_are_no_problem() -> None:
    snapshot = served()
    theirs = replace(service("theirs"), load_balancer_class="example.com/lb")
    seen = see(replace(snapshot, services={**snapshot.services, theirs.name: theirs}))
    assert (seen.foreign, seen.healthy) == ((theirs.name,), True)


def test_services_of_another_type_are_not_there() -> None:
    assert see(world(service("plain", kind="ClusterIP"))).chains == ()


def test_a_namespace_can_be_chosen() -> None:
    snapshot = served()
    assert len(see(snapshot, "shop").chains) == 2
    assert see(snapshot, "bank").chains == ()


def test_pools_say_how_full_they_are_and_who_advertises_them() -> None:
    snapshot = settled(world(service("a"), pools=(pool("main", "10.0.0.0/30", "fd00::/124"),)))
    (row,) = see(snapshot).pools
    assert row == PoolRow("main", {4: (4, 1, 3), 6: (16, 0, 16)}, ("all",))


def test_addresses_that_rest_are_counted_where_that_is_known() -> None:
    status = PoolStatus(resting=(Resting(ip_address("10.0.0.3"), name("a"), 9),))
    (row,) = see(replace(served(), pool_statuses={Name("metallb-system", "main"): status})).pools
    assert row.resting == 1


def test_a_pool_that_nobody_advertises_is_a_problem_also_while_it_is_empty() -> None:
    seen = see(world(advertised=False))
    assert seen.problems == ("pool main: no L2Advertisement is for it, so nobody announces its addresses",)
    assert seen.verdict == "1 problem; there is no Service of type LoadBalancer"


def test_that_no_controller_ever_wrote_is_said_once() -> None:
    seen = see(world(service("a"), service("b")))
    assert [one for one in seen.problems if one.startswith("no controller has written here: start ")]


def test_a_directory_without_services_says_nothing_of_a_controller() -> None:
    assert see(replace(served(), services={})).healthy


def test_a_place_where_nothing_is_may_be_the_wrong_one() -> None:
    assert see(Snapshot(synced=True)).problems == (
        "nothing is here, no Service, no IPAddressPool and no Node: is it the right place?",
    )


def test_a_mistake_in_a_pool_that_is_named_by_its_line_is_named_once() -> None:
    overlapping = world(pools=(pool("main", "10.0.0.0/30"), pool("z", "10.0.0.0/31")))
    (problem,) = [one for one in see(overlapping).problems if "overlaps" in one]
    assert problem.startswith("pool z: ")
    text = problem.removeprefix("pool z: ")
    by_line = replace(overlapping, problems={"z.yaml:6": f"IPAddressPool z: spec.addresses[0]: {text}"})
    assert [one for one in see(by_line).problems if "overlaps" in one] == [
        f"z.yaml:6: IPAddressPool z: spec.addresses[0]: {text}"
    ]


def test_many_mistakes_in_a_pool_that_are_named_by_their_lines_are_named_once() -> None:
    ranges = [f"10.0.{number}.0/32" for number in range(100)]
    overlapping = world(pools=(pool("main", *ranges), pool("z", *ranges)))
    (text,) = [one.removeprefix("pool z: ") for one in see(overlapping).problems if "overlaps" in one]
    by_line = replace(overlapping, problems={"z.yaml": text.removesuffix("; and 90 more")})
    assert [one for one in see(by_line).problems if "overlaps" in one] == [
        f"z.yaml: {text.removesuffix('; and 90 more')}"
    ]


def test_problems_of_the_input_and_of_pools_are_named() -> None:
    overlapping = (pool("main", "10.0.0.0/30"), pool("z", "10.0.0.0/31"))
    seen = see(replace(world(pools=overlapping), problems={"web.yaml:1": "spec.ports is no list"}))
    assert seen.problems[0] == "web.yaml:1: spec.ports is no list"
    assert seen.problems[1].startswith("pool z: CIDR")


def test_a_problem_of_several_speakers_is_one_line() -> None:
    sick = [speaker(one, *held, problems=["no room"]) for one, held in (("node-a", TWO), ("node-b", ()))]
    assert see(served(*sick, speaker("node-c"))).problems == ("node-a, node-b: no room",)


def test_a_mistake_that_speakers_read_too_is_named_once() -> None:
    states = [speaker(one, problems=["web.yaml:1: bad"]) for one in ("node-a", "node-b", "node-c")]
    seen = see(replace(served(*states), problems={"web.yaml:1": "bad"}))
    assert seen.problems == ("web.yaml:1: bad",)


def test_a_dead_node_and_a_partition_are_problems() -> None:
    dead = served(speaker("node-a", *TWO), speaker("node-b", hears=["node-c"]), speaker("node-c", hears=["node-b"]))
    assert [one.speaker for one in see(dead).nodes] == ["old state", "runs", "runs"]
    assert see(dead).problems[0].startswith("node-a: its state is old")
    parted = served(speaker("node-a", *TWO, hears=[]), speaker("node-b", hears=[]), speaker("node-c", hears=[]))
    assert "node-a and node-b: they do not hear each other" in see(parted).problems


def test_a_node_with_a_speaker_of_metallb_is_shown_as_such() -> None:
    seen = see(with_pods(world(), pod("node-c", foreign=True)))
    assert {one.name: one.speaker for one in seen.nodes}["node-c"] == "MetalLB's"


def test_a_state_that_a_node_left_behind_is_shown_last_and_is_no_problem() -> None:
    states = (speaker("node-a", *TWO), speaker("node-b"), speaker("node-c"), speaker("node-0", TWO[0]))
    seen = see(served(*states))
    assert (seen.nodes[-1].name, seen.nodes[-1].speaker) == ("node-0", "no such Node")
    assert (seen.healthy, seen.others) == (True, 2)


def test_a_node_without_a_link_is_a_problem() -> None:
    cut = speaker("node-c", interfaces=())
    seen = see(served(speaker("node-a", *TWO, hears=["node-b"]), speaker("node-b", hears=["node-a"]), cut))
    assert ("node-c", "no interface") in [(one.name, one.speaker) for one in seen.nodes]
    assert seen.problems == ("node-c: none of its interfaces can carry addresses: look at its links",)


def without_c() -> Snapshot:
    """The speaker of node-c has written nothing."""
    return served(speaker("node-a", *TWO, hears=["node-b"]), speaker("node-b", hears=["node-a"]))


def test_a_node_without_a_speaker_that_would_announce_is_a_problem() -> None:
    seen = see(without_c())
    assert ("node-c", "no state") in [(one.name, one.speaker) for one in seen.nodes]
    assert [one.partition(": start")[0] for one in seen.problems] == ["node-c: no speaker has written a state"]


def test_nodes_of_which_the_same_is_to_be_said_are_one_problem() -> None:
    (problem,) = (one for one in see(world()).problems)
    assert problem.startswith("node-a, node-b, node-c: no speaker has written a state: start `metalev speaker` on each")


def test_a_node_that_announces_nothing_needs_no_speaker() -> None:
    excluded = labelled(without_c(), "node-c")
    assert see(excluded).healthy
    assert not overview(Inquiry(excluded, ignore_exclude_lb=True)).healthy
    elsewhere = L2Advertisement(Name("metallb-system", "all"), node_selectors=(LabelSelector({"rack": "9"}),))
    assert see(replace(world(), l2_advertisements={elsewhere.name: elsewhere})).healthy


def test_a_node_whose_pod_has_written_nothing_is_a_problem_though_it_would_announce_nothing() -> None:
    (problem,) = see(with_pods(labelled(without_c(), "node-c"), pod("node-c", running=False))).problems
    assert problem.startswith("node-c: its pod metallb-system/speaker-node-c does not run: start")


def test_a_node_with_a_speaker_of_metallb_needs_none_of_ours() -> None:
    assert not [one for one in see(with_pods(without_c(), pod("node-c", foreign=True))).problems if "node-c" in one]


def heartbeat(at: float, holder: str = "somebody") -> Heartbeat:
    """Of a Lease that lasts 40 s, as the speakers' do."""
    return Heartbeat(at, f"{at:g} s UTC", 40.0, holder)


def beating(snapshot: Snapshot, **at: float) -> Overview:
    """With the Leases of these nodes' speakers, by when they were renewed, and that of a controller at 1000 s."""
    found = {f"speaker-node-{node}": heartbeat(when) for node, when in at.items()}
    return overview(Inquiry(snapshot, heartbeats={"metalev-controller": heartbeat(1000), **found}))


def alone() -> Snapshot:
    return announced(settled(world(service("a"), service("b"), nodes=("node-a",))), speaker("node-a", *TWO))


def test_a_speaker_whose_lease_has_ended_and_whom_nobody_hears_is_not_believed() -> None:
    assert beating(alone(), a=961).healthy
    seen = beating(alone(), a=900)
    why = "its state is old, for its speaker has not been heard since 900 s UTC: its Lease has ended"
    assert (seen.problems, [one.speaker for one in seen.nodes]) == ((f"node-a: {why}",), ["old state"])
    assert f"nobody answers for {TWO[0]}" in seen.chains[0].verdict


def test_a_lease_that_was_given_back_has_ended() -> None:
    seen = overview(Inquiry(alone(), heartbeats={"speaker-node-a": heartbeat(1000, holder="")}))
    assert [one.speaker for one in seen.nodes] == ["old state"]


def test_a_speaker_that_others_hear_announces_though_its_lease_has_ended() -> None:
    seen = beating(served(), a=900, b=1000, c=1000)
    assert seen.broken == ()
    (problem,) = seen.problems
    assert problem == (
        "node-a: its speaker has not renewed its Lease since 900 s UTC, though it is heard by node-b, node-c: it does "
        "not reach the API server, or its clock is wrong"
    )


def test_where_no_lease_was_read_nothing_is_said_of_them() -> None:
    assert see(served()).healthy
