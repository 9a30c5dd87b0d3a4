"""Answers and gratuitous frames for the addresses that a node announces, in MetalLB's manner, on its ``eth0``."""

from __future__ import annotations

import math
import select
import socket
import threading
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address
from time import CLOCK_BOOTTIME, clock_gettime

from metalev.lab import arp, links, ndp
from metalev.lab.capture import packet_socket, receive
from metalev.lab.namespace import OwnNetwork
from metalev.model.address import IPAddress

ROUND_S = 1.1
ROUNDS_S = 5.0  # after an address was taken


class Wire:
    """One thread that answers and announces.

    A gratuitous frame goes out before any answer for its address, and questions from before it have no answer, as if
    they had been read when they came.
    """

    def __init__(self) -> None:
        network = OwnNetwork()
        self._arp = packet_socket(network, links.UPLINK, arp.ETHERTYPE_ARP)
        self._mac = self._arp.getsockname()[4].hex(":")
        self._ip6 = packet_socket(network, links.UPLINK, ndp.ETHERTYPE_IPV6)
        self._groups = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._held: dict[IPAddress, float] = {}  # since when
        self._round = 0.0
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="wire", daemon=True).start()

    def hold(self, addresses: Collection[IPAddress]) -> None:
        """Answer for these and for no others from now on."""
        with self._lock:
            for gone in self._held.keys() - set(addresses):
                del self._held[gone]
                self._member(gone, socket.IPV6_LEAVE_GROUP)
            for new in set(addresses) - self._held.keys():
                self._member(new, socket.IPV6_JOIN_GROUP)
                self._announce(new)
                self._held[new] = clock_gettime(CLOCK_BOOTTIME)

    def _run(self) -> None:
        while True:
            for ready in select.select([self._arp, self._ip6], [], [], ROUND_S / 4)[0]:
                frame = receive(ready)
                if not frame.outgoing:
                    with self._lock:
                        self._answer(frame)
            now = clock_gettime(CLOCK_BOOTTIME)
            if now - self._round >= ROUND_S:
                self._round = now
                with self._lock:
                    for address in [address for address, since in self._held.items() if now - since < ROUNDS_S]:
                        self._announce(address)

    def _answer(self, frame: arp.Frame) -> None:
        asked, solicited = frame.arp, frame.ndp
        if asked is not None and asked.operation == arp.REQUEST and self._held_at(asked.target, frame.at):
            if frame.destination in {arp.BROADCAST, self._mac}:
                self._arp.send(arp.reply(self._mac, asked.target, asked.sender_mac, asked.sender))
        elif solicited is not None and solicited.kind == ndp.SOLICITATION and self._held_at(solicited.target, frame.at):
            # A probe has no such option, and MetalLB answers none.
            asker = solicited.link_layer
            if asker is not None:
                self._ip6.send(ndp.answer(self._mac, solicited.target, asker, solicited.source))

    def _held_at(self, address: IPAddress, time: float) -> bool:
        return self._held.get(address, math.inf) <= time

    def _announce(self, address: IPAddress) -> None:
        if isinstance(address, IPv4Address):
            self._arp.send(arp.request(self._mac, address, address))
            self._arp.send(arp.reply(self._mac, address, arp.BROADCAST, address))
        else:
            self._ip6.send(ndp.advertisement(self._mac, address))

    def _member(self, address: IPAddress, option: int) -> None:
        if isinstance(address, IPv6Address):
            index = socket.if_nametoindex(links.UPLINK).to_bytes(4, "little")
            self._groups.setsockopt(socket.IPPROTO_IPV6, option, ndp.solicited_node(address).packed + index)
