"""Listening on an interface inside a namespace."""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from metalev.lab.arp import ETHERTYPE_ARP, Frame
from metalev.lab.namespace import LabError, Namespace

ETH_P_ALL = 0x0003  # only a socket for all protocols sees what the host itself sends
CLOCKS_APART_S = 50e-6
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")


class Capture:
    """Every frame of one ethertype on one interface, both directions, stamped by the kernel, for as long as it is open.

    ::

        with node.capture() as tape:
            ...
            frame = tape.wait_for(lambda frame: frame.arp is not None and frame.arp.gratuitous)
    """

    def __init__(self, namespace: Namespace, interface: str, ethertype: int = ETHERTYPE_ARP) -> None:
        self._what = f"{namespace.name} {interface}"
        self._socket = packet_socket(namespace, interface, ethertype)
        self._frames: list[Frame] = []
        self._changed = threading.Condition()
        self._wake, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, name=f"capture {self._what}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()
        self._thread.join()
        self._wake.close()
        self._socket.close()

    @property
    def frames(self) -> list[Frame]:
        """What was seen so far, in order."""
        with self._changed:
            return list(self._frames)

    def wait_for(self, wanted: Callable[[Frame], bool], timeout: float = 60) -> Frame:
        """The first frame, past or to come, that is ``wanted``; :class:`LabError` if none comes in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: any(map(wanted, self._frames)), timeout):
                raise LabError(f"{self._what}: none of {len(self._frames)} frames in {timeout:g} s is the one awaited")
            return next(filter(wanted, self._frames))

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket, self._wake], [], [])
            if self._socket in ready:
                frame = receive(self._socket)
                with self._changed:
                    self._frames.append(frame)
                    self._changed.notify_all()
            elif self._wake in ready:
                return


def packet_socket(namespace: Namespace, interface: str, ethertype: int) -> socket.socket:
    """A raw socket on the interface that passes frames of one ethertype only; the kernel drops the rest."""
    sock = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)  # protocol 0: nothing arrives before the filter is there
    _attach_filter(sock, ethertype)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind((interface, ETH_P_ALL))
    return sock


def receive(sock: socket.socket) -> Frame:
    """The next frame. Its time is the kernel's own, moved from the wall clock to CLOCK_BOOTTIME."""
    data, ancillary, _, address = sock.recvmsg(65536, 64)
    seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2][: _TIMESPEC.size])
    outgoing = address[2] == socket.PACKET_OUTGOING
    return Frame.parse(data, at=seconds + nanoseconds / 1e9 - _wall_clock_ahead(), outgoing=outgoing)


def _wall_clock_ahead() -> float:
    """Of CLOCK_BOOTTIME, in seconds, read anew when something came between the two."""
    while True:
        before = time.clock_gettime(time.CLOCK_REALTIME)
        boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        after = time.clock_gettime(time.CLOCK_REALTIME)
        if after - before < CLOCKS_APART_S:
            return (before + after) / 2 - boot


def _attach_filter(sock: socket.socket, ethertype: int) -> None:
    """A classic BPF program of four instructions (code, jump if true, jump if false, value): see bpf(4) of BSD."""
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x28, 0, 0, 12),  # load the half-word at 12, the ethertype
            (0x15, 0, 1, ethertype),  # unless it is equal, skip one
            (0x06, 0, 0, 0xFFFF),  # pass it whole
            (0x06, 0, 0, 0),  # drop it
        )
    )
    buffer = ctypes.create_string_buffer(program)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 4, ctypes.addressof(buffer)))
