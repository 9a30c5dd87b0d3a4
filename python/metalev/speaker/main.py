"""``metalev speaker``: the parts and their order."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from metalev import __version__
from metalev.adapters import logs
from metalev.adapters.clock import SystemClock
from metalev.adapters.conntrack import open_connections
from metalev.adapters.files import CONTROLLER
from metalev.adapters.http import Listen, PageServer, program_pages
from metalev.adapters.metrics import Metrics
from metalev.adapters.native import (
    BEACON_INTERVAL,
    BEACON_MISSES,
    DEFAULT_EXCLUDE,
    GRATUITOUS_INTERVAL,
    HOLD_DOWN,
    NativeOwnership,
    check_patterns,
    keep_capabilities,
)
from metalev.adapters.places import Directory, Source
from metalev.model.cluster import BEACON_SECRET
from metalev.model.errors import StartError
from metalev.model.ownership import Preempt, Probe
from metalev.runtime.effects import Effects
from metalev.runtime.loop import Loop
from metalev.runtime.outcome import Outcome, Retry, Stop
from metalev.runtime.signals import stop_on_signals
from metalev.speaker.departures import Departures
from metalev.speaker.excludefile import read_exclude_file
from metalev.speaker.keyfile import KeyFile, Keys, read_key_file
from metalev.speaker.pump import FactPump
from metalev.speaker.reconcile import SpeakerReconciler
from metalev.speaker.seat import on_files, on_kubernetes

log = logging.getLogger("metalev.speaker")


class SpeakerOptions(Struct, frozen=True):
    """The command line. ``metrics`` unset means no server.

    ``beacon_interval``, ``gratuitous_interval`` (0: at a takeover only) and ``hold_down`` are in seconds.
    ``interfaces`` empty means all whose name no regular expression of ``exclude`` matches; that unset means those in
    ``exclude_file`` (unset: MetalLB's), and without such a file those of containers and overlays.
    """

    cluster: Directory | Source
    node_name: str
    namespace: str = "metallb-system"
    metrics: Listen | None = None
    log_level: str = "info"
    log_format: str = "text"
    lb_class: str | None = None
    ignore_exclude_lb: bool = False
    key_file: Path | None = None
    beacon_interval: float = BEACON_INTERVAL
    beacon_misses: int = BEACON_MISSES
    gratuitous_interval: float = GRATUITOUS_INTERVAL
    preempt: Preempt = Preempt.STICKY
    hold_down: float = HOLD_DOWN
    probe: Probe = Probe.AHEAD
    interfaces: tuple[str, ...] = ()
    exclude: tuple[str, ...] | None = None
    exclude_file: Path | None = None


def run(options: SpeakerOptions) -> None:
    """Run until SIGTERM or SIGINT. Raises ``StartError`` when it cannot start."""
    logs.configure(options.log_level, options.log_format)
    if options.node_name == CONTROLLER:
        raise StartError(f'a node cannot be named "{CONTROLLER}": that folder of the state is the controller\'s')
    keys = read_key_file(options.key_file) if options.key_file else ()
    if options.exclude is None:
        options = replace(options, exclude=read_exclude_file(options.exclude_file, check_patterns))
    keep_capabilities(["CAP_NET_RAW"])  # before any thread starts: threads take what their parent has
    with ExitStack() as stack:
        _serve(options, keys, stack)


def _serve(options: SpeakerOptions, keys: Keys, stack: ExitStack) -> None:
    clock = SystemClock()
    ownership = NativeOwnership(
        options.node_name,
        beacon_interval=options.beacon_interval,
        beacon_misses=options.beacon_misses,
        gratuitous_interval=options.gratuitous_interval,
        hold_down=options.hold_down,
        interfaces=options.interfaces,
        exclude=DEFAULT_EXCLUDE if options.exclude is None else options.exclude,
    )
    stack.callback(ownership.stop)
    match options.cluster:
        case Directory() as directory:
            seat = on_files(directory, options.namespace, options.node_name, clock, stack)
        case Source() as source:
            seat = on_kubernetes(source, options.namespace, options.node_name, clock, stack)
    reconciler = SpeakerReconciler(
        Effects(seat.cluster, ownership, record=seat.record),
        clock,
        options.node_name,
        key_secret=f"{options.namespace}/{BEACON_SECRET}",
        fallback_keys=keys,
        lb_class=options.lb_class,
        ignore_exclude_lb=options.ignore_exclude_lb,
        preempt=options.preempt,
        probe=options.probe,
    )

    def observe(seconds: float, outcome: Outcome) -> None:
        metrics.reconciled(seconds, failed=isinstance(outcome, Retry | Stop))

    def not_ready() -> str:
        return seat.missing() or reconciler.not_ready()

    loop: Loop[str] = Loop(reconciler, clock, workers=seat.workers, observe=observe)
    metrics = Metrics(lambda: reconciler.figures(loop.snapshot, ownership.counters()))
    stack.enter_context(stop_on_signals(loop.stop))
    if options.metrics is not None:
        pages = program_pages(metrics.render, loop.alive, not_ready, seat.alive)
        server = stack.enter_context(PageServer(options.metrics, pages))
        log.info("metrics and probes on port %d", server.port)
    if options.key_file:
        key_file = KeyFile(options.key_file, keys, loop.inbox.put)
        key_file.start()
        stack.callback(key_file.stop)
    departures = Departures(open_connections, metrics.left)
    pump = FactPump(ownership, loop.inbox.put, took=metrics.moved, failed=loop.fail, after=departures.note)
    pump.start()
    # Entered last, so that what is held is handed over first: until it is, this node alone answers.
    stack.callback(pump.stop)
    seat.start(loop.inbox.put)
    log.info("metalev %s: the speaker of %s reads %s", __version__, options.node_name, seat.place)
    loop.run()
    pump.stop()
    log.info("the speaker stops")
    # What was given up shall not be read as held.
    reconciler.hurry()
    loop.step(clock.now())
