"""Where a controller sits: what reads and writes its cluster, and its right to do so."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from msgspec import Struct

from metalev.adapters.kubernetes import Api, KubernetesCluster, KubernetesLease
from metalev.adapters.kubernetes.cluster import CONTROLLER as WRITER
from metalev.adapters.kubernetes.webhooks import remove_metallbs_webhooks
from metalev.adapters.places import Directory, Source
from metalev.controller.office import Office
from metalev.model.cluster import BeaconKey
from metalev.model.meta import Kind, Name
from metalev.model.snapshot import Standby
from metalev.ports.clock import Clock
from metalev.ports.cluster import ChangeSink
from metalev.runtime.effects import Effects
from metalev.runtime.recorder import EventRecorder
from metalev.runtime.workers import Workers

LEASE = "metalev-controller"
WRITERS = 8
"""Writes at a time: an API server answers more of them a second than of one after the other."""
GOODBYE_SECONDS = 2.0
WRITE_SECONDS = 3.0
"""How long a write may take. A new leader waits as long, once the lease of a killed one has ended."""
FIRST_TRY_SECONDS = 1.0
KEY_BYTES = 32
KINDS = tuple(kind for kind in Kind if kind is not Kind.DRILL)
"""Drills are the speakers' business."""


class Seat(Struct, frozen=True):
    """``start`` begins to deliver changes; ``missing`` says why not everything has been read yet, or nothing.

    ``alive`` tells whether no thread that reads has ended, or hung for so many seconds. ``new_key`` makes a key for the
    beacons, where the controller is who does.
    """

    effects: Effects
    workers: Workers | None
    start: Callable[[ChangeSink], None]
    missing: Callable[[], str]
    alive: Callable[[float], bool]
    place: str
    new_key: Callable[[], BeaconKey] | None = None


def on_files(directory: Directory, namespace: str, clock: Clock, stack: ExitStack) -> Seat:
    """A directory, which has one controller. Raises ``StartError`` if it has one already."""
    from metalev.adapters.files import (  # noqa: PLC0415  (a controller on an API server starts sooner without it)
        CONTROLLER,
        FilesCluster,
        FilesLease,
    )

    lease = FilesLease(directory.state_folder, clock)
    lease.acquire()
    stack.callback(lease.release)
    cluster = FilesCluster(directory.manifests, clock, state=directory.state, namespace=namespace, writer=CONTROLLER)
    stack.callback(cluster.stop)
    # It is all read before it starts to watch.
    return Seat(Effects(cluster, lease=lease), None, cluster.start, lambda: "", cluster.alive, str(directory.manifests))


def on_kubernetes(source: Source, namespace: str, clock: Clock, stack: ExitStack, tell: ChangeSink) -> Seat:
    """An API server: one of several controllers is at work, the others stand by."""
    api = Api(source, write_timeout=WRITE_SECONDS)
    cluster = KubernetesCluster(api, clock, namespace=namespace, writer=WRITER, kinds=KINDS, pod=pod_name())

    def list_again() -> None:
        cluster.list_since(office.since)

    steps = (partial(remove_metallbs_webhooks, api, namespace), list_again, cluster.look_back)
    office = Office(steps, api.write_timeout, tell)
    workers = Workers(WRITERS)

    def changed(held: bool, clean: bool) -> None:
        if not held:
            cluster.stand_by()
        office.changed(held, clean)

    lease = KubernetesLease(
        api,
        Name(namespace, LEASE),
        identity(),
        changed=changed,
        settled=lambda: workers.ended and api.settled,
    )
    record = EventRecorder(cluster, workers.idle)
    # From the last to the first: what is being written ends, events are told, then the lease is given back.
    stack.callback(cluster.stop)
    stack.callback(lease.release)
    stack.callback(record.stop, GOODBYE_SECONDS)
    stack.callback(workers.stop, api.timeout)
    stack.callback(office.stop)

    def start(sink: ChangeSink) -> None:
        sink(Standby(True))
        cluster.open(sink)
        # Who leads already when it lists need not list again; who does not get an answer soon begins all the same.
        lease.acquire()
        lease.tried.wait(FIRST_TRY_SECONDS)
        cluster.start(sink)

    return Seat(
        Effects(cluster, lease=lease, record=record), workers, start, cluster.missing, cluster.alive, api.host, new_key
    )


def new_key() -> BeaconKey:
    """A key for the beacons that nobody has seen."""
    return BeaconKey(1, secrets.token_bytes(KEY_BYTES))


def identity() -> str:
    """A name for no other process: the pod's, and a random part, for a pod may start its program twice."""
    return f"{pod_name()}_{secrets.token_hex(4)}"


def pod_name() -> str:
    """The pod that this program runs in; in one of its own network, the host's name is the same."""
    return os.environ.get("METALLB_POD_NAME") or socket.gethostname()
