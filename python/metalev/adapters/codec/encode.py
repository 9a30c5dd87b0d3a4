"""What metalev writes, as plain mappings in Kubernetes' shape."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from metalev.adapters.codec.fields import Document
from metalev.adapters.codec.kinds import API_VERSION
from metalev.adapters.codec.services import OLD_POOL_ANNOTATION, POOL_ANNOTATION
from metalev.model.actions import Configuration, Conflict, Event, SpeakerState
from metalev.model.cluster import BeaconKey
from metalev.model.drills import Drill
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import PoolStatus
from metalev.model.services import Condition, ConditionStatus, Service, ServiceStatus

Encoded: TypeAlias = dict[str, Any]

MESSAGE_LENGTH = 32768
"""Of a ``metav1.Condition``'s message. With a longer one the API server refuses everything that comes with it."""


def timestamp(moment: datetime) -> str:
    """``metav1.Time``: RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def service_status(name: Name, status: ServiceStatus, now: datetime, previous: Document | None = None) -> Encoded:
    """A Service reduced to what metalev says of it. ``previous`` is what it said before, for the transition times."""
    document = _object(ObjectKey(Kind.SERVICE, name))
    if status.pool:
        document["metadata"]["annotations"] = {POOL_ANNOTATION: status.pool}
    document["status"] = {
        "loadBalancer": {"ingress": [{"ip": str(address)} for address in status.addresses]},
        "conditions": conditions(status.conditions, now, previous),
    }
    return document


def service_patch(service: Service, status: ServiceStatus, now: datetime) -> Encoded:
    """What leads from ``service`` to ``status``, as a strategic merge patch of its status subresource.

    It names the version that was read. Conditions are merged by their type, so that those of others, and the transition
    times of ours that stay, are left alone.
    """
    before = {condition.type: condition for condition in service.status.conditions}
    wanted = {condition.type: condition for condition in status.conditions}
    news = [condition for condition in status.conditions if before.get(condition.type) != condition]
    changed = [
        {
            key: text
            for key, text in item.items()
            if key != "lastTransitionTime" or not _same(before.get(item["type"]), item)
        }
        for item in conditions(news, now)
    ]
    gone = [{"type": name, "$patch": "delete"} for name in before.keys() - wanted.keys()]
    patch: Encoded = {"metadata": {"resourceVersion": service.version}, "status": {}}
    if status.addresses != service.status.addresses:
        patch["status"]["loadBalancer"] = {"ingress": [{"ip": str(address)} for address in status.addresses] or None}
    if changed or gone:
        patch["status"]["conditions"] = [*changed, *sorted(gone, key=lambda item: item["type"])]
    if status.pool != service.status.pool:
        patch["metadata"]["annotations"] = {POOL_ANNOTATION: status.pool or None, OLD_POOL_ANNOTATION: None}
    return patch


def _same(before: Condition | None, item: Encoded) -> bool:
    return before is not None and (str(before.status), before.reason) == (item["status"], item["reason"])


def conditions(wanted: Iterable[Condition], now: datetime, previous: Document | None = None) -> list[Encoded]:
    """``metav1.Condition``s; one whose status and reason are as in ``previous`` keeps its lastTransitionTime."""
    before = {_sameness(item): item["lastTransitionTime"] for item in _conditions_of(previous)}
    return [
        {
            "type": condition.type,
            "status": str(condition.status),
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": before.get((condition.type, str(condition.status), condition.reason), timestamp(now)),
        }
        for condition in wanted
    ]


def pool_status(name: Name, status: PoolStatus) -> Encoded:
    """An IPAddressPool reduced to its status; ``resting`` is ours, and there while something rests."""
    counts: Encoded = {
        "assignedIPv4": status.assigned_ipv4,
        "assignedIPv6": status.assigned_ipv6,
        "availableIPv4": status.available_ipv4,
        "availableIPv6": status.available_ipv6,
    }
    resting = [
        {
            "address": str(one.address),
            "service": str(one.service),
            "until": timestamp(datetime.fromtimestamp(one.until, UTC)),
        }
        for one in status.resting
    ]
    return _object(ObjectKey(Kind.POOL, name)) | {"status": counts | ({"resting": resting} if resting else {})}


def speaker_state(state: SpeakerState) -> Encoded:
    """A SpeakerState (``metalev.io/v1alpha1``)."""
    return _object(ObjectKey(Kind.SPEAKER_STATE, state.name)) | {
        "status": {
            "holdings": [msgspec.to_builtins(holding) for holding in state.holdings],
            "peersHeard": list(state.peers_heard),
            "interfaces": list(state.interfaces),
            "problems": list(state.problems),
            "localAddresses": list(state.local_addresses),
            "gateways": list(state.gateways),
            "conflicts": [_conflict(conflict) for conflict in state.conflicts],
            "clean": list(state.clean),
            "patience": [msgspec.to_builtins(patience) for patience in state.patience],
        }
    }


def drill(drill: Drill) -> Encoded:
    """A Drill (``metalev.io/v1alpha1``)."""
    spec = {
        "address": str(drill.address),
        "nodes": list(drill.nodes),
        "mode": str(drill.mode),
        "seconds": drill.seconds,
    }
    return _object(ObjectKey(Kind.DRILL, drill.name)) | {"spec": spec}


def _conflict(conflict: Conflict) -> Encoded:
    document: Encoded = msgspec.to_builtins(conflict)
    return document | {"since": timestamp(datetime.fromtimestamp(conflict.since, UTC))}


def configuration_name(writer: str) -> str:
    """The name of a program's ``ConfigurationState``: MetalLB's."""
    return writer if writer == "controller" else f"speaker-{writer}"


def configuration(
    writer: str, configuration: Configuration, now: datetime, previous: Document | None = None
) -> Encoded:
    """A ``ConfigurationState`` of ``writer``, ``controller`` or a node. ``previous`` is for the transition times."""
    everything = (*configuration.problems, *configuration.pool_problems)
    labels = {"metallb.io/component-type": "controller" if writer == "controller" else "speaker"}
    if writer != "controller":
        labels["metallb.io/node-name"] = writer
    parts = (("configReconcilerValid", configuration.problems), ("poolReconcilerValid", configuration.pool_problems))
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "ConfigurationState",
        "metadata": {"name": configuration_name(writer), "labels": labels},
        "status": {
            "result": "Invalid" if everything else "Valid",
            "errorSummary": _lines(everything),
            "conditions": conditions([_validity(name, problems) for name, problems in parts], now, previous),
        },
    }


def _validity(name: str, problems: tuple[str, ...]) -> Condition:
    if problems:
        return Condition(name, ConditionStatus.FALSE, "ConfigurationError", _lines(problems))
    return Condition(name, ConditionStatus.TRUE, "Reconciled", "")


def _lines(problems: tuple[str, ...]) -> str:
    """A line for each; of more than a condition can hold the first ones, and how many there are besides."""
    text = "\n".join(problems)
    if len(text) <= MESSAGE_LENGTH:
        return text
    room = MESSAGE_LENGTH - len(f"\n... and {len(problems)} more")
    kept = text[: room + 1].rpartition("\n")[0] or text[:room]
    left = len(problems) - len(kept.splitlines())
    return f"{kept}\n... and {left} more"


def beacon_secret(name: Name, key: BeaconKey) -> Encoded:
    """The Secret of the beacons with one key."""
    entry = {f"key-{key.id}": base64.b64encode(key.secret).decode()}
    return _object(ObjectKey(Kind.SECRET, name)) | {"type": "Opaque", "data": entry}


def event(event: Event, name: str, count: int, first: str, last: str, *, host: str = "") -> Encoded:
    """A core ``v1`` Event named ``name``, seen ``count`` times between ``first`` and ``last`` (:func:`timestamp`).

    ``host`` is the node whose speaker tells it.
    """
    regarding = event.regarding
    involved = _object(regarding)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # Kubernetes puts the events on objects without a namespace into `default`.
        "metadata": {"namespace": regarding.name.namespace or "default", "name": name},
        "involvedObject": {key: involved[key] for key in ("apiVersion", "kind")} | involved["metadata"],
        "type": str(event.type),
        "reason": event.reason,
        "message": event.message,
        "source": {"component": event.component} | ({"host": host} if host else {}),
        "count": count,
        "firstTimestamp": first,
        "lastTimestamp": last,
    }


def _object(key: ObjectKey) -> Encoded:
    namespace = {"namespace": key.name.namespace} if key.name.namespace else {}
    return {
        "apiVersion": API_VERSION[key.kind],
        "kind": str(key.kind),
        "metadata": {**namespace, "name": key.name.name},
    }


def _conditions_of(document: Document | None) -> list[Mapping[str, str]]:
    match document:
        case {"status": {"conditions": list(found)}}:
            return [item for item in found if isinstance(item, dict) and "lastTransitionTime" in item]
        case _:
            return []


def _sameness(condition: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    return condition.get("type"), condition.get("status"), condition.get("reason")
