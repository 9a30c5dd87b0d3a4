"""``metalev probe``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from metalev.cli.options import at_least_one, seconds

if TYPE_CHECKING:
    from metalev.cli.options import Subparsers
    from metalev.model.address import IPAddress

EVERY = (0.002, 10.0)
HELD_MAX = 250
NOTABLE = 0.05  # s without an answered connect are told and listed as a gap
PAUSE = 0.5  # s without an answer by a MAC address end its row
_MAC = frozenset("0123456789abcdef:")


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "probe",
        help="measure what a client of an address feels: silence, lost connections, who answers",
        description="Opens a TCP connection every few milliseconds, holds some, and asks the segment who has the "
        "address, until --duration or Ctrl-C; then says how long the address was silent, how many connections were "
        "lost and who answered when. Run it where the clients are, on no node of the cluster. Exit status 0: it was "
        "answered; 1: never; 2: it could not probe.",
    )
    add = parser.add_argument
    add("target", metavar="VIP:PORT", type=target, help="192.168.1.200:80 or [fd00::200]:80")
    add("--duration", metavar="D", type=seconds, help="end after so long, 30s for instance (default: Ctrl-C)")
    add_probe_options(parser)
    add("-o", "--output", choices=("text", "json"), default="text", help="(%(default)s)")
    parser.set_defaults(run=_run, failure=2)


def add_probe_options(parser: argparse.ArgumentParser) -> None:
    """How to probe."""
    add = parser.add_argument
    add("--every", metavar="D", type=pace, default=0.01, help="between connects: 2ms to 10s (10ms)")
    add("--held", metavar="N", type=held, default=10, help="connections to hold: 0 to 250 (%(default)s)")
    add("--echo", action="store_true", help="send over held connections and await the same back: the port must echo")
    add("--ask-every", metavar="D", type=pace, default=0.02, help="between questions who has the address (20ms)")
    add("--no-ask", action="store_true", help="do not ask; the answers may teach this host a new way early")
    add("--interface", metavar="I", default="", help="ask on this one (default: that of the route to the address)")
    add(
        "--name",
        metavar="MAC=NAME",
        dest="names",
        type=mac_name,
        action="append",
        default=[],
        help="what to call a MAC address that answers; may be repeated",
    )


def target(text: str) -> tuple[IPAddress, int]:
    """``A:P`` or ``[v6]:P``."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        address = None
    if not address or not colon or not port.isdecimal() or not 0 < int(port) < 65536 or bracketed != (":" in host):
        raise argparse.ArgumentTypeError(f"{text!r} is no address and port: write 192.168.1.200:80 or [fd00::200]:80")
    return address, int(port)


def pace(text: str) -> float:
    """A duration that neither floods the network nor says nothing."""
    value = seconds(text)
    if not EVERY[0] <= value <= EVERY[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 2ms and 10s")
    return value


def held(text: str) -> int:
    """How many connections to hold."""
    number = 0 if text == "0" else at_least_one(text)
    if number > HELD_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {HELD_MAX} connections")
    return number


def mac_name(text: str) -> tuple[str, str]:
    """``02:00:c0:a8:01:0b=node2``."""
    mac, equals, name = text.partition("=")
    mac = mac.lower()
    if not equals or not name or len(mac) != 17 or not set(mac) <= _MAC:
        raise argparse.ArgumentTypeError(f"{text!r} is no MAC address with a name: write 02:00:c0:a8:01:0b=node2")
    return mac, name


def _run(options: argparse.Namespace) -> int:
    from metalev.cli.probing import Lines, Names, make_asker  # noqa: PLC0415  (usage errors need not wait for it)
    from metalev.probe import report  # noqa: PLC0415
    from metalev.probe.run import Plan, Probe  # noqa: PLC0415

    address, port = options.target
    names = Names(address, dict(options.names))
    asked, why_not = (None, "--no-ask: who answers was not asked.")
    if not options.no_ask:
        asked, why_not = make_asker(address, options.interface)
    where = (str(address), port)
    plan = Plan(
        where,
        every=options.every,
        held=options.held,
        echo=where if options.echo else None,
        replace=True,
        notable=max(NOTABLE, 5 * options.every),
        ask_every=options.ask_every,
        pause=max(PAUSE, 5 * options.ask_every),
    )
    text = options.output == "text"
    lines = Lines(names, live=text and sys.stdout.isatty())
    if why_not and text:
        lines.say(why_not)
    started = datetime.now(UTC)
    probe = Probe(plan, lines, asked)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, probe.stop)
    found = probe.run(options.duration or float("inf"))
    shown = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    if text:
        lines.say("")
        print(report.text(found, shown, names, not_asked=why_not), flush=True)
    else:
        content = report.content(found, shown, names, started=started, not_asked=why_not)
        print(json.dumps(content, indent=2), flush=True)
    return 0 if found.answered else 1
