"""The one copy of the world: changes go in, a new snapshot comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from metalev.decide.legacy import InForce
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Fact
from metalev.model.pools import PoolStatus
from metalev.model.services import EndpointSlice
from metalev.model.snapshot import (
    Change,
    Deleted,
    KeysRead,
    Listed,
    Noticed,
    Object,
    PoolStatusSeen,
    Rejected,
    Snapshot,
    Standby,
    Synced,
    Upserted,
    key_of,
)
from metalev.runtime.facts import FactLevels

FIELD_OF: Mapping[Kind, str] = {
    Kind.SERVICE: "services",
    Kind.NODE: "nodes",
    Kind.NAMESPACE: "namespaces",
    Kind.POOL: "pools",
    Kind.L2_ADVERTISEMENT: "l2_advertisements",
    Kind.SECRET: "secrets",
    Kind.SPEAKER_STATE: "speakers",
    Kind.CONFIG_MAP: "legacy_configs",
    Kind.POD: "speaker_pods",
    Kind.DRILL: "drills",
}


class Applied(Struct, frozen=True):
    """What one batch of changes did. A mapping of ``before`` that is the same object in ``after`` did not change."""

    before: Snapshot
    after: Snapshot
    touched: frozenset[ObjectKey] = frozenset()
    facts: tuple[Fact, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything is other than it was."""
        return self.before is not self.after


class Store:
    """Holds the current snapshot. One thread calls ``apply``; anybody may read ``snapshot`` and keep it.

    What it shows are the pools in force: of resources, or of MetalLB's old ConfigMap.
    """

    def __init__(self) -> None:
        self.snapshot = self._resources = Snapshot()
        self._in_force = InForce()
        self._slice_service: dict[Name, Name] = {}
        self._wire = FactLevels()

    def apply(self, changes: Iterable[Change]) -> Applied:
        """Make the next snapshot out of ``changes``, in their order. What they leave alone keeps its identity."""
        before = self.snapshot
        draft = _Draft(self._resources, self._slice_service, self._wire)
        for change in changes:
            draft.apply(change)
        resources = draft.finish()
        if resources is not self._resources:
            self._resources, self.snapshot = resources, self._in_force.of(resources)
        return Applied(before, self.snapshot, frozenset(draft.touched), tuple(draft.facts))


class _Draft:
    """The next snapshot in the making: every mapping is copied once, on the first write to it."""

    def __init__(self, base: Snapshot, slice_service: dict[Name, Name], wire: FactLevels) -> None:
        self.touched: set[ObjectKey] = set()
        self.facts: list[Fact] = []
        self._base = base
        self._slice_service = slice_service
        self._wire = wire
        self._fields: dict[str, Any] = {}
        self._own_groups: set[Name] = set()

    def apply(self, change: Change) -> None:
        match change:
            case Upserted(obj):
                self._upsert(obj)
            case Deleted(key):
                self._delete(key)
            case Listed(kind, names):
                self._keep_only(kind, names)
            case Rejected():
                self._reject(change)
            case PoolStatusSeen(name, status):
                self._note_pool(name, status)
            case Noticed(fact):
                self.facts.append(fact)
                self._wire.note(fact)
            case Synced() | Standby() | KeysRead():
                self._note_standing(change)

    def finish(self) -> Snapshot:
        if self.facts:
            for field, value in self._wire.fields().items():
                self._set(field, value)
        return replace(self._base, **self._fields) if self._fields else self._base

    def _upsert(self, obj: Object) -> None:
        key = key_of(obj)
        if isinstance(obj, EndpointSlice):
            self._upsert_slice(key, obj)
            return
        field = FIELD_OF[key.kind]
        if self._now(field).get(key.name) != obj:
            self._own(field)[key.name] = obj
            self.touched.add(key)

    def _upsert_slice(self, key: ObjectKey, obj: EndpointSlice) -> None:
        service = self._slice_service.get(obj.name)
        if service is not None and service != obj.service:
            self._delete(key)
        if self._now("endpoints").get(obj.service, {}).get(obj.name) != obj:
            self._own_group(obj.service)[obj.name] = obj
            self._slice_service[obj.name] = obj.service
            self.touched.add(key)

    def _delete(self, key: ObjectKey) -> None:
        if key.kind is Kind.ENDPOINT_SLICE:
            self._delete_slice(key)
        elif key.name in self._now(FIELD_OF[key.kind]):
            del self._own(FIELD_OF[key.kind])[key.name]
            self.touched.add(key)

    def _keep_only(self, kind: Kind, names: frozenset[Name]) -> None:
        for name in self._names(kind) - names:
            self._delete(ObjectKey(kind, name))

    def _delete_slice(self, key: ObjectKey) -> None:
        service = self._slice_service.pop(key.name, None)
        if service is None:
            return
        group = self._own_group(service)
        del group[key.name]
        if not group:
            del self._own("endpoints")[service]
            self._own_groups.discard(service)
        self.touched.add(key)

    def _note_standing(self, change: Synced | Standby | KeysRead) -> None:
        match change:
            case Synced():
                self._set("synced", True)
            case Standby(on):
                self._set("standby", on)
            case KeysRead(keys):
                self._set("file_keys", keys)

    def _note_pool(self, name: Name, status: PoolStatus | None) -> None:
        if self._now("pool_statuses").get(name) == status:
            return
        if status is None:
            del self._own("pool_statuses")[name]
        else:
            self._own("pool_statuses")[name] = status

    def _reject(self, change: Rejected) -> None:
        self._complain("problems", change.source, change.message if change.serious else "")
        self._complain("notes", change.source, "" if change.serious else change.message)

    def _complain(self, field: str, source: str, message: str) -> None:
        if self._now(field).get(source, "") == message:
            return
        if message:
            self._own(field)[source] = message
        else:
            del self._own(field)[source]

    def _names(self, kind: Kind) -> set[Name]:
        return set(self._slice_service if kind is Kind.ENDPOINT_SLICE else self._now(FIELD_OF[kind]))

    def _now(self, field: str) -> Any:
        return self._fields.get(field, getattr(self._base, field))

    def _own(self, field: str) -> dict[Any, Any]:
        if field not in self._fields:
            self._fields[field] = dict(getattr(self._base, field))
        own: dict[Any, Any] = self._fields[field]
        return own

    def _own_group(self, service: Name) -> dict[Name, EndpointSlice]:
        endpoints = self._own("endpoints")
        if service not in self._own_groups:
            endpoints[service] = dict(endpoints.get(service, {}))
            self._own_groups.add(service)
        group: dict[Name, EndpointSlice] = endpoints[service]
        return group

    def _set(self, field: str, value: object) -> None:
        if self._now(field) != value:
            self._fields[field] = value
