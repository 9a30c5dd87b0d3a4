"""kube-proxy's part in the lab: follows the cluster and rewrites every node's packet filter when it has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from metalev.adapters.clock import SystemClock
from metalev.adapters.files import FilesCluster
from metalev.lab import kubeproxy
from metalev.lab.lab import Lab
from metalev.lab.namespace import LabError
from metalev.model.snapshot import Snapshot
from metalev.runtime.loop import Inbox
from metalev.runtime.store import Store


class Proxies:
    """A thread that reads the directory as the speakers do and writes nothing to it."""

    def __init__(self, lab: Lab, manifests: Path, state: Path) -> None:
        self._lab = lab
        self._cluster = FilesCluster(manifests, SystemClock(), state=state)
        self._inbox = Inbox()
        self._store = Store()
        self._changed = threading.Condition()
        self._ending = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lab-proxies", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._cluster.start(self._inbox.put)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.stop()
        self._ending = True
        self._inbox.wake()
        self._thread.join()

    @property
    def snapshot(self) -> Snapshot:
        """The cluster as every node's packet filter has it by now."""
        return self._store.snapshot

    def wait_for(self, what: str, wanted: Callable[[Snapshot], bool], timeout: float = 60) -> float:
        """Wait until the packet filters follow a cluster in which ``wanted`` holds; the seconds that took.

        Raises :class:`LabError` naming ``what`` when it does not come true in time.
        """
        began = time.monotonic()
        with self._changed:
            held = self._changed.wait_for(lambda: self._failure is not None or wanted(self.snapshot), timeout)
        if self._failure is not None:
            raise LabError(f"the stand-in for kube-proxy failed: {self._failure}") from self._failure
        if not held:
            raise LabError(f"not within {timeout:g} s: {what}")
        return time.monotonic() - began

    def _run(self) -> None:
        try:
            while not self._ending:
                applied = self._store.apply(self._inbox.take(timeout=None))
                before, after = applied.before, applied.after
                if after.synced and (before.services is not after.services or before.endpoints is not after.endpoints):
                    self._follow(after)
                with self._changed:
                    self._changed.notify_all()
        except Exception as failure:  # noqa: BLE001  (whoever waits is told, in its own thread)
            with self._changed:
                self._failure = failure
                self._changed.notify_all()

    def _follow(self, snapshot: Snapshot) -> None:
        slices = [part for parts in snapshot.endpoints.values() for part in parts.values()]
        for node in self._lab.nodes.values():
            for cluster_cidr in self._lab.topology.cluster_cidrs:
                kubeproxy.apply(node, list(snapshot.services.values()), slices, cluster_cidr)
