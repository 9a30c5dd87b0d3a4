"""The announcements of all Services, so kept that one change among 10,000 Services costs one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from metalev.decide.candidates import Announcement, Foreign, Topology
from metalev.decide.unread import legacy_is_unread
from metalev.model.cluster import Node, SpeakerPod
from metalev.model.meta import Name
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import Endpoint, EndpointSlice, Service
from metalev.model.snapshot import Snapshot

_Versioned = TypeVar("_Versioned", Node, Pool, L2Advertisement)
_Slices = Mapping[Name, EndpointSlice]
_NO_SLICES: _Slices = {}


class Announcements:
    """Who may announce each Service that holds an address, as ``node`` sees it.

    It relies on values never being changed in place: the same object has the same announcement.
    """

    def __init__(
        self, node: str, lb_class: str | None = None, *, ignore_exclude_lb: bool = False, patient: bool = False
    ) -> None:
        """``patient``: a Service whose endpoints have not been looked at yet counts as if they were everywhere.

        Kubernetes makes an EndpointSlice for every Service that has a selector, a moment after it, if there is only
        nobody to put in. Until then nobody can tell that there is none.
        """
        self._node = node
        self._lb_class = lb_class
        self._ignore_exclude_lb = ignore_exclude_lb
        self._patient = patient
        self._everywhere: tuple[EndpointSlice, ...] = ()
        self._seen: tuple[object, ...] = ()
        self._content: tuple[object, ...] = ()
        self._topology = Topology((), (), (), node)
        self._known: dict[Name, tuple[Service, _Slices, Announcement]] = {}

    def update(self, snapshot: Snapshot) -> Mapping[Name, Announcement]:
        """The announcements for ``snapshot``, in the order of its Services."""
        self._renew_topology(snapshot)
        before, self._known = self._known, {}
        for name, service in snapshot.services.items():
            if service.status.addresses and service.wants_address and service.load_balancer_class == self._lb_class:
                slices = snapshot.endpoints.get(name, _NO_SLICES)
                known = before.get(name)
                if known is None or known[0] is not service or known[1] is not slices:
                    known = service, slices, self._announcement(service, slices)
                self._known[name] = known
        return {name: announcement for name, (_, _, announcement) in self._known.items()}

    def of(self, service: Service, snapshot: Snapshot) -> Announcement:
        """Who may announce ``service``, which need not be as ``snapshot`` has it."""
        self._renew_topology(snapshot)
        return self._announcement(service, snapshot.endpoints.get(service.name, _NO_SLICES))

    def _announcement(self, service: Service, slices: _Slices) -> Announcement:
        # In a directory nobody makes slices but who writes the manifests, and nothing has a time of creation.
        awaited = self._patient and not slices and service.selector and service.created is not None
        return self._topology.announcement(service, self._everywhere if awaited else slices.values())

    def _renew_topology(self, snapshot: Snapshot) -> None:
        if self._topology_changed(snapshot):
            self._topology = Topology(
                snapshot.nodes.values(),
                snapshot.pools.values(),
                snapshot.l2_advertisements.values(),
                self._node,
                ignore_exclude_lb=self._ignore_exclude_lb,
                foreign=foreign_speakers(snapshot.speaker_pods.values()),
                unread=bool(snapshot.problems),
                legacy_unread=legacy_is_unread(snapshot),
            )
            self._known = {}
            everywhere = tuple(Endpoint((), name.name) for name in snapshot.nodes)
            self._everywhere = (EndpointSlice(Name("", ""), Name("", ""), endpoints=everywhere),)

    def _topology_changed(self, snapshot: Snapshot) -> bool:
        """Whether anything that matters changed in nodes, pools and advertisements, or whether all can be read.

        Their versions do not: a kubelet writes its Node every few minutes only to say that it lives.
        """
        unread = bool(snapshot.problems)
        legacy = legacy_is_unread(snapshot)
        seen = (snapshot.nodes, snapshot.pools, snapshot.l2_advertisements, snapshot.speaker_pods, unread, legacy)
        if len(self._seen) == len(seen) and all(now is then for now, then in zip(seen, self._seen, strict=True)):
            return False
        content = (
            _without_versions(snapshot.nodes.values()),
            _without_versions(snapshot.pools.values()),
            _without_versions(snapshot.l2_advertisements.values()),
            foreign_speakers(snapshot.speaker_pods.values()),
            unread,
            legacy,
        )
        changed = content != self._content
        self._seen, self._content = seen, content
        return changed


def foreign_speakers(pods: Iterable[SpeakerPod]) -> Mapping[str, Foreign]:
    """The nodes where a speaker of MetalLB answers or is about to.

    Where one ends and the next begins, there are two for a moment.
    """
    found: dict[str, Foreign] = {}
    for pod in pods:
        if pod.foreign and pod.running and pod.node:
            before = found.get(pod.node, Foreign(gossips=True, ready=False))
            found[pod.node] = Foreign(gossips=before.gossips and pod.gossips, ready=before.ready or pod.ready)
    return found


def _without_versions(objects: Iterable[_Versioned]) -> tuple[_Versioned, ...]:
    return tuple(replace(one, version="") for one in sorted(objects, key=lambda one: one.name))
