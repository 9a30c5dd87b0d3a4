"""Which pods are speakers, and whose."""

from typing import Any

import msgspec
import pytest

from metalev.adapters.codec import Codec
from metalev.model.cluster import SpeakerPod
from metalev.model.meta import Kind


def read(labels: dict[str, str], *variables: str, **status: object) -> SpeakerPod | None:
    document: dict[str, Any] = {
        "metadata": {"name": "speaker-x", "namespace": "metallb-system", "labels": labels},
        "spec": {"nodeName": "node1", "containers": [{"name": "speaker", "env": [{"name": one} for one in variables]}]},
        "status": {"phase": "Running", **status},
    }
    obj = Codec("metallb-system").read(Kind.POD, msgspec.json.encode(document))
    assert obj is None or isinstance(obj, SpeakerPod)
    return obj


@pytest.mark.parametrize(
    "labels",
    [
        {"app": "metallb", "component": "speaker"},
        {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"},
    ],
)
def test_a_speaker_of_metallb_is_known_by_the_labels_of_its_manifests_and_of_its_chart(labels: dict[str, str]) -> None:
    pod = read(labels)
    assert pod is not None
    assert (pod.node, pod.running, pod.foreign) == ("node1", True, True)


def test_a_speaker_of_ours_carries_one_label_more() -> None:
    pod = read({"app": "metallb", "component": "speaker", "metalev.io/speaker": "true"})
    assert pod is not None
    assert not pod.foreign


@pytest.mark.parametrize("labels", [{}, {"app": "metallb", "component": "controller"}, {"app": "web"}])
def test_other_pods_are_nobodys_business(labels: dict[str, str]) -> None:
    assert read(labels) is None


def test_a_speaker_gossips_if_it_was_given_an_address_for_it() -> None:
    labels = {"component": "speaker"}
    gossips = [pod.gossips for pod in (read(labels, "METALLB_ML_BIND_ADDR"), read(labels)) if pod]
    assert gossips == [True, False]


@pytest.mark.parametrize(
    ("container", "state", "running"),
    [
        ("speaker", {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, True),
        ("speaker", {"waiting": {"reason": "CrashLoopBackOff"}}, False),
        ("speaker", {"terminated": {"exitCode": 1}}, False),
        ("frr", {"waiting": {"reason": "CrashLoopBackOff"}}, True),
    ],
)
def test_a_speaker_does_not_run_while_its_container_waits_to_be_restarted(
    container: str, state: dict[str, object], running: bool
) -> None:
    pod = read({"component": "speaker"}, containerStatuses=[{"name": container, "state": state}])
    assert pod is not None
    assert pod.running == running


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False)])
def test_a_speaker_is_ready_by_its_condition(status: str, ready: bool) -> None:
    pod = read({"component": "speaker"}, conditions=[{"type": "Ready", "status": status}])
    assert pod is not None
    assert pod.ready == ready
