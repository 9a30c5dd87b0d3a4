"""What the programs may tell and make: events by two nodes' tokens, and Secrets by the controller's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.kubernetes.fleet import NODES, Fleet
from tests.kubernetes.installation import NAMESPACE

SPEAKER = "metallb-speaker"
A, B = NODES


def event(host: str, component: str = SPEAKER, **fields: Any) -> dict[str, Any]:
    """As a speaker on ``host`` tells it; nowhere, if that is empty."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Service", "name": "web", "namespace": "default"},
        "type": "Normal",
        "reason": "nodeAssigned",
        "message": f'announcing from node "{host}" with protocol "layer2"',
        "source": {"component": component} | ({"host": host} if host else {}),
        "reportingComponent": component,
        "reportingInstance": host,
        "count": 1,
        **fields,
    }


def secret(name: str, **fields: Any) -> dict[str, Any]:
    """In metalev's namespace."""
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
    return {**head, "type": "Opaque", **fields}


def test_a_speaker_tells_events_on_its_own_node(fleet: Fleet) -> None:
    assert fleet.a.would_create(event(A)) == ""
    assert fleet.b.would_create(event(B)) == ""


LIES = [
    ("on another node", event(B), f'alone, not as "{SPEAKER}" on "{B}"'),
    ("on no node", event(""), f'alone, not as "{SPEAKER}" on ""'),
    ("as the controller", event(A, "metallb-controller"), f'alone, not as "metallb-controller" on "{A}"'),
    ("as a kubelet", event(A, "kubelet"), f'alone, not as "kubelet" on "{A}"'),
    ("reported by another node", event(A, reportingInstance=B), "may tell events as"),
    ("reported by somebody else", event(A, reportingComponent="kubelet"), "may tell events as"),
    ("with no source", {key: value for key, value in event(A).items() if key != "source"}, 'not as "" on ""'),
]


@pytest.mark.parametrize(("lie", "said"), [one[1:] for one in LIES], ids=[one[0] for one in LIES])
def test_a_speaker_tells_no_event(fleet: Fleet, lie: dict[str, Any], said: str) -> None:
    refusal = fleet.a.would_create(lie)
    assert "403" in refusal
    assert f"the speaker on node {A}" in refusal
    assert said in refusal


def test_a_token_that_names_no_node_tells_nothing(fleet: Fleet) -> None:
    assert "this token names no node" in fleet.unbound.would_create(event(A))


@pytest.fixture
def told(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """What the first node's speaker told."""
    one = event(A)
    assert fleet.a.create(one) == ""
    yield one
    assert fleet.admin.delete(one) == ""


def test_speakers_that_tell_the_same_count_it(fleet: Fleet, told: dict[str, Any]) -> None:
    again = {"count": 2, "lastTimestamp": "2026-01-01T00:00:00Z"}
    assert fleet.a.patch(told, again) == ""
    assert fleet.b.patch(told, again | {"count": 3}) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"message": "announcing from nowhere"},
        {"message": None},
        {"reason": "announceFailed"},
        {"type": "Warning"},
        {"source": {"host": B}},
        {"source": {"component": "kubelet"}},
        {"source": None},
        {"reportingComponent": "kubelet"},
        {"reportingInstance": B},
        {"involvedObject": {"uid": "of-somebody-else"}},
    ],
    ids=str,
)
def test_no_speaker_changes_what_an_event_says(fleet: Fleet, told: dict[str, Any], change: dict[str, Any]) -> None:
    for speaker in (fleet.a, fleet.b):
        refusal = speaker.patch(told, change)
        assert "403" in refusal
        assert "change nothing that it says" in refusal


def test_a_speaker_leaves_the_events_of_others_alone(fleet: Fleet) -> None:
    other = event("", "metallb-controller")
    assert fleet.controller.create(other) == ""
    assert "may count an event of a speaker" in fleet.a.patch(other, {"count": 2})
    assert fleet.admin.delete(other) == ""


def test_the_controller_makes_the_secret_of_the_beacons(fleet: Fleet) -> None:
    assert fleet.controller.would_create(secret("metalev-beacon")) == ""


@pytest.mark.parametrize(
    "other",
    [
        secret("memberlist"),
        secret("metalev-beacon-2"),
        {**secret("it"), "metadata": {"namespace": NAMESPACE, "generateName": "metalev-beacon"}},
        # Kubernetes would put a token of the speakers into it.
        secret("metalev-beacon", type="kubernetes.io/service-account-token")
        | {
            "metadata": {
                "name": "metalev-beacon",
                "namespace": NAMESPACE,
                "annotations": {"kubernetes.io/service-account.name": "speaker"},
            }
        },
    ],
    ids=["of another name", "of a longer name", "of a name to be made", "of a token"],
)
def test_the_controller_makes_no_other_secret(fleet: Fleet, other: dict[str, Any]) -> None:
    assert "may create the Secret metalev-beacon alone" in fleet.controller.would_create(other)


def test_everybody_else_makes_secrets_and_events_as_before(fleet: Fleet) -> None:
    assert fleet.admin.would_create(secret("anything")) == ""
    assert fleet.admin.would_create(event(B, "kubelet")) == ""
