"""A client that asks for addresses again and again, what it is told, and which moves of an address are excused."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import Self

from msgspec import Struct
from tests.kubernetes.said import PATIENCE, Said, pause, until

from metalev.lab import arp, links
from metalev.lab.capture import packet_socket, receive
from metalev.lab.host import answer_in
from metalev.lab.kubernetes.looking import Looking
from metalev.lab.topology import socket_address
from metalev.model.address import IPAddress

ANSWER_S = 0.2
CENSUS_S = 0.5
PAUSE_S = 0.05
LOOK_S = 1.0
SLACK_S = 2.0
"""How much sooner or later than the move that it explains a stall may be told of: log lines wait for their turn."""
_LATE = re.compile(r"(\S+) (?:is no longer heard on|missed \d+ beacons)|did not run")


class Move(Struct, frozen=True):
    """An address was answered for by another node than before; ``at`` is by time.monotonic()."""

    address: IPAddress
    before: str
    after: str
    at: float


class Stall(Struct, frozen=True):
    """A speaker told, between two looks at its log, that ``node`` fell silent, or that it itself did not run."""

    node: str
    since: float
    until: float

    def explains(self, move: Move) -> bool:
        """Whether the address went from that node, or came back to it, at that time."""
        in_time = self.since - SLACK_S <= move.at <= self.until + SLACK_S
        return in_time and self.node in {move.before, move.after}


class Asking:
    """Asks for each address by ARP, and one of them by curl, round after round for as long as the block runs.

    A round ends once each has been answered; so the rounds that were made during a fault say that nothing fell silent.
    Meanwhile it reads the speakers' ``logs``, by their nodes. The clocks of the nodes do not matter.
    """

    def __init__(self, lab: Looking, addresses: Collection[IPAddress], logs: Mapping[str, Said]) -> None:
        self.rounds = 0
        self._lab = lab
        self._addresses = list(addresses)
        self._logs = {node: said.from_now() for node, said in logs.items()}
        self._told: dict[str, int] = dict.fromkeys(logs, 0)
        self._looked = monotonic()
        self._stalls: list[Stall] = []
        self._moves: list[Move] = []
        self._silent: set[IPAddress] = set()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)

    def __enter__(self) -> Self:
        self._now = dict(announcers(self._lab, self._addresses))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None:
            self._check()

    def go_on(self, rounds: int = 5) -> None:
        """Wait until everything has been answered so many more times."""
        goal = self.rounds + rounds + 1  # the one that is under way may have been answered before
        until(lambda: self.rounds >= goal or not self._thread.is_alive(), f"all are answered; {self._silent} are not")
        self._check()

    def unexplained(self) -> list[Move]:
        """The moves, since the block began, that nobody being late at that time explains.

        What was taken from a late one may go on, when two took it at a time and one lets it go.
        """
        self._look()
        settles: dict[IPAddress, float] = {}
        found = []
        for move in self._moves:
            if any(stall.explains(move) for stall in self._stalls):
                settles[move.address] = move.at + SLACK_S
            elif move.at > settles.get(move.address, 0):
                found.append(move)
        return found

    def _check(self) -> None:
        assert self._failure is None, self._failure

    def _run(self) -> None:
        try:
            with packet_socket(self._lab.client.namespace, links.UPLINK, arp.ETHERTYPE_ARP) as self._socket:
                while not self._ended.wait(PAUSE_S):
                    self._ask_all()
                    if monotonic() - self._looked > LOOK_S:
                        self._look()
                    self._fetch(self._addresses[self.rounds % len(self._addresses)])
                    self.rounds += 1
        except BaseException as error:  # noqa: BLE001
            self._failure = error

    def _ask_all(self) -> None:
        end = monotonic() + PATIENCE
        self._silent = set(self._addresses)
        while self._silent and not self._ended.is_set():
            assert monotonic() < end, f"nobody answered for {', '.join(map(str, self._silent))}"
            for address in self._silent:
                self._socket.send(self._lab.client.question(address))
            self._listen(monotonic() + ANSWER_S)

    def _listen(self, until_: float) -> None:
        while self._silent and (left := until_ - monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                frame = receive(self._socket)
            except TimeoutError:
                return
            for address in self._addresses:
                if (mac := answer_in(frame, address)) is not None:
                    self._note(address, self._lab.lab.node_with(mac).name)
                    self._silent.discard(address)

    def _note(self, address: IPAddress, node: str) -> None:
        before, self._now[address] = self._now[address], node
        if node != before:
            self._moves.append(Move(address, before, node, monotonic()))

    def _look(self) -> None:
        since, self._looked = self._looked, monotonic()
        for teller, said in self._logs.items():
            found = late_nodes(teller, said)
            new, self._told[teller] = found[self._told[teller] :], len(found)
            self._stalls += [Stall(node, since, self._looked) for node in new]

    def _fetch(self, address: IPAddress) -> None:
        """By curl, until it succeeds."""
        command = ["curl", "-s", "-m", "5", "-o", "/dev/null", f"http://{socket_address(address, 80)}/"]
        end = monotonic() + PATIENCE
        while self._lab.client.run(command, check=False).returncode and not self._ended.is_set():
            assert monotonic() < end, f"curl gets no answer from {address}"
            pause(PAUSE_S)


def announcers(lab: Looking, addresses: Iterable[IPAddress]) -> Mapping[IPAddress, str]:
    """The node that answers for each address, once it is one alone for each; all are asked at once."""
    wanted = list(addresses)
    found: dict[IPAddress, set[str]] = {}

    def one_each() -> bool:
        found.update(census(lab, wanted))
        return all(len(macs) == 1 for macs in found.values())

    until(one_each, f"one node answers for each of {', '.join(map(str, wanted))}")
    return {address: lab.lab.node_with(min(macs)).name for address, macs in found.items()}


def unexplained(
    before: Mapping[IPAddress, str], after: Mapping[IPAddress, str], logs: Mapping[str, Said], *silenced: str
) -> dict[IPAddress, tuple[str, str]]:
    """The addresses of ``before`` that another node answers for now, though nobody told that theirs was late.

    ``logs`` are the speakers', by their nodes, from before the first look on. A machine that is busy with something
    else for longer than a few beacons may come to that, and what the late one had moves: no matter of what is tested.
    Nodes that the test has ``silenced`` are no excuse, nor is what they say.
    """
    heeded = {node: said for node, said in logs.items() if node not in silenced}
    late = {node for teller, said in heeded.items() for node in late_nodes(teller, said)} - set(silenced)
    return {
        address: (node, after[address])
        for address, node in before.items()
        if after[address] != node and node not in late
    }


def late_nodes(teller: str, said: Said) -> list[str]:
    """The nodes that a speaker told to have fallen silent, itself if it did not run; one for each line."""
    found = (_LATE.search(line) for line in said.told(_LATE.pattern))
    return [match[1] or teller for match in found if match]


def census(lab: Looking, addresses: Collection[IPAddress]) -> dict[IPAddress, set[str]]:
    """The MAC addresses that answer for each address within a moment."""
    found: dict[IPAddress, set[str]] = {address: set() for address in addresses}
    with packet_socket(lab.client.namespace, links.UPLINK, arp.ETHERTYPE_ARP) as sock:
        for address in addresses:
            sock.send(lab.client.question(address))
        end = monotonic() + CENSUS_S
        while (left := end - monotonic()) > 0:
            sock.settimeout(left)
            try:
                frame = receive(sock)
            except TimeoutError:
                break
            for address in addresses:
                if (mac := answer_in(frame, address)) is not None:
                    found[address].add(mac)
    return found
