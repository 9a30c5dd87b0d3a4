"""``metalev controller``: the parts and their order."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from metalev import __version__
from metalev.adapters import logs
from metalev.adapters.clock import SystemClock
from metalev.adapters.files import STATE_FOLDER, FilesCluster, FilesLease
from metalev.adapters.http import Listen, PageServer, program_pages
from metalev.adapters.metrics import Metrics
from metalev.adapters.native import keep_capabilities
from metalev.controller.reconcile import ControllerReconciler
from metalev.decide.controller import REST_SECONDS
from metalev.model.meta import Name
from metalev.runtime.effects import Effects
from metalev.runtime.loop import Loop
from metalev.runtime.outcome import Outcome, Retry, Stop
from metalev.runtime.signals import stop_on_signals

log = logging.getLogger("metalev.controller")


class ControllerOptions(Struct, frozen=True):
    """The command line. ``state`` unset means ``.metalev`` in ``manifests``; ``metrics`` unset means no server.

    ``address_rest`` is in seconds.
    """

    manifests: Path
    state: Path | None = None
    namespace: str = "metallb-system"
    metrics: Listen | None = None
    log_level: str = "info"
    log_format: str = "text"
    lb_class: str | None = None
    ignore_exclude_lb: bool = False
    address_rest: float = REST_SECONDS


def run(options: ControllerOptions) -> None:
    """Run until SIGTERM or SIGINT. Raises ``StartError`` when it cannot start."""
    logs.configure(options.log_level, options.log_format)
    keep_capabilities(())  # before any thread starts: threads take what their parent has
    with ExitStack() as stack:
        _serve(options, stack)


def _serve(options: ControllerOptions, stack: ExitStack) -> None:
    clock = SystemClock()
    lease = FilesLease(options.state or options.manifests / STATE_FOLDER, clock)
    lease.acquire()
    stack.callback(lease.release)
    cluster = FilesCluster(
        options.manifests, clock, state=options.state, namespace=options.namespace, writer="controller"
    )
    stack.callback(cluster.stop)
    reconciler = ControllerReconciler(
        Effects(cluster, lease=lease),
        clock,
        options.lb_class,
        options.address_rest,
        ignore_exclude_lb=options.ignore_exclude_lb,
    )

    def observe(seconds: float, outcome: Outcome) -> None:
        metrics.reconciled(seconds, failed=isinstance(outcome, Retry | Stop))

    loop: Loop[Name] = Loop(reconciler, clock, observe=observe)
    metrics = Metrics(lambda: reconciler.figures(loop.snapshot))
    stack.enter_context(stop_on_signals(loop.stop))
    if options.metrics is not None:
        pages = program_pages(
            metrics.render, loop.alive, lambda: "" if loop.snapshot.synced else "not all listed yet", cluster.alive
        )
        server = stack.enter_context(PageServer(options.metrics, pages))
        log.info("metrics and probes on port %d", server.port)
    cluster.start(loop.inbox.put)
    log.info("metalev %s: the controller reads %s", __version__, options.manifests)
    loop.run()
    log.info("the controller stops")
