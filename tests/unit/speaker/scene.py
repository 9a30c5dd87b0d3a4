"""A speaker over a cluster and an engine in memory, in virtual time."""

from ipaddress import ip_address

from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.driver import Driver
from tests.fakes.ownership import FakeOwnership

from metalev.model.address import AddressRange
from metalev.model.cluster import BEACON_SECRET, BeaconKey, BeaconSecret, Node
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact, FactKind
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import Endpoint, EndpointSlice, Service, ServiceStatus
from metalev.model.snapshot import Noticed, Object
from metalev.runtime.effects import Effects
from metalev.speaker.reconcile import STATE_PAUSE, SpeakerReconciler

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
