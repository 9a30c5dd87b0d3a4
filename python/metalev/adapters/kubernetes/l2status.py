"""MetalLB's ``ServiceL2Status``: which node announces a Service, one object for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import field

from metalev.adapters.codec import wire
from metalev.adapters.codec.decode import Json
from metalev.adapters.kubernetes.api import MERGE, Api
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.kubernetes.resources import Resource
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.adapters.kubernetes.upkeep import Upkeep
from metalev.model.actions import SpeakerState
from metalev.model.meta import Name, ObjectKey

GROUP = "metallb.io/v1beta1"
NODE_LABEL = "metallb.io/node"
NAME_LABEL, NAMESPACE_LABEL = "metallb.io/service-name", "metallb.io/service-namespace"
Announced: TypeAlias = Mapping[Name, tuple[str, ...]]
"""The Services that a node announces, each with the interfaces that are named for it (none: all)."""


def announced(state: SpeakerState) -> Announced:
    """What a speaker's own state says."""
    return {_name(service): holding.interfaces for holding in state.holdings for service in holding.services}


class _Interface(wire.Wire, frozen=True):
    name: str = ""


class _Status(wire.Wire, frozen=True):
    node: str = ""
    service_name: str = ""
    service_namespace: str = ""
    interfaces: list[_Interface] = field(default_factory=list)


class _Object(wire.Wire, frozen=True):
    metadata: wire.Metadata
    status: _Status = _Status()


class _ListMeta(wire.Wire, frozen=True):
    continue_: str = field(default="", name="continue")


class _List(wire.Wire, frozen=True):
    items: list[_Object] = field(default_factory=list)
    metadata: _ListMeta = _ListMeta()


class L2Statuses(Upkeep[Announced]):
    """Keeps one object for each Service that this node announces, and removes those of former announcers.

    It is told of its node's objects by a :class:`.reflector.Reflector`: who deletes or edits one finds it again.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        node: str,
        owner: Callable[[], Mapping[str, str] | None],
        troubles: Troubles,
    ) -> None:
        """``owner`` gives the reference to the speaker's pod, with which the objects go."""
        self._api = api
        self._path = f"/apis/{GROUP}/namespaces/{namespace}/servicel2statuses"
        self.resource = Resource(self._path, {"labelSelector": f"{NODE_LABEL}={node}"})
        self._node = node
        self._said: Announced = {}
        self._owner = owner
        super().__init__("service L2 statuses", troubles)

    def take(self, raw: Json) -> ObjectKey | None:
        """An object of this node as it now is."""
        one = msgspec.json.decode(raw, type=_Object)
        said = self._said.get(_service_of(one))
        # Right after it was made it says nothing yet.
        if said is not None and one.status != _Status() and one.status != self._status(_service_of(one), said):
            self.spoilt()
        return None

    def drop(self, raw: Json) -> None:
        """An object of this node is gone."""
        if _service_of(msgspec.json.decode(raw, type=_Object)) in self._said:
            self.spoilt()

    def listed(self, seen: object, version: str) -> None:
        """What is missing is found out by the list that every change begins with."""

    def restored(self) -> None:
        """It is written by what it says, not by its version."""

    def _say(self, wanted: Announced) -> None:
        """One list tells all: what is ours and should not be, what is missing, and whose was there before."""
        self._said = {}  # what vanishes now is our own doing
        there = list(self._list()) if wanted else list(self._list(self.resource.selectors))
        kept: set[Name] = set()
        for one in there:
            service = _service_of(one)
            ours = one.metadata.labels.get(NODE_LABEL) == self._node
            if ours and service in wanted and service not in kept:
                kept.add(service)
                if one.status != self._status(service, wanted[service]):
                    self._write_status(one.metadata.name, service, wanted[service])
            elif ours or service in wanted:
                self._delete(one.metadata.name)
        for service in sorted(wanted.keys() - kept):
            self._create(service, wanted[service])
        self._said = wanted

    def _list(self, query: Mapping[str, str] | None = None) -> Iterator[_Object]:
        asked = {**(query or {}), "limit": "500"}
        while True:
            page = msgspec.json.decode(self._api.get(self._path, asked), type=_List)
            yield from page.items
            if not page.metadata.continue_:
                return
            asked["continue"] = page.metadata.continue_

    def _create(self, service: Name, interfaces: tuple[str, ...]) -> None:
        owner = self._owner()
        metadata: dict[str, Any] = {
            "generateName": "l2-",
            "labels": {NODE_LABEL: self._node, NAME_LABEL: service.name, NAMESPACE_LABEL: service.namespace},
        }
        if owner is not None:
            metadata["ownerReferences"] = [owner]
        body = {"apiVersion": GROUP, "kind": "ServiceL2Status", "metadata": metadata, "spec": {}}
        made = msgspec.json.decode(self._api.post(self._path, body), type=_Object)
        self._write_status(made.metadata.name, service, interfaces)

    def _write_status(self, name: str, service: Name, interfaces: tuple[str, ...]) -> None:
        status = msgspec.to_builtins(self._status(service, interfaces))
        self._api.patch(f"{self._path}/{name}/status", {"status": status}, MERGE)

    def _status(self, service: Name, interfaces: tuple[str, ...]) -> _Status:
        return _Status(self._node, service.name, service.namespace, [_Interface(one) for one in interfaces])

    def _delete(self, name: str) -> None:
        try:
            self._api.delete(f"{self._path}/{name}")
        except ApiError as error:
            if error.status != 404:
                raise


def _service_of(one: _Object) -> Name:
    labels = one.metadata.labels
    return Name(labels.get(NAMESPACE_LABEL, ""), labels.get(NAME_LABEL, ""))


def _name(service: str) -> Name:
    namespace, _, name = service.rpartition("/")
    return Name(namespace, name)
