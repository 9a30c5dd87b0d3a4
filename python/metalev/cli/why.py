"""``metalev why``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from metalev.cli.reading import add_reader_options, look, width
from metalev.model.errors import StartError
from metalev.model.meta import Name

if TYPE_CHECKING:
    from metalev.cli.options import Subparsers


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "why",
        help="say why a Service has traffic, or none",
        description="Asks one question after the other in the order in which traffic needs the answers, and says which "
        "one is the reason. Exit status 0: all is well; 1: something is wrong; 2: it cannot be read.",
    )
    parser.add_argument("service", metavar="SERVICE", help="NAME or NAMESPACE/NAME")
    parser.add_argument("-n", "--namespace", metavar="N", default="", help="the Service's namespace (default)")
    add_reader_options(parser)
    parser.set_defaults(run=_run)


def service_name(text: str, namespace: str = "") -> Name:
    """The Service that is meant. Raises ``StartError`` for a name that cannot be one."""
    inside, slash, name = text.removeprefix("service/").removeprefix("svc/").rpartition("/")
    if not name or "/" in inside or (slash and not inside):
        raise StartError(f"{text!r} is no name of a Service: write NAME or NAMESPACE/NAME")
    if inside and namespace and inside != namespace:
        raise StartError(f"{text} is not in the namespace {namespace}: leave one of the two away")
    return Name(inside or namespace or "default", name)


def _run(options: argparse.Namespace) -> int:
    name = service_name(options.service, options.namespace)
    inquiry = look(options)
    from metalev.cli import rendering  # noqa: PLC0415  (usage errors need not wait for it)

    chain = inquiry.chain(name)
    text = rendering.chain_json(chain) if options.output == "json" else rendering.chain_text(chain, width())
    print(text, flush=True)
    return 0 if chain.healthy else 1
