"""Asks who has an address as fast as it is answered, and counts the answers.

Requests leave in batches by one system call (sendmmsg(2)) and answers are taken in the same way (recvmmsg(2)); a filter
in the kernel passes the very answers alone, so nothing has to be looked at here. At most a window of requests is
unanswered at any time: less than a socket's queue holds, so that a loss is the responder's.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import time
from ipaddress import IPv4Address, IPv6Address
from types import TracebackType
from typing import NoReturn, Self

from msgspec import Struct

from metalev.lab import arp, links, ndp
from metalev.lab.host import Host
from metalev.lab.namespace import LabError
from metalev.model.address import IPAddress

BATCH = 32
WINDOW = 128
PATIENCE_S = 0.5  # what is not answered by then is lost
FRAME_ROOM = 128
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
RECEIVE_BYTES = 8 << 20  # so much that no answer is lost here while this process waits for the core
WORD, HALF, BYTE = 0x20, 0x28, 0x30  # of classic BPF: how much to load
MSG_WAITFORONE = 0x10000


class Answers(Struct, frozen=True):
    """What became of the requests, and the seconds from the first of them to the last answer."""

    answered: int
    lost: int
    seconds: float

    @property
    def per_second(self) -> float:
        """The rate of the answers."""
        return self.answered / self.seconds


class Questions:
    """A socket of ``host`` that asks for one address: by ARP, or for an IPv6 address by Neighbour Discovery."""

    def __init__(self, host: Host, address: IPAddress) -> None:
        self._address = address
        self._socket = host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)  # protocol 0: nothing arrives yet
        if isinstance(address, IPv4Address):
            ethertype, answers = arp.ETHERTYPE_ARP, _replies(host.address, address)
        else:
            assert host.address6 is not None
            ethertype, answers = ndp.ETHERTYPE_IPV6, _advertisements(host.address6, address)
        _attach(self._socket, answers)
        self._socket.bind((links.UPLINK, ethertype))
        seconds, microseconds = divmod(round(PATIENCE_S * 1e6), 1_000_000)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@qq", seconds, microseconds))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        self._requests = Batch(host.question(address))
        self._answers = Batch(bytes(FRAME_ROOM))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, count: int) -> Answers:
        """Ask ``count`` times, in whole batches, and wait for the answers.

        Raises :class:`LabError` when not even the first requests are answered.
        """
        began = ended = time.perf_counter()
        asked = answered = lost = 0
        while answered + lost < count:
            waiting = asked - answered - lost
            if asked < count and waiting <= WINDOW - BATCH:
                asked += self._requests.send(self._socket)
            elif arrived := self._answers.receive(self._socket):
                answered += arrived
                ended = time.perf_counter()
            elif answered:
                lost += waiting
            else:
                raise LabError(f"nobody answers for {self._address}")
        return Answers(answered, lost, ended - began)

    def windows(self, count: int, seconds: float) -> list[Answers]:
        """Ask as fast as it is answered, without a pause between ``count`` windows of so many seconds each.

        What is still open at the end is taken out of the queue and counted nowhere.
        """
        windows: list[Answers] = []
        began = time.perf_counter()
        waiting = answered = lost = 0
        while len(windows) < count:
            if waiting <= WINDOW - BATCH:
                waiting += self._requests.send(self._socket)
            elif arrived := self._answers.receive(self._socket):
                answered, waiting = answered + arrived, waiting - arrived
            else:
                lost, waiting = lost + waiting, 0
            if (now := time.perf_counter()) - began >= seconds:
                windows.append(Answers(answered, lost, now - began))
                began, answered, lost = now, 0, 0
        while waiting > 0 and (arrived := self._answers.receive(self._socket)):
            waiting -= arrived
        return windows


class _Vector(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """``struct mmsghdr``: the length is that of what was received."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


class Batch:
    """Messages that share one buffer: what leaves is always the same, and what arrives is not looked at."""

    def __init__(self, content: bytes) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._buffer = ctypes.create_string_buffer(content, len(content))
        self._vector = _Vector(ctypes.cast(self._buffer, ctypes.c_void_p), len(content))
        self._messages = (_Message * BATCH)()
        for message in self._messages:
            message.header.vectors, message.header.vector_count = ctypes.pointer(self._vector), 1

    def send(self, sock: socket.socket) -> int:
        """Send the buffer as many times as the batch is long; how many times that worked, at least once."""
        sent: int = self._libc.sendmmsg(sock.fileno(), self._messages, BATCH, 0)
        return sent if sent > 0 else _fail("sendmmsg")

    def receive(self, sock: socket.socket) -> int:
        """Wait for a message and take what is there; how many, none when the socket's time is over."""
        count: int = self._libc.recvmmsg(sock.fileno(), self._messages, BATCH, MSG_WAITFORONE, None)
        if count > 0:
            return count
        return 0 if ctypes.get_errno() == errno.EAGAIN else _fail("recvmmsg")


def _fail(call: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


def _replies(asker: IPv4Address, target: IPv4Address) -> bytes:
    """A filter for the ARP replies from ``target`` to ``asker``.

    Not for what is announced without having been asked for: that has another target address.
    """
    return _filter((HALF, 20, arp.REPLY), (WORD, 28, int(target)), (WORD, 38, int(asker)))


def _advertisements(asker: IPv6Address, target: IPv6Address) -> bytes:
    """A filter for the neighbour advertisements of ``target`` to ``asker``, by the ends of the addresses."""
    end = 0xFFFFFFFF
    return _filter((BYTE, 54, ndp.ADVERTISEMENT), (WORD, 74, int(target) & end), (WORD, 50, int(asker) & end))


def _filter(*wanted: tuple[int, int, int]) -> bytes:
    """A classic BPF program (code, jump if true, jump if false, value) that passes the frames with these contents.

    Each of ``wanted`` is how much to load, from where, and what must be there.
    """
    program: list[tuple[int, int, int, int]] = []
    for index, (load, offset, value) in enumerate(wanted):
        to_the_end = 2 * (len(wanted) - index) - 1
        program += [(load, 0, 0, offset), (0x15, 0, to_the_end, value)]
    program += [(0x06, 0, 0, FRAME_ROOM), (0x06, 0, 0, 0)]  # pass this much of it; drop it
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _attach(sock: socket.socket, program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program)
    count = len(program) // struct.calcsize("=HBBI")
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(buffer)))
