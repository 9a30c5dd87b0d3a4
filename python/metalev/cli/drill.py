"""``metalev drill``."""

from __future__ import annotations

import argparse
import signal
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from metalev.cli.options import at_least_one
from metalev.cli.reading import add_reader_options, cluster_of, drills_of
from metalev.model.drills import LONGEST
from metalev.model.errors import StartError

if TYPE_CHECKING:
    from metalev.cli.drilling import Course, Operation
    from metalev.cli.options import Subparsers
    from metalev.model.address import IPAddress

CRASH_SECONDS = 5


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "drill",
        help="move an address away and back, or let its announcer fall silent, and see what happens",
        description="Moves an address to another node and back, as an upgrade would; with --crash its announcer falls "
        "silent without a goodbye for some seconds, as if it had died, which concerns ALL of its addresses. A drill "
        f"ends after {LONGEST} s, whatever becomes of this command. Exit status 0: it went as it should; 1: it did "
        "not; 2: it could not begin.",
    )
    add = parser.add_argument
    add("address", metavar="VIP", type=address, help="an address that metalev announces")
    add("--crash", action="store_true", help="silence its announcer instead of moving the address")
    add(
        "--seconds",
        metavar="N",
        type=seconds,
        default=CRASH_SECONDS,
        help=f"how long the announcer is silent, 1 to {LONGEST} (%(default)s)",
    )
    add("--stay", action="store_true", help="do not move it back")
    add("--yes", action="store_true", help="do not ask before a crash")
    add("--probe", metavar="PORT", type=port, help="run metalev probe VIP:PORT from here along with it")
    add_reader_options(parser)
    parser.set_defaults(run=_run)


def address(text: str) -> IPAddress:
    """An address without a port."""
    try:
        return ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: write 192.168.1.200 or fd00::200") from None


def seconds(text: str) -> int:
    """How long a drill may last."""
    number = at_least_one(text)
    if number > LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {LONGEST} seconds")
    return number


def port(text: str) -> int:
    """A TCP port."""
    number = at_least_one(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return number


def _run(options: argparse.Namespace) -> int:
    from metalev.cli.drilling import Operation, course_text, dumped  # noqa: PLC0415  (as in the others)
    from metalev.cli.following import Follower  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends this command, the drill is withdrawn
    text = options.output == "text"
    with Follower(cluster_of(options, watch=True)[0], options.address) as follower:
        operation = Operation(
            follower,
            drills_of(options),
            namespace=options.system_namespace,
            lb_class=options.lb_class,
            ignore_exclude_lb=options.ignore_exclude_lb,
            tell=(lambda line: print(line, flush=True)) if text else (lambda _: None),
        )
        if options.crash and not options.yes:
            _confirm(operation, options.seconds)
        course: Course = operation.run(
            crash=options.crash, seconds=options.seconds, stay=options.stay, probe=options.probe
        )
    print(course_text(course) if text else dumped(course), flush=True)
    return 1 if course.failure else 0


def _confirm(operation: Operation, seconds: int) -> None:
    """Ask whether all that the announcer has may be disturbed. Raises ``StartError`` unless the answer is yes."""
    all_of_it = operation.addresses_of_holder()
    shown = ", ".join(all_of_it[:10]) + (f" and {len(all_of_it) - 10} more" if len(all_of_it) > 10 else "")
    warning = (
        f"{operation.holder} will be silent for {seconds} s, as if it had died. All that it announces moves to other "
        f"nodes, and connections to it break: {shown}"
    )
    if not sys.stdin.isatty():
        raise StartError(f"{warning}. Say --yes if that is meant")
    print(warning)
    if input("Go on? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise StartError("nothing was done")
