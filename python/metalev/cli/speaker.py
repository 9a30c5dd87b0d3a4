"""``metalev speaker``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from metalev.cli.options import add_program_options, at_least_one, manifests_of, seconds
from metalev.model.errors import StartError

if TYPE_CHECKING:
    from metalev.cli.options import Subparsers


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "speaker",
        help="announce the addresses that this node may announce",
        description="Answers ARP for the addresses that this node holds, and agrees with its peers on who holds which.",
    )
    add_program_options(parser)
    add = parser.add_argument
    add(
        "--node-name", metavar="N", default=os.environ.get("METALLB_NODE_NAME", ""), help="(default: METALLB_NODE_NAME)"
    )
    add("--key-file", metavar="F", type=Path, help="a key for the beacons, the same on every node")
    add("--beacon-interval", metavar="SECONDS", type=seconds, default="0.05", help="0.05 or 50ms (%(default)s)")
    add(
        "--beacon-misses", metavar="N", type=at_least_one, default=3, help="missed beacons that mean dead (%(default)s)"
    )
    add(
        "--interface",
        metavar="NAME",
        action="append",
        default=[],
        help="announce here only; repeatable (default: all but those of containers and overlays)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    manifests = manifests_of(options)
    if not options.node_name:
        raise StartError("--node-name N is needed, or METALLB_NODE_NAME: the name of the Node that this host is")
    from metalev.speaker.main import SpeakerOptions, run  # noqa: PLC0415  (usage errors need not wait for it)

    run(
        SpeakerOptions(
            manifests=manifests,
            node_name=options.node_name,
            state=options.state,
            namespace=options.namespace,
            metrics=options.metrics_address,
            log_level=options.log_level,
            log_format=options.log_format,
            lb_class=options.lb_class,
            key_file=options.key_file,
            beacon_interval=options.beacon_interval,
            beacon_misses=options.beacon_misses,
            interfaces=tuple(options.interface),
        )
    )
