"""Which node a Pod of the lab goes to."""

from typing import Any

import pytest

from metalev.lab.kubernetes.scheduler import choose

READY = [{"type": "Ready", "status": "True"}]
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def node(name: str, *, conditions: Any = READY, room: int = 2, **spec: Any) -> dict[str, Any]:
    status = {"conditions": conditions, "allocatable": {"pods": str(room)}}
    return {"metadata": {"name": name, "labels": {"rack": name}}, "spec": spec, "status": status}


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "pod"}, "spec": spec}


def daemon(name: str, **spec: Any) -> dict[str, Any]:
    fields = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    terms = {"nodeSelectorTerms": [fields]}
    return pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}, **spec)


def test_it_goes_to_the_node_with_fewest_pods() -> None:
    assert choose(pod(), [node("a"), node("b")], [pod(nodeName="a")]) == "b"


def test_it_waits_while_no_node_is_ready() -> None:
    assert choose(pod(), [node("a", conditions=[])], []) is None


def test_it_waits_while_every_node_is_full() -> None:
    assert choose(pod(), [node("a", room=1)], [pod(nodeName="a")]) is None


def test_a_pod_on_the_nodes_network_needs_no_room() -> None:
    assert choose(pod(hostNetwork=True), [node("a", room=0)], []) == "a"


def test_pods_on_the_nodes_network_take_no_room() -> None:
    assert choose(pod(), [node("a", room=1)], [pod(nodeName="a", hostNetwork=True)]) == "a"


def test_it_goes_where_its_selector_points() -> None:
    assert choose(pod(nodeSelector={"rack": "b"}), [node("a"), node("b")], [pod(nodeName="b")]) == "b"


def test_it_stays_away_from_a_cordoned_node() -> None:
    assert choose(pod(), [node("a", unschedulable=True)], []) is None


def test_a_pod_of_a_daemon_set_goes_to_its_node_though_it_is_cordoned() -> None:
    assert choose(daemon("b"), [node("a"), node("b", unschedulable=True)], []) == "b"


@pytest.mark.parametrize(
    ("toleration", "goes"),
    [
        ({"operator": "Exists"}, True),
        ({"key": NOT_READY["key"], "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": NOT_READY["key"]}, True),
        ({"key": NOT_READY["key"], "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": NOT_READY["key"], "value": "other"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_a_taint_is_tolerated_by_key_value_and_effect(toleration: dict[str, str], *, goes: bool) -> None:
    tainted = node("a", taints=[NOT_READY])
    assert choose(pod(tolerations=[toleration]), [tainted], []) == ("a" if goes else None)
    assert choose(daemon("a", tolerations=[toleration]), [tainted], []) == ("a" if goes else None)


def test_it_stays_away_from_a_taint() -> None:
    assert choose(pod(), [node("a", taints=[NOT_READY])], []) is None
