"""What the commands that only look have in common: where the cluster is, and one look at all of it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from metalev.adapters.places import Source
from metalev.cli.options import add_cluster_options, where
from metalev.model.errors import Unavailable
from metalev.model.meta import Kind
from metalev.model.snapshot import Change, Synced

if TYPE_CHECKING:
    from metalev.decide.why import Inquiry
    from metalev.model.cluster import Heartbeat
    from metalev.model.snapshot import Snapshot
    from metalev.ports.cluster import Cluster

# Seconds until a cluster that does not answer is given up.
PATIENCE = 30.0
# Nothing can be there, and nothing can be made there.
_NOWHERE = Path(os.devnull) / "metalev"

FAILURE = 2
"""The exit status when the cluster cannot be read: 1 says that something is wrong with it."""


def add_reader_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that only looks."""
    add = parser.add_argument
    add_cluster_options(parser, namespace="--system-namespace")
    add("--lb-class", metavar="CLASS", help="the loadBalancerClass that the controller serves (default: none)")
    add("--ignore-exclude-lb", action="store_true", help="as the controller and the speakers are told")
    add("-o", "--output", choices=("text", "json"), default="text", help="(%(default)s)")
    parser.set_defaults(failure=FAILURE)


def look(options: argparse.Namespace) -> Inquiry:
    """Read the cluster once. Raises ``StartError`` or ``Unavailable`` if it cannot be read."""
    cluster, heartbeats = _cluster(options)
    from metalev.decide.why import Inquiry  # noqa: PLC0415  (usage errors need not wait for it)

    alive: dict[str, Heartbeat] = {}
    snapshot = read(cluster, also=lambda: alive.update(heartbeats()))
    return Inquiry(snapshot, options.lb_class, ignore_exclude_lb=options.ignore_exclude_lb, heartbeats=alive)


def read(cluster: Cluster, patience: float = PATIENCE, also: Callable[[], None] = lambda: None) -> Snapshot:
    """All that ``cluster`` has once it is complete. Raises ``Unavailable`` if that takes longer than ``patience``.

    ``also`` is called after that, while the cluster can still be asked.
    """
    from metalev.runtime.store import Store  # noqa: PLC0415  (as above)

    arrived: SimpleQueue[Change] = SimpleQueue()
    changes: list[Change] = []
    end = monotonic() + patience
    try:
        cluster.start(arrived.put)
        while not (changes and isinstance(changes[-1], Synced)):
            changes.append(arrived.get(timeout=max(0.0, end - monotonic())))
        also()
    except Empty:
        raise Unavailable(f"the cluster could not be read within {patience:g} s: does it answer?") from None
    finally:
        cluster.stop()
    store = Store()
    store.apply(changes)
    return store.snapshot


def width() -> int | None:
    """The columns of the terminal; ``None`` where lines may be as long as they are, for grep and its kin."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return max(shutil.get_terminal_size().columns, 60)
    return None


def _cluster(options: argparse.Namespace) -> tuple[Cluster, Callable[[], Mapping[str, Heartbeat]]]:
    """The cluster that the options name, and how to ask for its Leases: the one place that knows which kinds there are.

    In a directory there are no Leases.
    """
    place = where(options)
    namespace: str = options.system_namespace
    from metalev.adapters.clock import SystemClock  # noqa: PLC0415  (as above)

    if isinstance(place, Source):
        from metalev.adapters.kubernetes import Api, KubernetesCluster  # noqa: PLC0415
        from metalev.adapters.kubernetes.heartbeats import heartbeats  # noqa: PLC0415

        kinds = [kind for kind in Kind if kind is not Kind.SECRET]
        api = Api(place if place.kubeconfig else Source(_usual_kubeconfig(), place.context), timeout=PATIENCE)
        cluster = KubernetesCluster(
            api, SystemClock(), namespace=namespace, kinds=kinds, all_services=True, watch=False
        )
        return cluster, lambda: heartbeats(api, namespace)
    from metalev.adapters.files import FilesCluster  # noqa: PLC0415

    state = place.state_folder
    files = FilesCluster(
        place.manifests,
        SystemClock(),
        # Who only looks must not make the folder: it would be root's, and the controller may be somebody else.
        state=state if state.exists() else _NOWHERE,
        namespace=namespace,
        watch=False,
    )
    return files, dict


def _usual_kubeconfig() -> str:
    """Where kubectl looks, too; nothing in a pod that has none."""
    usual = Path.home() / ".kube" / "config"
    return os.environ.get("KUBECONFIG") or (str(usual) if usual.is_file() else "")
