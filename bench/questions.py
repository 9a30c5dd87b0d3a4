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
from ipaddress import IPv4Address
from types import TracebackType
from typing import NoReturn, Self

from msgspec import Struct

from metalev.lab import arp, links
from metalev.lab.host import Host
from metalev.lab.namespace import LabError

BATCH = 32
WINDOW = 128
PATIENCE_S = 0.5  # what is not answered by then is lost
FRAME_ROOM = 64
SO_ATTACH_FILTER = 26
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
    """A socket of ``host`` that asks for one address."""

    def __init__(self, host: Host, address: IPv4Address) -> None:
        self._address = address
        self._socket = host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)  # protocol 0: nothing arrives yet
        _attach(self._socket, _answers_to(host.address, address))
        self._socket.bind((links.UPLINK, arp.ETHERTYPE_ARP))
        seconds, microseconds = divmod(round(PATIENCE_S * 1e6), 1_000_000)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@qq", seconds, microseconds))
        self._requests = _Batch(arp.request(host.mac, host.address, address))
        self._answers = _Batch(bytes(FRAME_ROOM))

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


class _Batch:
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
        return count if count > 0 or ctypes.get_errno() == errno.EAGAIN else _fail("recvmmsg")


def _fail(call: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


def _answers_to(asker: IPv4Address, target: IPv4Address) -> bytes:
    """A classic BPF program (code, jump if true, jump if false, value) for the replies from ``target`` to ``asker``.

    Not for what is announced without having been asked for: that has another target address.
    """
    instructions = (
        (0x28, 0, 0, 20),  # load the half-word at 20, the operation
        (0x15, 0, 5, arp.REPLY),  # unless it is equal, skip five
        (0x20, 0, 0, 28),  # load the word at 28, the sender's IP address
        (0x15, 0, 3, int(target)),
        (0x20, 0, 0, 38),  # load the word at 38, the target's IP address
        (0x15, 0, 1, int(asker)),
        (0x06, 0, 0, FRAME_ROOM),  # pass this much of it
        (0x06, 0, 0, 0),  # drop it
    )
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def _attach(sock: socket.socket, program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program)
    count = len(program) // struct.calcsize("=HBBI")
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(buffer)))
