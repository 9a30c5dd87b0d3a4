"""A controller that reconciles over a cluster in memory, in virtual time."""

from collections.abc import Iterable
from ipaddress import ip_address

from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.driver import Driver

from metalev.controller.reconcile import OVERVIEW, ControllerReconciler
from metalev.model.address import AddressRange
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import Object, Snapshot
from metalev.runtime.effects import Effects
from metalev.runtime.outcome import Later, Outcome

MAIN = Name("metallb-system", "main")


def name(text: str) -> Name:
    return Name("shop", text)


def pool(*ranges: str, of: Name = MAIN) -> Pool:
    return Pool(of, ranges=tuple(AddressRange.parse(one) for one in ranges))


def service(text: str, *held: str, kind: str = "LoadBalancer", wish: str = "") -> Service:
    status = ServiceStatus(tuple(ip_address(one) for one in held))
    return Service(name(text), type=kind, load_balancer_ip=wish, status=status)


class CountedReconciler(ControllerReconciler):
    """Remembers what it was asked to reconcile."""

    def __init__(self, effects: Effects, clock: VirtualClock) -> None:
        super().__init__(effects, clock)
        self.seen: list[Name] = []

    def reconcile(self, name: Name, snapshot: Snapshot) -> Outcome | Later:
        self.seen.append(name)
        return super().reconcile(name, snapshot)

    def services_seen(self) -> list[str]:
        """The Services looked at since the last call, without the overview."""
        seen, self.seen = self.seen, []
        return [one.name for one in seen if one != OVERVIEW]


class Controller(Driver[Name]):
    """A controller that has settled on ``cluster``."""

    def __init__(self, cluster: FakeCluster) -> None:
        clock = VirtualClock()
        self.cluster = cluster
        self.reconciler = CountedReconciler(Effects(cluster), clock)
        super().__init__(self.reconciler, clock)
        self.start(cluster)
        self.reconciler.services_seen()

    def put(self, *objects: Object) -> None:
        for obj in objects:
            self.cluster.put(obj)
        self.settle()

    def addresses(self) -> dict[str, str]:
        return addresses(self.cluster)

    def reasons(self, text: str) -> list[tuple[str, str]]:
        """Reason and message of the events on a Service."""
        key = ObjectKey(Kind.SERVICE, name(text))
        return [(event.reason, event.message) for event in self.cluster.events if event.regarding == key]


def addresses(cluster: FakeCluster) -> dict[str, str]:
    return {one.name: ",".join(map(str, status.addresses)) for one, status in cluster.statuses.items()}


def names(texts: str) -> Iterable[Service]:
    return map(service, texts)
