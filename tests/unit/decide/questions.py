"""Worlds to ask ``metalev why`` about, and how to ask."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace
from tests.unit.decide.worlds import NODES, name, node, pool, service, world

from metalev.decide.controller import ControllerDecider
from metalev.decide.findings import Chain, Finding
from metalev.decide.why import Inquiry
from metalev.model.actions import Holding, SpeakerState, WriteServiceStatus
from metalev.model.cluster import EXCLUDE_LABEL, SpeakerPod
from metalev.model.meta import Name
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import Endpoint, EndpointSlice, Service
from metalev.model.snapshot import Snapshot

VIP = "10.0.0.0"
WEB = service("web")
SYSTEM = "metallb-system"
NOT_READY = Endpoint(("10.1.0.1",), "node-b", ready=False)
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


def pod(of: str, *, running: bool = True, foreign: bool = False, ready: bool = True) -> SpeakerPod:
    return SpeakerPod(Name(SYSTEM, f"speaker-{of}"), node=of, running=running, foreign=foreign, ready=ready)


def with_pods(snapshot: Snapshot, *pods: SpeakerPod) -> Snapshot:
    return replace(snapshot, speaker_pods={one.name: one for one in pods})
