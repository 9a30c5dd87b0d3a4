"""``python -m metalev.lab.kubernetes.metallb.speaker``: what MetalLB's speaker is to the segment.

It prints ``NODE answers T`` when it may begin to and ``NODE ended T``, in seconds of CLOCK_BOOTTIME. At its end it
leaves the memberlist first and answers on until that has spread, as MetalLB does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from time import CLOCK_BOOTTIME, clock_gettime

from metalev.lab.kubernetes.api import Object, Reflector
from metalev.lab.kubernetes.metallb import ACCOUNT, connect, election, probes
from metalev.lab.kubernetes.metallb.members import Members
from metalev.lab.kubernetes.metallb.wire import Wire
from metalev.model.address import IPAddress

REJOIN_S = 60


class Speaker:
    """Everything is looked at again whenever something changes, as MetalLB does."""

    def __init__(self) -> None:
        self._me = os.environ["METALLB_NODE_NAME"]
        self._namespace = (ACCOUNT / "namespace").read_text()
        self._changed = threading.Event()
        bind = os.environ.get("METALLB_ML_BIND_ADDR")
        self._members = Members(self._me, bind, self._changed.set) if bind else None
        own = f"/apis/metallb.io/v1beta1/namespaces/{self._namespace}"
        roots = ("/api/v1", "/apis/discovery.k8s.io/v1", "/api/v1", own, own)
        self._known = {
            kind: Reflector(connect(), f"{root}/{kind}", self._note)
            for kind, root in zip(election.KINDS, roots, strict=True)
        }
        self._ready = False
        self._ended = False

    def run(self) -> None:
        """Until SIGTERM."""
        signal.signal(signal.SIGTERM, self._end)
        probes.serve("127.0.0.1", lambda: self._ready)
        for reflector in self._known.values():
            reflector.start()
        self._join()
        wire = Wire()
        self._tell("answers")
        while not self._ended:
            wire.hold(set(self._elected()))
            self._ready = True
            if not self._changed.wait(REJOIN_S):
                self._join()
            self._changed.clear()
        if self._members is not None:
            self._members.leave()
        wire.hold(set())  # on a busy machine this process may live on for longer than it says
        self._tell("ended")

    def _elected(self) -> Iterator[IPAddress]:
        members = None if self._members is None else self._members.names
        known = {kind: list(reflector.objects.values()) for kind, reflector in self._known.items()}
        return election.announced_here(self._me, members, known)

    def _join(self) -> None:
        """MetalLB asks for the speakers' addresses at its start, and now and then."""
        if self._members is not None:
            pods = connect().get(f"/api/v1/namespaces/{self._namespace}/pods?labelSelector={labels()}")["items"]
            self._members.join(address(pod) for pod in pods if address(pod))

    def _tell(self, what: str) -> None:
        sys.stdout.write(f"{self._me} {what} {clock_gettime(CLOCK_BOOTTIME)}\n")
        sys.stdout.flush()

    def _note(self, _: tuple[str, str]) -> None:
        self._changed.set()

    def _end(self, *_: object) -> None:
        self._ended = True
        self._changed.set()


def labels() -> str:
    """Which Pods are speakers: metalev's as well."""
    return os.environ.get("METALLB_ML_LABELS", "app=metallb,component=speaker").replace("=", "%3D")


def address(pod: Object) -> str:
    """Of a Pod that runs."""
    return str(pod.get("status", {}).get("podIP", ""))


if __name__ == "__main__":
    Speaker().run()
    os._exit(0)
