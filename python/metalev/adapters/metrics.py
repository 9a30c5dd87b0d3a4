"""Prometheus metrics: MetalLB's names and labels where MetalLB has them, ours beside them.

Gauges are read from the program at the moment of a scrape (``Figures``); only what exists nowhere else is counted here.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector

from metalev.model.pools import PoolStatus
from metalev.ports.ownership import AddressCounters, Counters, Failovers, PathCounters

# The client library appends "_total" to the name of every counter. MetalLB's dashboards ask for these without it.
_BARE_COUNTERS: Mapping[str, tuple[str, Callable[[AddressCounters], int]]] = {
    "metallb_layer2_requests_received": (
        "ARP and NDP requests received for an announced address",
        lambda row: row.requests_received,
    ),
    "metallb_layer2_responses_sent": ("ARP and NDP responses sent", lambda row: row.responses_sent),
    "metallb_layer2_gratuitous_sent": (
        "Gratuitous ARP and unsolicited NA frames sent",
        lambda row: row.gratuitous_sent,
    ),
}


WITNESS_RESULTS = ("answered", "no-answer", "wrong-answer", "two-answers")


class Announced(Struct, frozen=True, order=True):
    """One address that this node announces for one Service (``namespace/name``)."""

    service: str
    ip: str
    node: str


class Figures(Struct, frozen=True):
    """What a program shows at one moment; a part that is ``None`` is not this program's.

    ``moved``: each address that is held, and when it came to this node (Unix time). ``conflicts``: each address that
    somebody else has, and their MAC address.
    """

    config_loaded: bool
    config_stale: bool
    pools: Mapping[str, PoolStatus] | None = None
    allocated: Tally[str] = Tally()
    pending: int | None = None
    leads: bool | None = None
    announced: tuple[Announced, ...] | None = None
    moved: tuple[tuple[str, float], ...] = ()
    conflicts: tuple[tuple[str, str], ...] = ()
    engine: Counters | None = None


class Metrics:
    """The registry of one program."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        """``figures`` is called from the server's threads, once per scrape."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_FiguresCollector(figures))
        self._updates = Counter("metallb_k8s_client_updates", "Updates processed", registry=registry)
        self._errors = Counter("metallb_k8s_client_update_errors", "Updates that failed", registry=registry)
        self._seconds = Histogram(
            "metalev_reconcile_duration_seconds",
            "Seconds that one reconcile took",
            buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0),
            registry=registry,
        )
        self._allocations = Histogram(
            "metalev_allocation_duration_seconds",
            "Seconds from when a Service was first seen without an address to the write of its address",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0, 3600.0),
            registry=registry,
        )
        self._moves = Counter("metalev_moves", "Groups of addresses taken over", ["reason"], registry=registry)
        text = "TCP connections that were open through this node when it let go of their address"
        self._left = Counter("metalev_connections_left", text, ["reason"], registry=registry)

    def reconciled(self, seconds: float, *, failed: bool) -> None:
        """One reconcile took ``seconds``."""
        self._seconds.observe(seconds)
        self._updates.inc()
        if failed:
            self._errors.inc()

    def allocated(self, seconds: float) -> None:
        """A Service got an address ``seconds`` after it was first seen without one."""
        self._allocations.observe(seconds)

    def moved(self, reason: str) -> None:
        """A group was taken over by this node, because of ``reason``."""
        self._moves.labels(reason=reason).inc()

    def left(self, reason: str, connections: int) -> None:
        """A group was let go of because of ``reason``, with so many connections open through this node."""
        self._left.labels(reason=reason).inc(connections)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format, version 0.0.4."""
        text = generate_latest(self._registry)
        for name in _BARE_COUNTERS:
            text = text.replace(f"# TYPE {name} untyped\n".encode(), f"# TYPE {name} counter\n".encode())
        return text


class _FiguresCollector(Collector):
    """Turns one ``Figures`` into metrics, all of one moment."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the registry would collect once at the start, before there is anything to see."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything that the program shows."""
        figures = self._figures()
        yield from _config(figures)
        if figures.pools is not None:
            yield from _pools(figures.pools, figures.allocated)
        if figures.pending is not None:
            yield GaugeMetricFamily("metalev_services_pending", "Services without an address", value=figures.pending)
        if figures.leads is not None:
            text = "1 while this controller decides, 0 while it stands by"
            yield GaugeMetricFamily("metalev_leader", text, value=float(figures.leads))
        if figures.announced is not None:
            yield _announced(figures.announced)
            yield _moved(figures.moved)
            yield _conflicts(figures.conflicts)
        if figures.engine is not None:
            yield from _engine(figures.engine)


def _config(figures: Figures) -> Iterator[Metric]:
    loaded, stale = float(figures.config_loaded), float(figures.config_stale)
    yield GaugeMetricFamily("metallb_k8s_client_config_loaded_bool", "1 once the configuration was read", value=loaded)
    yield GaugeMetricFamily(
        "metallb_k8s_client_config_stale_bool", "1 while a part of the configuration cannot be used", value=stale
    )


def _pools(pools: Mapping[str, PoolStatus], allocated: Tally[str]) -> Iterator[Metric]:
    columns: Mapping[str, tuple[str, Callable[[PoolStatus], int]]] = {
        "addresses": ("", lambda row: row.assigned_ipv4 + row.assigned_ipv6),
        "ipv4_addresses": ("IPv4 ", lambda row: row.assigned_ipv4),
        "ipv6_addresses": ("IPv6 ", lambda row: row.assigned_ipv6),
    }
    free: Mapping[str, Callable[[PoolStatus], int]] = {
        "addresses": lambda row: row.available_ipv4 + row.available_ipv6,
        "ipv4_addresses": lambda row: row.available_ipv4,
        "ipv6_addresses": lambda row: row.available_ipv6,
    }
    for stem, (family, used) in columns.items():
        total = GaugeMetricFamily(f"metallb_allocator_{stem}_total", f"Usable {family}addresses", labels=["pool"])
        in_use = GaugeMetricFamily(f"metallb_allocator_{stem}_in_use_total", f"Held {family}addresses", labels=["pool"])
        for name, row in pools.items():
            # An IPv6 /64 has more addresses than Prometheus' readers can count: MetalLB stops at MaxInt64.
            total.add_metric([name], min(used(row) + free[stem](row), 2**63 - 1))
            in_use.add_metric([name], used(row))
        yield total
        yield in_use
    services = GaugeMetricFamily(
        "metallb_allocator_services_allocated_total", "Services that hold an address", labels=["pool"]
    )
    for name in pools:
        services.add_metric([name], allocated[name])
    yield services


def _announced(rows: Iterable[Announced]) -> Metric:
    family = GaugeMetricFamily(
        "metallb_speaker_announced",
        "Addresses that this node announces",
        labels=["service", "protocol", "node", "ip"],
    )
    for row in rows:
        family.add_metric([row.service, "layer2", row.node, row.ip], 1)
    return family


def _moved(rows: Iterable[tuple[str, float]]) -> Metric:
    text = "When the address came to this node, which announces it (Unix time)"
    family = GaugeMetricFamily("metalev_last_move_timestamp_seconds", text, labels=["ip"])
    for ip, at in rows:
        family.add_metric([ip], at)
    return family


def _conflicts(rows: Iterable[tuple[str, str]]) -> Metric:
    text = "Addresses that are in use by somebody else, as this node sees it"
    family = GaugeMetricFamily("metalev_address_conflicts", text, labels=["ip", "mac"])
    for ip, mac in rows:
        family.add_metric([ip, mac], 1)
    return family


def _failovers(failovers: Failovers) -> Metric:
    text = "Seconds from the last beacon of an announcer that died to the first gratuitous frame of this node"
    family = HistogramMetricFamily("metalev_failover_duration_seconds", text)
    buckets = [*((f"{bound:g}", float(count)) for bound, count in failovers.within), ("+Inf", float(failovers.count))]
    family.add_metric([], buckets, failovers.sum)
    return family


def _engine(counters: Counters) -> Iterator[Metric]:
    for metric, (text, value) in _BARE_COUNTERS.items():
        family = UnknownMetricFamily(metric, text, labels=["ip"])
        for row in counters.addresses:
            family.add_metric([str(row.address)], value(row))
        yield family
    yield _failovers(counters.failovers)
    claims = CounterMetricFamily(
        "metalev_layer2_foreign_claims", "Frames of others that claimed an address which this node held", labels=["ip"]
    )
    for row in counters.addresses:
        claims.add_metric([str(row.address)], row.foreign_claims)
    yield claims
    dropped = CounterMetricFamily("metalev_layer2_dropped", "Frames that got no answer", labels=["reason"])
    for reason, number in counters.dropped.items():
        dropped.add_metric([reason], number)
    yield dropped
    witnessed = CounterMetricFamily(
        "metalev_witness_results", "What came of asking for announced addresses as a client would", labels=["result"]
    )
    for result in WITNESS_RESULTS:
        witnessed.add_metric([result], counters.witnessed.get(result, 0))
    yield witnessed
    for name, text, number in (
        ("metalev_beacons_sent", "Beacons sent", counters.beacons_sent),
        ("metalev_beacons_received", "Beacons accepted", counters.beacons_received),
        ("metalev_probes_sent", "Probes sent for addresses that nobody of ours has", counters.probes_sent),
        ("metalev_unsent", "Frames and datagrams that the kernel did not take", counters.unsent),
        ("metalev_facts_lost", "Facts of the engine that were not fetched in time", counters.facts_lost),
    ):
        yield CounterMetricFamily(name, text, value=number)
    text = "Seconds for which a round of beacons renews the right to answer"
    yield GaugeMetricFamily("metalev_promise_seconds", text, value=counters.promise)
    yield from _paths(counters.paths)


def _paths(paths: Iterable[PathCounters]) -> Iterator[Metric]:
    labels = ["peer", "path"]
    alive = GaugeMetricFamily("metalev_peer_alive", "1 while the peer is heard there", labels=labels)
    heard = CounterMetricFamily("metalev_peer_beacons_received", "Beacons of a peer accepted", labels=labels)
    text = "Beacons of a peer that did not come when they were due"
    missed = CounterMetricFamily("metalev_peer_beacons_missed", text, labels=labels)
    text = "Seconds by which a peer's beacons have been late lately"
    jitter = GaugeMetricFamily("metalev_peer_beacon_jitter_seconds", text, labels=labels)
    text = "Seconds of silence after which a peer is given up"
    patience = GaugeMetricFamily("metalev_peer_patience_seconds", text, labels=labels)
    for row in paths:
        where = [row.peer, row.path]
        alive.add_metric(where, float(row.alive))
        heard.add_metric(where, row.received)
        missed.add_metric(where, row.missed)
        jitter.add_metric(where, row.jitter)
        patience.add_metric(where, row.patience)
    yield from (alive, heard, missed, jitter, patience)
