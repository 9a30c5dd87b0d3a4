"""A client that asks for addresses again and again, and what it is told."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import Self

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


class Asking:
    """Asks for each address by ARP, and one of them by curl, round after round for as long as the block runs.

    A round ends once each has been answered; so the rounds that were made during a fault say that nothing fell silent.
    """

    def __init__(self, lab: Looking, addresses: Collection[IPAddress]) -> None:
        self.rounds = 0
        self._lab = lab
        self._addresses = list(addresses)
        self._macs: dict[IPAddress, set[str]] = defaultdict(set)
        self._silent: set[IPAddress] = set()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)

    def __enter__(self) -> Self:
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

    @property
    def answered_by(self) -> Mapping[IPAddress, frozenset[str]]:
        """The nodes that have answered for each address."""
        return {
            one: frozenset(self._lab.lab.node_with(mac).name for mac in list(macs)) for one, macs in self._macs.items()
        }

    def _check(self) -> None:
        assert self._failure is None, self._failure

    def _run(self) -> None:
        try:
            with packet_socket(self._lab.client.namespace, links.UPLINK, arp.ETHERTYPE_ARP) as self._socket:
                while not self._ended.wait(PAUSE_S):
                    self._ask_all()
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
                    self._macs[address].add(mac)
                    self._silent.discard(address)

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


def stalls(logs: Mapping[str, Said], *silenced: str) -> list[str]:
    """What speakers, by their nodes or Pods, say of others that fell silent, but for the nodes that were ``silenced``.

    A machine that is busy with something else for longer than a few beacons may come to that, and addresses move: no
    matter of the API. Whatever else makes them move is.
    """
    lost = "no longer heard|missed [0-9]+ beacons|this node did not run"
    others = "|".join(f"{node} (is no longer|missed|has to be heard)" for node in silenced)
    told = [line for name, said in logs.items() if name not in silenced for line in said.told(lost)]
    return [line for line in told if not others or not re.search(others, line)]


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
