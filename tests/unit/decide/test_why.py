"""Each cause of no traffic is found, named in the words of the field, and comes with what to do."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.worlds import NODES, name, node, pool, service, world

from metalev.decide.controller import ControllerDecider
from metalev.decide.findings import Answer, Chain, Finding
from metalev.decide.why import Inquiry
from metalev.model.actions import Holding, RecordEvent, SpeakerState, WriteServiceStatus
from metalev.model.cluster import EXCLUDE_LABEL, SpeakerPod
from metalev.model.meta import LabelSelector, Name
from metalev.model.pools import L2Advertisement, Pool, ServiceAllocation
from metalev.model.services import Endpoint, EndpointSlice, FamilyPolicy, Port, Service, TrafficPolicy
from metalev.model.snapshot import Snapshot

VIP = "10.0.0.0"
WEB = service("web")
SYSTEM = "metallb-system"
SHARING = {"metallb.io/allow-shared-ip": "key"}


def settled(snapshot: Snapshot, **options: str | None) -> Snapshot:
    """``snapshot`` after a controller has said all that it has to say."""
    decider = ControllerDecider(options.get("lb_class"))
    for _ in range(3):
        decider.desired(snapshot)
        for key in sorted(snapshot.services):
            for action in decider.service(snapshot, key):
                if isinstance(action, WriteServiceStatus):
                    written = {key: replace(snapshot.services[key], status=action.status)}
                    snapshot = replace(snapshot, services={**snapshot.services, **written})
    return snapshot


def speaker(
    text: str,
    *held: str,
    hears: Iterable[str] = NODES,
    term: int = 1,
    problems: Iterable[str] = (),
    interfaces: tuple[str, ...] = ("eth0",),
) -> SpeakerState:
    """The state of a node's speaker that announces ``held`` and hears the others."""
    holdings = tuple(Holding(one, (one,), ("shop/web",), term, "first-candidate") for one in held)
    heard = tuple(set(hears) - {text})
    return SpeakerState(
        Name("", text), holdings=holdings, peers_heard=heard, interfaces=interfaces, problems=tuple(problems)
    )


def announced(snapshot: Snapshot, *states: SpeakerState) -> Snapshot:
    """With the speakers' states; by default node-a announces the first address and all hear each other."""
    found = states or (speaker("node-a", VIP), speaker("node-b"), speaker("node-c"))
    return replace(snapshot, speakers={one.name: one for one in found})


def ask(snapshot: Snapshot, text: str = "web") -> Chain:
    return Inquiry(snapshot).chain(name(text))


def broken(chain: Chain) -> Finding:
    assert chain.broken is not None, chain.verdict
    return chain.broken


def answer(chain: Chain, asked: str) -> Finding:
    (found,) = (one for one in chain.findings if one.asked == asked)
    return found


def backed(snapshot: Snapshot, *endpoints: Endpoint, of: str = "web") -> Snapshot:
    part = EndpointSlice(name(f"{of}-1"), name(of), endpoints=endpoints)
    return replace(snapshot, endpoints={**snapshot.endpoints, name(of): {part.name: part}})


def advertised(snapshot: Snapshot, **fields: object) -> Snapshot:
    one = L2Advertisement(Name(SYSTEM, "home"), **fields)  # type: ignore[arg-type]
    return replace(snapshot, l2_advertisements={one.name: one})


def labelled(snapshot: Snapshot, *nodes: str) -> Snapshot:
    excluded = {Name("", one): replace(node(one), labels={EXCLUDE_LABEL: ""}) for one in nodes}
    return replace(snapshot, nodes={**snapshot.nodes, **excluded})


def world_of(subject: Service, *pools: Pool) -> Snapshot:
    return world(subject, pools=pools or (pool("main", "10.0.0.0/30"),))


FULL = (pool("main", "10.0.0.0/32"),)
TAKEN = service("first", VIP)
NOT_READY = Endpoint(("10.1.0.1",), "node-b", ready=False)

# The Service and its world; the link that does not hold, what is said of it, and what to do.
CAUSES = {
    "no such Service": (world(), "exists", "there is no Service shop/web", "namespace"),
    "a name that is nearly right": (world(service("webb")), "exists", "no Service shop/web", "mean shop/webb?"),
    "another type": (world(service("web", kind="NodePort")), "type", "of type NodePort", "set spec.type: LoadBalancer"),
    "another class": (
        world(replace(WEB, load_balancer_class="example.com/lb")),
        "class",
        "has the loadBalancerClass example.com/lb, and metalev serves those without one",
        "--lb-class example.com/lb",
    ),
    "headless": (settled(world(replace(WEB, families=()))), "address", "has no ClusterIP", "clusterIP: None"),
    "one family where two are required": (
        settled(world(replace(WEB, family_policy=FamilyPolicy.REQUIRE))),
        "address",
        "not enough clusterips",
        "PreferDualStack",
    ),
    "no pool": (settled(world(WEB, pools=())), "address", "no IPAddressPool is defined", "create an IPAddressPool"),
    "an exhausted pool": (
        settled(world(TAKEN, WEB, pools=FULL)),
        "address",
        'no available IPs (pool "main" has none left of its 1 IPv4 addresses',
        "make a pool larger, or free an address",
    ),
    "a pool that has to be asked for": (
        settled(world_of(WEB, replace(pool("spare", "10.0.0.0/30"), auto_assign=False))),
        "address",
        '"spare" has autoAssign: false',
        "metallb.io/address-pool",
    ),
    "pools for others": (
        settled(world_of(WEB, replace(FULL[0], allocation=ServiceAllocation(namespaces=("bank",))))),
        "address",
        'the serviceAllocation of "main" is for others',
        "serviceAllocation",
    ),
    "an unknown pool": (
        settled(world(replace(WEB, annotations={"metallb.io/address-pool": "nowhere"}))),
        "address",
        'unknown pool "nowhere"',
        "correct the annotation",
    ),
    "an address outside the pools": (
        settled(world(service("web", wish="10.9.9.9"))),
        "address",
        '["10.9.9.9"] is not allowed in config',
        "ask for an address of a pool",
    ),
    "an address that another has": (
        settled(world(TAKEN, service("web", wish=VIP))),
        "address",
        "address also in use by shop/first",
        "ask for another address",
    ),
    "a port that another has on a shared address": (
        settled(
            world(
                replace(TAKEN, annotations=SHARING, ports=(Port("TCP", 80),)),
                replace(service("web", wish=VIP), annotations=SHARING, ports=(Port("TCP", 80),)),
            )
        ),
        "address",
        f'port TCP/80 is already in use on "{VIP}"',
        "use another port",
    ),
    "an address of a node": (
        settled(replace(world(service("web", wish="192.0.2.1"), pools=(pool("main", "192.0.2.0/30"),)))),
        "address",
        'it is an address of node "node-a"',
        "ask for an address that no node",
    ),
    "a wish that is no address": (
        settled(world(service("web", wish="please"))),
        "address",
        'invalid spec.loadBalancerIP "please"',
        "correct what the Service asks for",
    ),
    "no controller ever": (world(WEB), "address", "no controller has written here", "start `metalev controller`"),
    "a controller that stopped": (
        replace(settled(world(service("old"))), services={**settled(world(service("old"))).services, WEB.name: WEB}),
        "address",
        "the controller has given it none, though pool main has",
        "does `metalev controller` run?",
    ),
    "a pool that was taken away": (
        settled(replace(world(service("web", VIP), service("b")), pools={})),
        "address",
        "no IPAddressPool is defined",
        "create an IPAddressPool",
    ),
    "no advertisement at all": (
        settled(world(WEB, advertised=False)),
        "advertised",
        f"nobody advertises {VIP}: there is no L2Advertisement",
        "ipAddressPools: [main]",
    ),
    "an advertisement for another pool": (
        settled(advertised(world(WEB), pools=("other",))),
        "advertised",
        "no L2Advertisement is for this pool and Service",
        "widen one of these",
    ),
    "an advertisement for other Services": (
        settled(advertised(world(WEB), service_selectors=(LabelSelector({"tier": "front"}),))),
        "advertised",
        "no L2Advertisement is for this pool and Service",
        "widen one of these",
    ),
    "sharing and an advertisement that selects Services": (
        settled(
            advertised(
                world(replace(WEB, annotations=SHARING, labels={"tier": "front"})),
                service_selectors=(LabelSelector({"tier": "front"}),),
            )
        ),
        "advertised",
        "an L2Advertisement with serviceSelectors announces no such address",
        "remove its serviceSelectors",
    ),
    "no endpoints": (
        settled(replace(world(replace(WEB, selector={"app": "web"})), endpoints={})),
        "endpoints",
        "has no endpoints",
        "app=web in shop",
    ),
    "no endpoint that is ready": (
        settled(backed(world(WEB), NOT_READY)),
        "endpoints",
        "no endpoint of shop/web is ready: 1 are not",
        "readiness",
    ),
    "no node": (settled(world(WEB, nodes=())), "nodes", "no node is known", ""),
    "every node excluded (kubeadm)": (
        settled(labelled(world(WEB), *NODES)),
        "nodes",
        "nodeLabeledExcludeBalancers: node-a, node-b, node-c (remove the label",
        "",
    ),
    "an advertisement for other nodes": (
        settled(advertised(world(WEB), node_selectors=(LabelSelector({"rack": "9"}),))),
        "nodes",
        "noMatchingAdvertisement: node-a, node-b, node-c",
        "",
    ),
    "policy Local, and pods where nobody may announce": (
        settled(labelled(world(replace(WEB, traffic_policy=TrafficPolicy.LOCAL)), "node-a")),
        "nodes",
        "noLocalEndpoints: node-b, node-c",
        "",
    ),
    "no speaker anywhere": (
        settled(world(WEB)),
        "speakers",
        "no speaker has written a state",
        "start `metalev speaker` on every node",
    ),
    "the speakers of the candidates do not run": (
        announced(settled(labelled(world(WEB), "node-a", "node-b")), speaker("node-a"), speaker("node-b")),
        "announced",
        f"nobody answers for {VIP}, though node-c may",
        "start these speakers",
    ),
    "an announcer that died with nobody to follow": (
        announced(
            settled(labelled(world(WEB), "node-b", "node-c")),
            speaker("node-a", VIP),
            speaker("node-b", hears=["node-c"]),
            speaker("node-c", hears=["node-b"]),
        ),
        "announced",
        f"nobody answers for {VIP}, though node-a may",
        "start these speakers",
    ),
    "a link that is down": (
        announced(
            settled(world(WEB, nodes=("node-a",))),
            speaker("node-a", problems=[f"{VIP} cannot be announced from this node: no interface may carry it"]),
        ),
        "announced",
        "no interface may carry it",
        "look at the link, at --interface",
    ),
    "no key": (
        announced(
            settled(world(WEB, nodes=("node-a",))),
            speaker("node-a", problems=["no key to sign beacons with, so nothing is announced"]),
        ),
        "announced",
        "no key to sign beacons with",
        "metalev-beacon",
    ),
    "a partition": (
        announced(
            settled(world(WEB)),
            speaker("node-a", VIP, hears=["node-c"]),
            speaker("node-b", VIP, hears=[], term=2),
            speaker("node-c", hears=["node-a"]),
        ),
        "announced",
        f"2 nodes answer for {VIP}, for node-b and node-a do not hear each other",
        "a switch, a firewall",
    ),
    "two that hear each other": (
        announced(settled(world(WEB)), speaker("node-a", VIP), speaker("node-b", VIP, term=2), speaker("node-c")),
        "announced",
        f"both node-b and node-a say that they answer for {VIP}",
        "look again in a second",
    ),
}


@pytest.mark.parametrize(("snapshot", "asked", "text", "advice"), CAUSES.values(), ids=list(CAUSES))
def test_the_cause_of_no_traffic_is_found_and_said(snapshot: Snapshot, asked: str, text: str, advice: str) -> None:
    chain = ask(snapshot)
    finding = broken(chain)
    assert (finding.asked, chain.healthy) == (asked, False)
    assert text in finding.text
    assert advice in finding.advice
    assert chain.verdict == f"why: {finding.text}"


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


def test_endpoints_on_a_node_that_may_be_dead_are_counted() -> None:
    alive = (speaker("node-b", VIP, hears=["node-c"], term=2), speaker("node-c", hears=["node-b"]))
    snapshot = backed(settled(world(WEB)), Endpoint(("10.1.0.1",), "node-a"), Endpoint(("10.1.1.1",), "node-b"))
    chain = ask(announced(snapshot, speaker("node-a"), *alive))
    said = "2 ready: 1 on node-a, 1 on node-b; but 1 of them on nodes that may be dead"
    assert answer(chain, "endpoints").text == said


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


def test_a_wish_that_is_not_met_beside_an_address_is_a_remark() -> None:
    chain = ask(announced(settled(world(service("web", VIP, wish="10.9.9.9")))))
    assert chain.healthy
    assert answer(chain, "address").answer is Answer.MIND
    assert "not allowed in config" in answer(chain, "address").details[0]


def test_a_dual_stack_service_is_answered_for_in_both_families() -> None:
    pools = (pool("main", "10.0.0.0/30", "fd00::/126"),)
    snapshot = settled(world(replace(WEB, families=(4, 6)), pools=pools))
    chain = ask(announced(snapshot, speaker("node-a", VIP, "fd00::"), speaker("node-b"), speaker("node-c")))
    assert chain.verdict == f"all is well: node-a answers for {VIP} and fd00::"
    half = ask(announced(snapshot, speaker("node-a", VIP), speaker("node-b"), speaker("node-c")))
    assert broken(half).text.startswith("nobody answers for fd00::")


def test_services_that_share_an_address_are_told_so() -> None:
    one = replace(service("web", VIP), annotations=SHARING, ports=(Port("TCP", 80),))
    other = replace(service("dns", VIP), annotations=SHARING, ports=(Port("UDP", 53),))
    chain = ask(announced(settled(world(one, other))))
    assert answer(chain, "nodes").details == ("for shop/dns, shop/web together: they share an address",)


def test_a_partner_without_endpoints_is_named_as_the_reason() -> None:
    one = replace(service("web", VIP), annotations=SHARING, ports=(Port("TCP", 80),))
    other = replace(service("dns", VIP), annotations=SHARING, ports=(Port("UDP", 53),))
    chain = ask(announced(settled(backed(world(one, other), NOT_READY, of="dns"))))
    assert "these Services share addresses" in broken(chain).text
    assert "shop/dns: noEndpoints" in broken(chain).text


def test_mistakes_in_the_input_stand_beside_what_they_may_explain() -> None:
    snapshot = replace(world(), problems={"web.yaml:3": "spec.ports is no list"})
    assert answer(ask(snapshot), "input").details == ("web.yaml:3: spec.ports is no list",)
    well = ask(replace(announced(settled(world(WEB))), problems={"x.yaml": "no"}))
    assert [one.asked for one in well.findings if one.asked == "input"] == []


def test_what_the_controller_said_long_ago_is_told_apart_from_what_is_so() -> None:
    ended = backed(announced(settled(world(WEB))), NOT_READY)
    assert "not what is so now" in answer(ask(ended), "conditions").text
    assert answer(ask(settled(ended)), "conditions").text == "the controller says the same"


SAME_WORDS = (
    "an exhausted pool",
    "no advertisement at all",
    "every node excluded (kubeadm)",
    "no endpoint that is ready",
)


@pytest.mark.parametrize("cause", SAME_WORDS)
def test_the_condition_the_event_and_the_answer_have_the_same_words(cause: str) -> None:
    """And there is one event for each, which a restart of the controller does not repeat."""
    snapshot, *_ = CAUSES[cause]
    conditions = [one.message for one in snapshot.services[WEB.name].status.conditions]
    said = "\n".join([line for one in ask(snapshot).findings for line in (one.text, *one.details)])
    assert conditions[-1] in said
    fresh = replace(snapshot, services={**snapshot.services, WEB.name: replace(WEB, status=service("web").status)})
    assert conditions[-1] in told(fresh)
    assert told(snapshot) == []


def told(snapshot: Snapshot) -> list[str]:
    """The events on ``web`` of a controller that starts now."""
    decider, events = ControllerDecider(), []
    for _ in range(3):
        decider.desired(snapshot)
        for action in decider.service(snapshot, WEB.name):
            if isinstance(action, WriteServiceStatus):
                written = replace(action.service, status=action.status)
                snapshot = replace(snapshot, services={**snapshot.services, WEB.name: written})
            elif isinstance(action, RecordEvent):
                events.append(action.event.message)
    assert len(events) == len(set(events))
    return events


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


def pod(of: str, *, running: bool = True, foreign: bool = False) -> SpeakerPod:
    return SpeakerPod(Name(SYSTEM, f"speaker-{of}"), node=of, running=running, foreign=foreign)


def with_pods(snapshot: Snapshot, *pods: SpeakerPod) -> Snapshot:
    return replace(snapshot, speaker_pods={one.name: one for one in pods})


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
