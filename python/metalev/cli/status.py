"""``metalev status``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from metalev.cli.reading import add_reader_options, look, width

if TYPE_CHECKING:
    from metalev.cli.options import Subparsers


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "status",
        help="show addresses, who answers for them, pools, nodes and what is wrong",
        description="Shows the whole cluster on one screen, what is wrong first. Exit status 0: all is well; 1: "
        "something is wrong; 2: it cannot be read.",
    )
    parser.add_argument("-n", "--namespace", metavar="N", default="", help="only the Services in this one")
    parser.add_argument("--all", action="store_true", help="every Service, however many there are")
    add_reader_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    inquiry = look(options)
    from metalev.cli import rendering  # noqa: PLC0415  (usage errors need not wait for it)
    from metalev.decide.overview import overview  # noqa: PLC0415

    seen = overview(inquiry, options.namespace)
    if options.output == "json":
        print(rendering.overview_json(seen), flush=True)
    else:
        print(rendering.overview_text(seen, width(), everything=options.all), flush=True)
    return 0 if seen.healthy else 1
