"""Each cause of no traffic is found, named in the words of the field, and comes with what to do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.decide.questions import (
    NOT_READY,
    SHARING,
    VIP,
    WEB,
    advertised,
    announced,
    ask,
    backed,
    broken,
    labelled,
    settled,
    speaker,
    world_of,
)
from tests.unit.decide.worlds import NODES, pool, service, world

from metalev.decide.controller import ControllerDecider
from metalev.model.actions import RecordEvent, WriteServiceStatus
from metalev.model.meta import LabelSelector
from metalev.model.pools import ServiceAllocation
from metalev.model.services import FamilyPolicy, Port, TrafficPolicy
from metalev.model.snapshot import Snapshot

FULL = (pool("main", "10.0.0.0/32"),)
TAKEN = service("first", VIP)

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
