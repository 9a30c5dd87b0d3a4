"""MetalLB's ``ConfigurationState``: what one program makes of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import field

from metalev.adapters.codec import encode, wire
from metalev.adapters.codec.decode import Json
from metalev.adapters.kubernetes.api import MERGE, Api
from metalev.adapters.kubernetes.errors import ApiError
from metalev.adapters.kubernetes.troubles import Troubles
from metalev.adapters.kubernetes.upkeep import Upkeep
from metalev.model.actions import Configuration
from metalev.model.meta import ObjectKey
from metalev.ports.clock import Clock


class _Object(wire.Wire, frozen=True):
    metadata: wire.Stamp
    status: dict[str, Any] = field(default_factory=dict)


class ConfigurationStates(Upkeep[Configuration]):
    """Keeps the object of one program; whoever deletes or edits it finds it again.

    It is told of that one object by a :class:`.reflector.Reflector`.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        writer: str,
        clock: Clock,
        troubles: Troubles,
        *,
        owner: Callable[[], Mapping[str, str] | None] = lambda: None,
    ) -> None:
        """``writer`` is ``controller`` or a node's name; ``owner`` gives the reference to what the object goes with."""
        self.name = encode.configuration_name(writer)
        self.path = f"/apis/metallb.io/v1beta1/namespaces/{namespace}/configurationstates"
        self._api = api
        self._writer = writer
        self._clock = clock
        self._owner = owner
        self._written: dict[str, Any] | None = None
        super().__init__(f"configuration state {self.name}", troubles)

    def take(self, raw: Json) -> ObjectKey | None:
        """The object as it now is."""
        status = msgspec.json.decode(raw, type=_Object).status
        if self._written is not None and not _equal(status, self._written):
            self.spoilt()
        return None

    def drop(self, raw: Json) -> None:  # noqa: ARG002
        """The object is gone."""
        self.spoilt()

    def listed(self, seen: object, version: str) -> None:
        """Whether it was there is found out by writing it."""

    def restored(self) -> None:
        """It is written by what it says, not by its version."""

    def _say(self, wanted: Configuration) -> None:
        now: datetime = self._clock.wall()
        document = encode.configuration(self._writer, wanted, now)
        path = f"{self.path}/{self.name}"
        try:
            before = msgspec.json.decode(self._api.get(path), type=_Object).status
        except ApiError as error:
            if error.status != 404:
                raise
            self._create({key: document[key] for key in ("apiVersion", "kind", "metadata")})
            before = {}
        status = encode.configuration(self._writer, wanted, now, {"status": before})["status"]
        self._written = status
        if not _equal(before, status):
            self._api.patch(f"{path}/status", {"status": status}, MERGE)

    def _create(self, document: dict[str, Any]) -> None:
        if (owner := self._owner()) is not None:
            document["metadata"]["ownerReferences"] = [owner]
        try:
            self._api.post(self.path, document)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two statuses say the same, whenever they began to."""
    return _without_times(one) == _without_times(other)


def _without_times(status: dict[str, Any]) -> dict[str, Any]:
    conditions = [
        {key: value for key, value in condition.items() if key != "lastTransitionTime"}
        for condition in status.get("conditions", ())
    ]
    return {**status, "errorSummary": status.get("errorSummary", ""), "conditions": conditions}
