"""``metalev speaker``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from metalev.cli.options import (
    add_program_options,
    at_least_one,
    beacon_interval,
    node_name,
    seconds_or_none,
    where,
)
from metalev.model.errors import StartError
from metalev.model.ownership import Probe

if TYPE_CHECKING:
    from metalev.cli.options import Subparsers


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "speaker",
        help="announce the addresses that this node may announce",
        description="Answers ARP and neighbor discovery for the addresses that this node holds, and agrees with its "
        "peers on who holds which.",
    )
    add_program_options(parser)
    add = parser.add_argument
    add(
        "--node-name",
        metavar="N",
        type=node_name,
        default=os.environ.get("METALLB_NODE_NAME", ""),
        help="(default: METALLB_NODE_NAME)",
    )
    add("--key-file", metavar="F", type=Path, help="a key for the beacons, the same on every node")
    add("--beacon-interval", metavar="SECONDS", type=beacon_interval, default="0.05", help="0.05 or 50ms (%(default)s)")
    add(
        "--beacon-misses", metavar="N", type=at_least_one, default=3, help="missed beacons that mean dead (%(default)s)"
    )
    add(
        "--interface",
        metavar="NAME",
        action="append",
        default=[],
        help="announce here only; repeatable (default: all but the excluded)",
    )
    exclude = parser.add_mutually_exclusive_group()
    exclude.add_argument(
        "--exclude-interface",
        metavar="REGEX",
        action="append",
        help="not here; repeatable, '' alone: exclude none (default: those of containers and overlays)",
    )
    exclude.add_argument(
        "--exclude-file",
        metavar="F",
        type=Path,
        help="not where MetalLB's file (its ConfigMap metallb-excludel2) says; "
        "(default: /etc/metallb/excludel2.yaml, if it is there)",
    )
    add(
        "--gratuitous-interval",
        "--gratuitous-arp-interval",
        metavar="SECONDS",
        type=seconds_or_none,
        default="60",
        help="between two announcements of what is held; 0: at a takeover only (%(default)s)",
    )
    add(
        "--preempt",
        choices=("sticky", "balanced", "immediate"),
        default="sticky",
        help="when an address goes back to a better node: if its score is higher; if it comes first; the same and at "
        "once (%(default)s)",
    )
    add(
        "--hold-down",
        metavar="SECONDS",
        type=seconds_or_none,
        default="30",
        help="how long a better node has to be up before (%(default)s)",
    )
    add(
        "--probe",
        choices=[str(one) for one in Probe],
        default=str(Probe.AHEAD),
        help="look for others who have an address (RFC 5227): ahead, before it is given away; full, also before it is "
        "announced for the first time, which takes up to seven seconds; off (%(default)s)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    cluster = where(options)
    if not options.node_name:
        raise StartError("--node-name N is needed, or METALLB_NODE_NAME: the name of the Node that this host is")
    # Usage errors need not wait for these.
    from metalev.model.ownership import Preempt  # noqa: PLC0415
    from metalev.runtime.collector import tune_collector  # noqa: PLC0415
    from metalev.speaker.main import SpeakerOptions, run  # noqa: PLC0415

    tune_collector()
    run(
        SpeakerOptions(
            cluster=cluster,
            node_name=options.node_name,
            namespace=options.namespace,
            metrics=options.metrics_address,
            log_level=options.log_level,
            log_format=options.log_format,
            lb_class=options.lb_class,
            ignore_exclude_lb=options.ignore_exclude_lb,
            key_file=options.key_file,
            beacon_interval=options.beacon_interval,
            beacon_misses=options.beacon_misses,
            gratuitous_interval=options.gratuitous_interval,
            preempt=Preempt(options.preempt),
            hold_down=options.hold_down,
            probe=Probe(options.probe),
            interfaces=tuple(options.interface),
            exclude=_patterns(options.exclude_interface),
            exclude_file=options.exclude_file,
        )
    )


def _patterns(given: list[str] | None) -> tuple[str, ...] | None:
    """The patterns given instead of the default ones; an empty one, which would match every name, is none."""
    return None if given is None else tuple(pattern for pattern in given if pattern)
