"""``metalev controller``: the parts and their order."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from msgspec import Struct

from metalev import __version__
from metalev.adapters import logs
from metalev.adapters.clock import SystemClock
from metalev.adapters.http import Listen, PageServer, program_pages
from metalev.adapters.metrics import Metrics
from metalev.adapters.native import keep_capabilities
from metalev.adapters.places import Directory, Source
from metalev.controller.reconcile import ControllerReconciler
from metalev.controller.seat import on_files, on_kubernetes
from metalev.decide.controller import REST_SECONDS
from metalev.model.meta import Name
from metalev.runtime.loop import Inbox, Loop
from metalev.runtime.outcome import Outcome, Retry, Stop
from metalev.runtime.signals import stop_on_signals

log = logging.getLogger("metalev.controller")


class ControllerOptions(Struct, frozen=True):
    """The command line. ``metrics`` unset means no server, ``address_rest`` is in seconds."""

    cluster: Directory | Source
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
    inbox = Inbox()
    match options.cluster:
        case Directory() as directory:
            seat = on_files(directory, options.namespace, clock, stack)
        case Source() as source:
            seat = on_kubernetes(source, options.namespace, clock, stack, inbox.put)
    metrics = Metrics(lambda: reconciler.figures(loop.snapshot))
    reconciler = ControllerReconciler(
        seat.effects,
        clock,
        options.lb_class,
        options.address_rest,
        ignore_exclude_lb=options.ignore_exclude_lb,
        new_key=seat.new_key,
        allocated=metrics.allocated,
    )

    def observe(seconds: float, outcome: Outcome) -> None:
        metrics.reconciled(seconds, failed=isinstance(outcome, Retry | Stop))

    loop: Loop[Name] = Loop(reconciler, clock, inbox=inbox, workers=seat.workers, observe=observe)
    stack.enter_context(stop_on_signals(loop.stop))
    if options.metrics is not None:
        pages = program_pages(metrics.render, loop.alive, seat.missing, seat.alive)
        server = stack.enter_context(PageServer(options.metrics, pages))
        log.info("metrics and probes on port %d", server.port)
    seat.start(inbox.put)
    log.info("metalev %s: the controller reads %s", __version__, seat.place)
    loop.run()
    log.info("the controller stops")
    reconciler.finish(loop.snapshot)
