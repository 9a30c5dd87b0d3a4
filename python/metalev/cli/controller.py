"""``metalev controller``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from metalev.cli.options import DEFAULT_ADDRESS_REST, add_program_options, seconds_or_none, where

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
    parser.add_argument(
        "--address-rest",
        metavar="SECONDS",
        type=seconds_or_none,
        default=DEFAULT_ADDRESS_REST,
        help="how long a released address rests before another Service gets it, while others are free "
        "(%(default)g); 0: not at all",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    cluster = where(options)
    # Usage errors need not wait for these.
    from metalev.controller.main import ControllerOptions, run  # noqa: PLC0415
    from metalev.runtime.collector import tune_collector  # noqa: PLC0415

    tune_collector()
    run(
        ControllerOptions(
            cluster=cluster,
            namespace=options.namespace,
            metrics=options.metrics_address,
            log_level=options.log_level,
            log_format=options.log_format,
            lb_class=options.lb_class,
            ignore_exclude_lb=options.ignore_exclude_lb,
            address_rest=options.address_rest,
        )
    )
