"""Where a speaker sits: what it reads its cluster through, and what it says of itself there."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack

from msgspec import Struct

from metalev.adapters.files import FilesCluster
from metalev.adapters.kubernetes import Api, KubernetesCluster, KubernetesLease
from metalev.adapters.places import Directory, Source
from metalev.model.actions import Event
from metalev.model.cluster import speaker_lease
from metalev.model.meta import Kind, Name
from metalev.ports.clock import Clock
from metalev.ports.cluster import ChangeSink, Cluster
from metalev.runtime.recorder import EventRecorder
from metalev.runtime.workers import Workers

# What other speakers say of themselves concerns the controller alone.
KINDS = tuple(kind for kind in Kind if kind not in {Kind.SPEAKER_STATE, Kind.NAMESPACE})
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
GOODBYE_SECONDS = 2.0


class Seat(Struct, frozen=True):
    """Without ``workers`` and ``record``, writes are done at once. See the controller's for the rest."""

    cluster: Cluster
    start: Callable[[ChangeSink], None]
    alive: Callable[[float], bool]
    place: str
    workers: Workers | None = None
    record: Callable[[Event], None] | None = None
    missing: Callable[[], str] = lambda: ""


def on_files(directory: Directory, namespace: str, node: str, clock: Clock, stack: ExitStack) -> Seat:
    """A directory."""
    cluster = FilesCluster(directory.manifests, clock, state=directory.state, namespace=namespace, writer=node)
    stack.callback(cluster.stop)
    return Seat(cluster, cluster.start, cluster.alive, str(directory.manifests))


def on_kubernetes(source: Source, namespace: str, node: str, clock: Clock, stack: ExitStack) -> Seat:
    """An API server, where a Lease says that this speaker lives and is metalev's."""
    api = Api(source)
    pod = os.environ.get("METALLB_POD_NAME", "")
    cluster = KubernetesCluster(api, clock, namespace=namespace, writer=node, kinds=KINDS, pod=pod)
    name = Name(namespace, speaker_lease(node))
    lease = KubernetesLease(api, name, node, duration=LEASE_SECONDS, renew=RENEW_SECONDS, owner=cluster.own_node)
    # One after the other: of two writes of the own state, the later one must be the last.
    workers = Workers(1)
    record = EventRecorder(cluster, workers.idle, count=1)
    stack.callback(cluster.stop)
    stack.callback(lease.release)
    stack.callback(record.stop, GOODBYE_SECONDS)
    stack.callback(workers.stop, api.timeout)

    def start(sink: ChangeSink) -> None:
        cluster.start(sink)
        lease.acquire()

    return Seat(cluster, start, cluster.alive, api.host, workers, record, cluster.missing)
