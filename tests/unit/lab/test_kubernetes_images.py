"""What runs in a Pod of the lab."""

from typing import Any

import pytest

from metalev.lab.kubernetes.images import capabilities_of, expand, image_of, metalev
from metalev.lab.kubernetes.probe import port_of


def pod(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "pod"}, "spec": {"containers": [{"name": "c", "image": "nginx", **container}]}}


@pytest.mark.parametrize(
    "image",
    [
        "metalev",
        "metalev:0.1.0",
        "ghcr.io/you/metalev:0.1.0",
        "registry:5000/metalev",
        "registry:5000/you/metalev:v1@sha256:0123",
    ],
)
def test_an_image_is_known_by_its_repository(image: str) -> None:
    assert image_of(pod(image=image), {"metalev": metalev}) is metalev


@pytest.mark.parametrize("image", ["nginx", "metalev-other:1", "other/metalevx", "metalev/other"])
def test_another_image_is_not(image: str) -> None:
    assert image_of(pod(image=image), {"metalev": metalev}) is None


def test_arguments_refer_to_the_environment() -> None:
    assert expand("--node=$(NODE) $(UNKNOWN)", {"NODE": "node1"}) == "--node=node1 $(UNKNOWN)"


@pytest.mark.parametrize(
    ("context", "capabilities"),
    [
        ({}, "all"),
        ({"capabilities": {"drop": ["ALL"]}}, ""),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "NET_ADMIN"]}}, "NET_RAW,NET_ADMIN"),
        ({"capabilities": {"add": ["NET_RAW"]}}, "all"),
    ],
)
def test_capabilities_are_those_of_the_security_context(context: dict[str, Any], capabilities: str) -> None:
    assert capabilities_of(pod(securityContext=context)) == capabilities


def test_a_probes_port_may_be_named() -> None:
    asked = pod(ports=[{"name": "monitoring", "containerPort": 7472}])
    assert [port_of(port, asked) for port in (80, "monitoring")] == [80, 7472]
