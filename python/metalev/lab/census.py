"""Who answers for which address, question by question.

Every address is asked for every 10 ms (``--every``), and each question bears a sender of its own (198.18.0.0/15,
RFC 2544, or fd00:198:18::/64; the MAC address is the host's), so that it is known of each answer which question it is
for. So what is found does not depend on how soon an answer is read or sent: a **double** is a question that two MAC
addresses answered. A **span** is a row of questions that one MAC address answered without a pause of 0.1 s; a
**silence** is the time between two successive answered questions. ``own_delay_ms`` is the most that a question was
late.

The report is the last line of the output, as JSON; times are those of the questions, in seconds of CLOCK_BOOTTIME.
SIGTERM ends it. Before it, the line ``answered`` appears once every address was answered for.
"""

from __future__ import annotations

import argparse
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count, cycle
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime
from typing import TYPE_CHECKING

import msgspec

from metalev.lab import arp, links, ndp
from metalev.lab.capture import packet_socket, receive
from metalev.lab.namespace import OwnNetwork
from metalev.model.address import IPAddress

if TYPE_CHECKING:
    from metalev.lab.host import Host
    from metalev.lab.process import Process

EVERY_S = 0.01
PATIENCE_S = 1.0  # for the answer to a question
GAP_S = 0.1  # of silence end a span
_SENDERS = 1 << 17
_FIRST4 = int(IPv4Address("198.18.0.0"))
_FIRST6 = int(IPv6Address("fd00:198:18::"))


class Span(msgspec.Struct):
    """A row of questions that ``mac`` answered: when the first and the last of them were asked."""

    mac: str
    first: float
    last: float
    answers: int = 1


class Double(msgspec.Struct):
    """A question that several answered."""

    at: float
    macs: tuple[str, ...]


class Record(msgspec.Struct):
    """What was found of one address."""

    spans: list[Span] = []
    doubles: list[Double] = []
    longest_silence_ms: float = 0
    silence_began: float = 0

    def add(self, at: float, macs: Sequence[str]) -> None:
        """A question asked at ``at`` and who answered it; questions come in order."""
        if not macs:
            return
        if len(macs) > 1:
            self.doubles.append(Double(at, tuple(macs)))
        last = self.spans[-1] if self.spans else None
        if last is not None and (at - last.last) * 1000 > self.longest_silence_ms:
            self.longest_silence_ms, self.silence_began = round((at - last.last) * 1000, 1), last.last
        if last is not None and macs[0] == last.mac and at - last.last < GAP_S:
            last.last, last.answers = at, last.answers + 1
        else:
            self.spans.append(Span(macs[0], at, at))


class Report(msgspec.Struct):
    """By address."""

    records: dict[str, Record]
    own_delay_ms: float

    def record(self, address: IPAddress) -> Record:
        """Of one address."""
        return self.records[str(address)]


class _Question(msgspec.Struct):
    address: str
    at: float
    macs: list[str] = []


class Census:
    """One run of the method above, on ``eth0``."""

    def __init__(self, mac: str, addresses: Sequence[IPAddress], every: float) -> None:
        self._mac = mac
        self._addresses = addresses
        self._pause = every / len(addresses)
        network = OwnNetwork()
        self._sockets = [packet_socket(network, links.UPLINK, arp.ETHERTYPE_ARP)]
        if any(address.version == 6 for address in addresses):
            self._sockets.append(packet_socket(network, links.UPLINK, ndp.ETHERTYPE_IPV6))
        self._open: dict[int, _Question] = {}
        self._report = Report({str(address): Record() for address in addresses}, 0)
        self._answered = False
        self._stopped = False

    def stop(self, *_: object) -> None:
        """End; a signal handler."""
        self._stopped = True

    def run(self) -> Report:
        """Ask until stopped, then report."""
        questions = self._questions()
        due = now()
        while not self._stopped:
            self._read(due - now())
            while due <= now() and not self._stopped:
                self._report.own_delay_ms = max(self._report.own_delay_ms, round((now() - due) * 1000, 1))
                next(questions)
                due = max(due + self._pause, now() - self._pause)
            self._close(now() - PATIENCE_S)
        self._close(float("inf"))
        return self._report

    def _questions(self) -> Iterator[None]:
        """Ask one question for each item."""
        for number, address in zip(count(), cycle(self._addresses), strict=False):
            sender = number % _SENDERS
            if isinstance(address, IPv4Address):
                frame = arp.request(self._mac, IPv4Address(_FIRST4 + sender), address)
            else:
                frame = ndp.solicitation(self._mac, IPv6Address(_FIRST6 + sender), address)
            self._open[sender] = _Question(str(address), now())
            self._sockets[0 if address.version == 4 else 1].send(frame)
            yield

    def _read(self, seconds: float) -> None:
        for ready in _readable(self._sockets, max(0.0, seconds)):
            self._take(receive(ready))

    def _take(self, frame: arp.Frame) -> None:
        if (told := frame.arp) is not None and told.operation == arp.REPLY:
            self._answer(int(told.target) - _FIRST4, told.sender, told.sender_mac)
        elif (advert := frame.ndp) is not None and advert.kind == ndp.ADVERTISEMENT:
            self._answer(int(advert.destination) - _FIRST6, advert.target, advert.link_layer or frame.source)

    def _answer(self, sender: int, address: IPAddress, mac: str) -> None:
        question = self._open.get(sender)
        if question is not None and question.address == str(address) and mac not in question.macs:
            question.macs.append(mac)

    def _close(self, before: float) -> None:
        """What was asked before then gets no more answers."""
        for sender, question in list(self._open.items()):
            if question.at > before:
                break
            del self._open[sender]
            self._report.records[question.address].add(question.at, question.macs)
        if not self._answered and all(record.spans for record in self._report.records.values()):
            self._answered = True
            sys.stdout.write("answered\n")
            sys.stdout.flush()


def _readable(sockets: Sequence[socket.socket], seconds: float) -> list[socket.socket]:
    return list(select.select(sockets, [], [], seconds)[0])


def now() -> float:
    """CLOCK_BOOTTIME in seconds."""
    return clock_gettime(CLOCK_BOOTTIME)


def start(host: Host, addresses: Sequence[IPAddress], *, log: Path, every: float = EVERY_S) -> Process:
    """Start asking from a host, and wait until all are answered for; :func:`finish` it."""
    options = ["--mac", host.mac, "--every", str(every), *map(str, addresses)]
    process = host.spawn_module(__name__, *options, log=log)
    process.wait_for("answered", timeout=60)
    return process


def finish(process: Process) -> Report:
    """End the asking and read the report."""
    process.terminate()
    return msgspec.json.decode(process.output().splitlines()[-1], type=Report)


def main() -> None:
    """The command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="metalev.lab.census", description="Record who answers for which address.")
    parser.add_argument("--mac", required=True, help="of this host's eth0")
    parser.add_argument("--every", metavar="S", type=float, default=EVERY_S, help="for each address (default 0.01)")
    parser.add_argument("addresses", metavar="ADDRESS", nargs="+", type=ip_address)
    options = parser.parse_args()
    census = Census(options.mac, options.addresses, options.every)
    signal.signal(signal.SIGTERM, census.stop)
    sys.stdout.write(msgspec.json.encode(census.run()).decode() + "\n")


if __name__ == "__main__":
    main()
