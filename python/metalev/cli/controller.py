"""``metalev controller``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from metalev.cli.options import add_program_options, manifests_of

if TYPE_CHECKING:
    from metalev.cli.options import Subparsers


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "controller",
        help="give Services addresses out of pools",
        description="Gives Services of type LoadBalancer addresses out of IPAddressPools. One per cluster is active.",
    )
    add_program_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    manifests = manifests_of(options)
    from metalev.controller.main import ControllerOptions, run  # noqa: PLC0415  (usage errors need not wait for it)

    run(
        ControllerOptions(
            manifests=manifests,
            state=options.state,
            namespace=options.namespace,
            metrics=options.metrics_address,
            log_level=options.log_level,
            log_format=options.log_format,
            lb_class=options.lb_class,
        )
    )
