"""Nodes, namespaces, the key of the beacons, and what speakers say of themselves."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address

from metalev.adapters.codec import wire
from metalev.adapters.codec.fields import BadField, parse_address
from metalev.model.actions import Conflict, Holding, Patience, SpeakerState
from metalev.model.address import IPAddress
from metalev.model.cluster import OUT_OF_SERVICE_TAINT, BeaconKey, BeaconSecret, Namespace, Node, SpeakerPod
from metalev.model.drills import LONGEST, Drill, DrillMode
from metalev.model.legacy import Remark
from metalev.model.meta import Name

SPEAKER_LABEL = "metalev.io/speaker"
"""The label by which metalev's speakers are told from MetalLB's, which have all others in common with them."""
_COMPONENT_LABEL = "app.kubernetes.io/component"
# In MetalLB's manifests as in its chart; in its FRR mode there are others beside it.
_SPEAKER_CONTAINER = "speaker"
# Without it, MetalLB's speaker runs no memberlist and goes by the list of Nodes alone.
_GOSSIP_VARIABLE = "METALLB_ML_BIND_ADDR"

MIN_KEY_BYTES = 16
_MAX_KEY_ID = 0xFFFF
_KEY_ENTRY = re.compile(r"key-(0|[1-9]\d{0,4})")


def node(document: wire.Node, name: Name) -> Node:
    """Read a Node."""
    status = document.status
    return Node(
        name=name,
        version=document.metadata.resource_version,
        labels=document.metadata.labels,
        addresses=tuple(
            parse_address(item.address, f"status.addresses[{index}].address")
            for index, item in enumerate(status.addresses)
            if item.type == "InternalIP"
        ),
        network_unavailable=any(
            condition.type == "NetworkUnavailable" and condition.status == "True" for condition in status.conditions
        ),
        other_addresses=tuple(_other_addresses(status.addresses)),
        out_of_service=any(taint.key == OUT_OF_SERVICE_TAINT for taint in document.spec.taints),
    )


def namespace(document: wire.Namespace, name: Name) -> Namespace:
    """Read a Namespace, with the label that an API server gives to each (and a file need not)."""
    labels = {"kubernetes.io/metadata.name": name.name} | document.metadata.labels
    return Namespace(name, document.metadata.resource_version, labels)


def speaker_pod(document: wire.Pod, name: Name) -> SpeakerPod | None:
    """Read a pod if it is a speaker: by the labels of MetalLB's manifests or of its chart; ours carry one more."""
    labels = document.metadata.labels
    by_chart = labels.get("app.kubernetes.io/name") == "metallb"
    if labels.get("component") != "speaker" and not (by_chart and labels.get(_COMPONENT_LABEL) == "speaker"):
        return None
    variables = {variable.name for container in document.spec.containers for variable in container.env}
    return SpeakerPod(
        name=name,
        version=document.metadata.resource_version,
        node=document.spec.node_name,
        running=document.status.phase == "Running" and not _is_down(document.status),
        ready=any(one.type == "Ready" and one.status == "True" for one in document.status.conditions),
        foreign=SPEAKER_LABEL not in labels,
        gossips=_GOSSIP_VARIABLE in variables,
    )


def _is_down(status: wire.PodStatus) -> bool:
    """Whether the speaker's container is known not to run: a pod goes on "Running" while one waits to be restarted."""
    states = [one.state for one in status.container_statuses if one.name == _SPEAKER_CONTAINER]
    return bool(states) and all(state.running is None for state in states)


def beacon_secret(document: wire.Secret, name: Name) -> BeaconSecret:
    """Read the Secret ``metalev-beacon``: the keys that sign beacons, each of at least 16 bytes.

    ::

        data:               # base64; or stringData, as plain text, which wins
          key-1: ...        # a key by its id, 0..65535; "key" alone is the same as "key-1"
          key-2: ...
          current: Mg==     # "2": the id of the key that signs; without it the lowest id

    Every key is accepted, so a rotation adds key-2 everywhere, then makes it current, then removes key-1. Bytes count
    as they are, a newline at the end too. Other entries are not read.
    """
    entries = dict(_entries(document))
    keys = sorted(
        (_beacon_key(entry, *value) for entry, value in entries.items() if _key_id(entry) is not None), key=_id
    )
    if not keys:
        raise BadField("data", 'no key in it: write one as "key-1", at least 16 bytes')
    if len({key.id for key in keys}) < len(keys):
        raise BadField("data", '"key" and "key-1" are the same key: keep one of them')
    current = _current(entries)
    if current is not None:
        if current not in {str(key.id) for key in keys}:
            raise BadField("data.current", "names a key that is not there: write the number of one of the keys")
        keys.sort(key=lambda key: str(key.id) != current)
    return BeaconSecret(name, document.metadata.resource_version, tuple(keys))


def unknown_entries(document: object) -> Iterator[Remark]:
    """Yield a remark for each entry of the Secret ``metalev-beacon`` that is neither a key nor names one."""
    for field in ("data", "stringData"):
        entries = document.get(field) if isinstance(document, Mapping) else None
        for entry in entries if isinstance(entries, Mapping) else ():
            if entry != "current" and _key_id(str(entry)) is None:
                yield Remark(
                    f"{field}.{entry}", 0, "unknown entry, it has no effect: there are key-1, key-2... and current"
                )


def speaker_state(document: wire.SpeakerState, name: Name) -> SpeakerState:
    """Read what a speaker wrote of itself."""
    status = document.status
    return SpeakerState(
        name=name,
        version=document.metadata.resource_version,
        holdings=tuple(
            Holding(
                item.group,
                tuple(item.addresses),
                tuple(item.services),
                item.term,
                item.cause,
                tuple(item.interfaces),
            )
            for item in status.holdings
        ),
        peers_heard=tuple(status.peers_heard),
        interfaces=tuple(status.interfaces),
        problems=tuple(status.problems),
        local_addresses=tuple(status.local_addresses),
        gateways=tuple(status.gateways),
        conflicts=tuple(
            Conflict(
                item.address, item.mac, item.interface, item.cause, int(item.since.timestamp()) if item.since else 0
            )
            for item in status.conflicts
        ),
        clean=tuple(status.clean),
        patience=tuple(Patience(item.node, item.seconds, item.cause) for item in status.patience),
    )


def drill(document: wire.Drill, name: Name) -> Drill:
    """Read what an operator drills."""
    spec = document.spec
    if not 1 <= spec.seconds <= LONGEST:
        raise BadField("spec.seconds", f"is {spec.seconds}: write 1 to {LONGEST}")
    if not spec.nodes:
        raise BadField("spec.nodes", "is empty: name the node that announces the address")
    return Drill(
        name=name,
        version=document.metadata.resource_version,
        address=parse_address(spec.address, "spec.address"),
        nodes=tuple(spec.nodes),
        mode=DrillMode(spec.mode),
        seconds=spec.seconds,
    )


def _other_addresses(items: Iterable[wire.NodeAddress]) -> Iterator[IPAddress]:
    """Whatever else is an address among them: an ExternalIP is, a Hostname may be."""
    for item in items:
        if item.type != "InternalIP":
            with suppress(ValueError):
                yield ip_address(item.address)


def _entries(document: wire.Secret) -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Each entry that metalev reads, as bytes and with its path."""
    for entry, text in document.data.items():
        if entry == "current" or _key_id(entry) is not None:
            try:
                yield entry, (base64.b64decode(text, validate=True), f"data.{entry}")
            except binascii.Error:
                raise BadField(f"data.{entry}", "is no base64: encode it, or write it under stringData") from None
    for entry, text in document.string_data.items():
        yield entry, (text.encode(), f"stringData.{entry}")


def _key_id(entry: str) -> int | None:
    if entry == "key":
        return 1
    match = _KEY_ENTRY.fullmatch(entry)
    return int(match[1]) if match else None


def _beacon_key(entry: str, secret: bytes, path: str) -> BeaconKey:
    number = _key_id(entry)
    if number is None or number > _MAX_KEY_ID:
        raise BadField(path, f"the id of a key is at most {_MAX_KEY_ID}")
    if len(secret) < MIN_KEY_BYTES:
        raise BadField(path, f"the key has {len(secret)} bytes: at least {MIN_KEY_BYTES} are needed")
    return BeaconKey(number, secret)


def _current(entries: dict[str, tuple[bytes, str]]) -> str | None:
    value = entries.get("current")
    return value[0].decode(errors="replace").strip() if value else None


def _id(key: BeaconKey) -> int:
    return key.id
