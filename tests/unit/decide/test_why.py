"""What ``metalev why`` says beside the one cause: who answers, what else is to be minded, and in which words."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.questions import (
    NOT_READY,
    SHARING,
    VIP,
    WEB,
    announced,
    answer,
    ask,
    backed,
    broken,
    labelled,
    pod,
    settled,
    speaker,
    with_pods,
)
from tests.unit.decide.worlds import name, pool, service, world

from metalev.decide.findings import Answer, Chain
from metalev.decide.why import Inquiry
from metalev.model.actions import Patience, SpeakerState
from metalev.model.cluster import SpeakerPod
from metalev.model.services import Endpoint, EndpointSlice, FamilyPolicy, Port, TrafficPolicy
from metalev.model.snapshot import Snapshot

FULL = (pool("main", "10.0.0.0/32"),)
TAKEN = service("first", VIP)


def test_all_is_well_names_who_answers() -> None:
    chain = ask(announced(settled(world(WEB))))
    assert chain.verdict == f"all is well: node-a answers for {VIP}"
    assert {one.answer for one in chain.findings} == {Answer.YES}
    assert [one.asked for one in chain.findings] == [
        *("type", "class", "address", "advertised", "endpoints", "nodes", "speakers", "announced", "conditions")
    ]
    assert answer(chain, "address").text == f"{VIP} from pool main (1 of 4 IPv4 addresses in use)"


def test_a_dead_announcer_is_not_believed_once_another_has_taken_over() -> None:
    alive = (speaker("node-b", VIP, hears=["node-c"], term=2), speaker("node-c", hears=["node-b"]))
    chain = ask(announced(settled(world(WEB)), speaker("node-a", VIP), *alive))
    assert chain.verdict == f"all is well: node-b answers for {VIP}, with 2 remarks"
    assert answer(chain, "announced").details == ("node-a said so before (term 1), and is heard no more",)
    assert answer(chain, "speakers").text == (
        "node-a: its state is old, for it is heard no more by node-b, node-c: dead, or its beacons are lost"
    )


def test_who_is_given_up_late_is_said_beside_the_speakers_and_is_no_remark() -> None:
    waiting = replace(speaker("node-a", VIP), patience=(Patience("node-c", 0.5, "late-beacons"),))
    chain = ask(announced(settled(world(WEB)), waiting, speaker("node-b"), speaker("node-c")))
    assert chain.verdict == f"all is well: node-a answers for {VIP}"
    assert answer(chain, "speakers").details == (
        "node-c is given up only after up to 0.5 s of silence: its beacons come late or get lost on the way to node-a",
    )


def test_endpoints_on_a_node_that_may_be_dead_are_counted() -> None:
    alive = (speaker("node-b", VIP, hears=["node-c"], term=2), speaker("node-c", hears=["node-b"]))
    snapshot = backed(settled(world(WEB)), Endpoint(("10.1.0.1",), "node-a"), Endpoint(("10.1.1.1",), "node-b"))
    chain = ask(announced(snapshot, speaker("node-a"), *alive))
    said = "2 ready: 1 on node-a, 1 on node-b; but 1 of them on nodes that may be dead"
    assert answer(chain, "endpoints").text == said


def dual(*sixth: Endpoint, states: tuple[SpeakerState, ...] = ()) -> Chain:
    """Asked about a Service of both families with two pods, which are in IPv6 what ``sixth`` says."""
    four = (Endpoint(("10.1.0.1",), "node-a"), Endpoint(("10.1.1.1",), "node-b"))
    parts = (
        EndpointSlice(name("web-4"), WEB.name, family=4, endpoints=four),
        EndpointSlice(name("web-6"), WEB.name, family=6, endpoints=sixth),
    )
    subject = replace(WEB, families=(4, 6), family_policy=FamilyPolicy.REQUIRE)
    snapshot = world(subject, pools=(pool("main", "10.0.0.0/30", "fd00::/126"),))
    return ask(announced(settled(replace(snapshot, endpoints={WEB.name: {one.name: one for one in parts}})), *states))


def test_a_pod_of_both_families_is_counted_once() -> None:
    chain = dual(Endpoint(("fd01::1",), "node-a"), Endpoint(("fd01::2",), "node-b", ready=False))
    assert answer(chain, "endpoints").text == "2 ready: 1 on node-a, 1 on node-b"


def test_an_address_of_a_family_that_no_pod_has_leads_nowhere() -> None:
    for chain in (dual(), dual(Endpoint(("fd01::1",), "node-a", ready=False))):
        found = answer(chain, "endpoints")
        assert found.answer is Answer.MIND
        assert found.text == ("2 ready: 1 on node-a, 1 on node-b; but none of them by IPv6, so fd00:: leads nowhere")


def test_a_node_without_a_link_is_not_taken_for_dead() -> None:
    others = (speaker("node-b", VIP, hears=["node-c"]), speaker("node-c", hears=["node-b"]))
    chain = ask(announced(settled(world(WEB)), speaker("node-a", interfaces=()), *others))
    assert chain.announcers == ("node-b",)
    assert answer(chain, "speakers").text == "node-a: none of its interfaces can carry addresses"


def test_the_state_of_a_node_that_is_gone_counts_for_nothing() -> None:
    gone = speaker("node-z", VIP, term=9)
    chain = ask(announced(settled(world(WEB)), speaker("node-a", VIP), speaker("node-b"), speaker("node-c"), gone))
    assert chain.announcers == ("node-a",)
    assert broken(ask(announced(settled(world(WEB)), speaker("node-a"), gone))).asked == "announced"


def test_nodes_that_may_not_announce_are_named_with_the_reason() -> None:
    nodes = answer(ask(announced(settled(labelled(world(WEB), "node-c")))), "nodes")
    assert "node-c" not in nodes.text
    assert nodes.details[0].startswith("not node-c: nodeLabeledExcludeBalancers (remove the label")


def excluded_everywhere() -> Snapshot:
    ready = Endpoint(("10.1.0.1",), "node-a")
    return settled(labelled(backed(world(WEB), ready), "node-a", "node-b", "node-c"))


def test_the_last_announcer_that_goes_on_is_named_though_no_node_may() -> None:
    chain = ask(announced(excluded_everywhere()))
    assert chain.announcers == ("node-a",)
    nodes = answer(chain, "nodes")
    assert nodes.answer is Answer.MIND
    assert nodes.text == "node-a goes on as the last announcer, though no node may announce it"
    assert "nodeLabeledExcludeBalancers" in "".join(nodes.details)
    assert chain.verdict.startswith(f"all is well: node-a answers for {VIP}, with ")


def test_without_a_last_announcer_nobody_may_and_nobody_does() -> None:
    states = (speaker("node-a"), speaker("node-b"), speaker("node-c"))
    assert broken(ask(announced(excluded_everywhere(), *states))).asked == "nodes"


def test_who_announces_what_has_no_endpoints_is_about_to_stop() -> None:
    chain = ask(announced(settled(labelled(backed(world(WEB), NOT_READY), "node-a", "node-b", "node-c"))))
    assert chain.broken is not None
    assert "last announcer" not in "".join(one.text for one in chain.findings)


def test_a_wish_that_is_not_met_beside_an_address_is_a_remark() -> None:
    chain = ask(announced(settled(world(service("web", VIP, wish="10.9.9.9")))))
    assert chain.healthy
    assert answer(chain, "address").answer is Answer.MIND
    assert "not allowed in config" in answer(chain, "address").details[0]


def test_a_dual_stack_service_is_answered_for_in_both_families() -> None:
    states = (speaker("node-a", VIP, "fd00::"), speaker("node-b"), speaker("node-c"))
    chain = dual(Endpoint(("fd01::1",), "node-a"), states=states)
    assert chain.verdict == f"all is well: node-a answers for {VIP} and fd00::"
    half = dual(Endpoint(("fd01::1",), "node-a"), states=(speaker("node-a", VIP), *states[1:]))
    assert broken(half).text.startswith("nobody answers for fd00::")


def test_services_that_share_an_address_are_told_so() -> None:
    one = replace(service("web", VIP), annotations=SHARING, ports=(Port("TCP", 80),))
    other = replace(service("dns", VIP), annotations=SHARING, ports=(Port("UDP", 53),))
    chain = ask(announced(settled(world(one, other))))
    assert answer(chain, "nodes").details == ("for shop/dns, shop/web together: they share an address",)


def test_a_partner_without_endpoints_takes_nothing_from_the_others_and_is_told_what_it_lacks() -> None:
    one = replace(service("web", VIP), annotations=SHARING, ports=(Port("TCP", 80),))
    other = replace(service("dns", VIP), annotations=SHARING, ports=(Port("UDP", 53),))
    snapshot = announced(settled(backed(world(one, other), NOT_READY, of="dns")))
    assert ask(snapshot).verdict == f"all is well: node-a answers for {VIP}"
    assert broken(ask(snapshot, "dns")).text == "no endpoint of shop/dns is ready: 1 are not"


def test_partners_with_no_node_in_common_are_named_as_the_reason() -> None:
    one = replace(service("web", VIP), annotations=SHARING, ports=(Port("TCP", 80),))
    other = replace(service("dns", VIP), annotations=SHARING, ports=(Port("UDP", 53),))
    one, other = (replace(each, traffic_policy=TrafficPolicy.LOCAL) for each in (one, other))
    snapshot = backed(world(one, other), Endpoint(("10.1.0.1",), "node-a"))
    chain = ask(announced(settled(backed(snapshot, Endpoint(("10.1.0.2",), "node-b"), of="dns"))))
    assert "these Services share addresses" in broken(chain).text
    assert "shop/dns: noLocalEndpoints" in broken(chain).text


def test_mistakes_in_the_input_stand_beside_what_they_may_explain() -> None:
    snapshot = replace(world(), problems={"web.yaml:3": "spec.ports is no list"})
    assert answer(ask(snapshot), "input").details == ("web.yaml:3: spec.ports is no list",)
    well = ask(replace(announced(settled(world(WEB))), problems={"x.yaml": "no"}))
    assert [one.asked for one in well.findings if one.asked == "input"] == []


def test_what_the_controller_said_long_ago_is_told_apart_from_what_is_so() -> None:
    ended = backed(announced(settled(world(WEB))), NOT_READY)
    assert answer(ask(ended), "conditions").text == "the controller has said nothing of that yet"
    back = backed(settled(ended), Endpoint(("10.1.0.1",), "node-a"))
    assert "not what is so now" in answer(ask(back), "conditions").text
    assert answer(ask(settled(ended)), "conditions").text == "the controller says the same"


def test_a_class_is_asked_for_as_the_controller_is_told() -> None:
    ours = replace(WEB, load_balancer_class="example.com/lb")
    snapshot = announced(settled(world(ours), lb_class="example.com/lb"))
    assert Inquiry(snapshot, "example.com/lb").chain(WEB.name).healthy
    assert Inquiry(announced(settled(world(WEB))), "example.com/lb").chain(WEB.name).broken is not None


def test_asking_about_a_service_changes_nothing_for_the_next() -> None:
    snapshot = settled(world(WEB, service("a"), service("b")))
    inquiry = Inquiry(replace(snapshot, services={**snapshot.services, name("late"): service("late")}))
    before = inquiry.chain(name("late"))
    assert [inquiry.chain(one) for one in sorted(inquiry.snapshot.services)][2] == before
    assert ip_address(VIP) in inquiry.chain(name("a")).addresses


def test_what_metallb_still_announces_is_well() -> None:
    chain = ask(settled(with_pods(world(WEB), pod("node-b", foreign=True))))
    assert chain.verdict == f"all is well: a speaker of MetalLB answers for {VIP}, with one remark"
    assert answer(chain, "nodes").text == "a speaker of MetalLB still announces it"


def test_the_state_of_a_speaker_whose_pod_does_not_run_is_not_believed() -> None:
    alone = announced(settled(world(WEB, nodes=("node-a",))), speaker("node-a", VIP))
    assert ask(with_pods(alone, pod("node-a"))).healthy
    finding = broken(ask(with_pods(alone, pod("node-a", running=False))))
    assert finding.text.startswith(f"nobody answers for {VIP}")
    assert finding.details == ("node-a: its state is old, for its pod metallb-system/speaker-node-a does not run",)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "no speaker has written a state"),
        ([pod("node-c")], "no state yet from its pod metallb-system/speaker-node-c"),
        ([pod("node-c", running=False)], "its pod metallb-system/speaker-node-c does not run"),
    ],
)
def test_a_missing_state_is_explained_by_the_nodes_pod(found: list[SpeakerPod], said: str) -> None:
    states = speaker("node-a", VIP, hears=["node-b"]), speaker("node-b", hears=["node-a"])
    chain = ask(with_pods(announced(settled(world(WEB)), *states), *found))
    assert answer(chain, "speakers").text == f"node-c: {said}"


def test_a_service_that_is_being_deleted_is_said_to_wait_for_its_finalizers() -> None:
    chain = ask(announced(settled(world(replace(WEB, awaited=("example.com/cleanup", "example.com/log"))))))
    finding = answer(chain, "exists")
    assert (chain.healthy, finding.answer, chain.brief) == (True, Answer.MIND, finding.text.removeprefix("shop/web "))
    assert finding.text == (
        "shop/web is being deleted, and waits for the finalizers example.com/cleanup, example.com/log; until then it "
        f"keeps {VIP}"
    )
    assert "kubectl edit service web -n shop" in finding.advice


def test_a_service_that_is_being_deleted_and_is_not_ours_is_said_to_be_so_too() -> None:
    chain = ask(world(replace(service("web", kind="ClusterIP"), awaited=("example.com/cleanup",))))
    assert [one.asked for one in chain.findings] == ["exists", "type"]


def coming_up(*states: SpeakerState) -> Snapshot:
    """MetalLB's speaker of node-b is started and not yet ready, and so nobody takes an address."""
    return announced(with_pods(settled(world(WEB)), pod("node-b", foreign=True, ready=False)), *states)


def test_whoever_gives_way_to_metallb_is_named_with_what_is_awaited() -> None:
    chain = ask(coming_up(speaker("node-a", VIP), speaker("node-c")))
    assert chain.verdict == f"all is well: node-a answers for {VIP}, with one remark"
    finding = answer(chain, "nodes")
    assert finding.answer is Answer.MIND
    assert finding.text.startswith("a speaker of MetalLB comes up (metallb-system/speaker-node-b on node-b): whichever")
    assert "goes on until that one is heard to answer or its pod is Ready" in finding.text
    assert "until that pod is Ready or gone" in finding.advice


def test_that_nobody_announces_while_metallb_comes_up_is_explained() -> None:
    chain = ask(coming_up(speaker("node-a"), speaker("node-c")))
    assert broken(chain).asked == "announced"
    assert chain.verdict.endswith("may: nobody takes it while a speaker of MetalLB comes up")
