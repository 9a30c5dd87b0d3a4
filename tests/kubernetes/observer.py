"""Somebody who watches all Services from beside the API server, and what may never be seen there."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import pairwise
from time import monotonic
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from metalev.lab.kubernetes.api import Reflector
from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.kubeconfig import ADMIN

PATIENCE = 120.0
SHARING = ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip")


class Seen(Struct, frozen=True):
    """What a Service looked like from a moment on."""

    at: float
    uid: str
    addresses: tuple[str, ...]
    key: str = ""
    wants: bool = True


class Double(Struct, frozen=True):
    """An address that two Services had who do not share it; ``end`` is infinite if they still do."""

    address: str
    names: tuple[str, ...]
    begin: float
    end: float = float("inf")


class History:
    """What was seen of each Service, in order. It is pure: :class:`Observer` fills it."""

    def __init__(self) -> None:
        self.of: dict[str, list[Seen]] = defaultdict(list)
        self._gone = Seen(0.0, "", (), wants=False)

    def note(self, name: str, seen: Seen) -> None:
        """``name`` looks like this from now on."""
        before = self.of[name][-1] if self.of[name] else self._gone
        if (before.uid, before.addresses, before.key, before.wants) != (seen.uid, seen.addresses, seen.key, seen.wants):
            self.of[name].append(seen)

    def now(self) -> Mapping[str, tuple[str, ...]]:
        """The addresses of each Service that there is."""
        return {name: seen[-1].addresses for name, seen in self._all() if seen and seen[-1].uid}

    def doubles(self) -> list[Double]:
        """Each address that two had at a time without sharing it."""
        moments = sorted((seen.at, name, seen) for name, all_seen in self._all() for seen in all_seen)
        latest: dict[str, Seen] = {}
        open_: dict[tuple[str, tuple[str, ...]], float] = {}
        found: list[Double] = []
        for at, name, seen in moments:
            latest[name] = seen
            now = _doubled(latest)
            found += [Double(*what, open_.pop(what), at) for what in set(open_) - now]
            open_ |= {what: at for what in now if what not in open_}
        return found + [Double(*what, begin) for what, begin in open_.items()]

    def changes(self) -> list[str]:
        """Each Service that had an address and then another one, or none, while it was the same and wanted one."""
        return [
            f"{name}: {','.join(before.addresses)} became {','.join(after.addresses) or 'nothing'}"
            for name, all_seen in self._all()
            for before, after in pairwise(all_seen)
            if before.addresses and before.uid == after.uid and after.wants and before.addresses != after.addresses
        ]

    def _all(self) -> list[tuple[str, list[Seen]]]:
        """A copy made in one go: another thread notes what it sees meanwhile."""
        return list(self.of.items())


def _doubled(latest: Mapping[str, Seen]) -> set[tuple[str, tuple[str, ...]]]:
    holders: dict[str, list[str]] = defaultdict(list)
    for name, seen in latest.items():
        for address in seen.addresses:
            holders[address].append(name)
    return {
        (address, tuple(sorted(names)))
        for address, names in holders.items()
        if len(names) > 1 and (len({latest[name].key for name in names}) > 1 or not latest[names[0]].key)
    }


class Observer:
    """Keeps a history of all Services of type LoadBalancer for as long as the ``with`` block runs."""

    def __init__(self, plane: ControlPlane) -> None:
        self.history = History()
        self._changed = threading.Condition()
        self._reflector = Reflector(plane.client(ADMIN), "/api/v1/services", self._note)

    def __enter__(self) -> Self:
        self._reflector.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reflector.stop()

    def until(self, holds: Callable[[Mapping[str, tuple[str, ...]]], bool], what: str) -> None:
        """Wait until the addresses of all Services are so."""
        end = monotonic() + PATIENCE
        with self._changed:
            while not holds(self.history.now()):
                assert self._changed.wait(end - monotonic()), f"it never came that {what}: {self.history.now()}"

    def _note(self, key: tuple[str, str]) -> None:
        item: dict[str, Any] | None = self._reflector.objects.get(key)
        with self._changed:
            self.history.note("/".join(key), _seen(item))
            self._changed.notify_all()


def _seen(item: Mapping[str, Any] | None) -> Seen:
    if item is None:
        return Seen(monotonic(), "", (), wants=False)
    metadata = item["metadata"]
    ingress = item.get("status", {}).get("loadBalancer", {}).get("ingress", ())
    annotations = metadata.get("annotations", {})
    key = next((annotations[name] for name in SHARING if name in annotations), "")
    wants = item["spec"].get("type") == "LoadBalancer"
    return Seen(monotonic(), metadata["uid"], tuple(one["ip"] for one in ingress), key, wants)
