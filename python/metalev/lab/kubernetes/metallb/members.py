"""A memberlist as MetalLB's speakers have it, as far as its times go: joining, gossip, leaving, being missed.

What memberlist does with its LAN settings: news spread by gossip every 200 ms, somebody silent is suspected after a
probe of 1 s and dead 4 s later, and who leaves says so and waits until it was gossiped (at most 1 s). Its datagrams are
not memberlist's.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

PORT = 7946
GOSSIP_S = 0.2
DEAD_S = 5.0
LEAVE_S = 0.4  # two rounds of gossip: each of the news is sent four times, to two members a round


class Members:
    """One node's view of who is there. ``changed`` is called, by its thread, when that changes."""

    def __init__(self, me: str, bind: str, changed: Callable[[], None]) -> None:
        self._me, self._bind, self._changed = me, bind, changed
        self._heard: dict[str, float] = {}
        self._addresses: dict[str, str] = {}  # of the members by name
        self._contacts: set[str] = set()
        self._leaving = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((bind, PORT))
        self._socket.settimeout(GOSSIP_S / 4)
        threading.Thread(target=self._run, name="members", daemon=True).start()

    @property
    def names(self) -> set[str]:
        """The members, itself among them."""
        return {self._me, *self._heard}

    def join(self, addresses: Iterable[str]) -> None:
        """Talk to these, too; whoever answers is a member."""
        self._contacts = set(addresses) - {self._bind}

    def leave(self) -> None:
        """Say goodbye, and wait until it has spread."""
        self._leaving = True
        end = time.monotonic() + LEAVE_S
        while time.monotonic() < end and self._heard:
            self._gossip()
            threading.Event().wait(GOSSIP_S)

    def _run(self) -> None:
        due = 0.0
        while True:
            if time.monotonic() >= due and not self._leaving:
                self._gossip()
                due = time.monotonic() + GOSSIP_S
            with suppress(TimeoutError, ValueError, KeyError, OSError):
                self._hear(json.loads(self._socket.recv(65536)))
            self._miss()

    def _gossip(self) -> None:
        news = json.dumps({"name": self._me, "address": self._bind, "leaves": self._leaving, "knows": self._addresses})
        for address in {*self._contacts, *self._addresses.values()}:
            with suppress(OSError):
                self._socket.sendto(news.encode(), (address, PORT))

    def _hear(self, news: dict[str, object]) -> None:
        name, known = str(news["name"]), news["knows"]
        before = self.names
        if news["leaves"]:
            self._heard.pop(name, None)
            self._addresses.pop(name, None)
            self._contacts.discard(str(news["address"]))
        else:
            self._heard[name] = time.monotonic()
            self._addresses[name] = str(news["address"])
            if isinstance(known, dict):
                self._contacts |= set(known.values()) - {self._bind}
        if self.names != before:
            self._changed()

    def _miss(self) -> None:
        dead = [name for name, heard in self._heard.items() if time.monotonic() - heard > DEAD_S]
        for name in dead:
            del self._heard[name]
            self._contacts.discard(self._addresses.pop(name))
        if dead:
            self._changed()
