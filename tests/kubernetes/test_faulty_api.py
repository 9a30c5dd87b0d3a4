"""On the faulty way to the API server, what a test names goes wrong, and nothing else."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalev.lab.kubernetes.controlplane import ControlPlane
from metalev.lab.kubernetes.faulty import FaultyApi
from metalev.lab.namespace import LabError

NAMESPACE = "faulty-api"
CONFIG_MAPS = rf"/namespaces/{NAMESPACE}/configmaps"


@pytest.fixture(scope="module")
def config(control_plane: ControlPlane) -> Path:
    """The kubeconfig of a ServiceAccount that may do everything with ConfigMaps in its namespace."""
    control_plane.kubectl("create", "namespace", NAMESPACE)
    control_plane.kubectl("create", "serviceaccount", "-n", NAMESPACE, "tester")
    subject = f"--serviceaccount={NAMESPACE}:tester"
    control_plane.kubectl("create", "role", "-n", NAMESPACE, "tester", "--verb=*", "--resource=configmaps")
    control_plane.kubectl("create", "rolebinding", "-n", NAMESPACE, "tester", "--role=tester", subject)
    return control_plane.service_account(NAMESPACE, "tester")


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[FaultyApi]:
    with FaultyApi(control_plane) as faulty:
        yield faulty


class Client:
    """kubectl by the faulty way."""

    def __init__(self, plane: ControlPlane, api: FaultyApi, config: Path) -> None:
        self._plane = plane
        self._config = api.kubeconfig(config)

    def __call__(self, *arguments: str) -> str:
        return self._plane.kubectl(*arguments, config=self._config)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(self._plane.binaries / "kubectl"), f"--kubeconfig={self._config}", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def client(control_plane: ControlPlane, api: FaultyApi, config: Path) -> Client:
    return Client(control_plane, api, config)


def names(plane: ControlPlane) -> list[str]:
    return plane.kubectl("get", "configmaps", "-n", NAMESPACE, "-o", "name").split()


def test_requests_go_their_way(client: Client, api: FaultyApi) -> None:
    client("create", "configmap", "plain", "--from-literal=a=b")
    assert json.loads(client("get", "configmap", "plain", "-o", "json"))["data"] == {"a": "b"}
    assert api.count(f"POST .*{CONFIG_MAPS}") == 1


def test_an_answer_is_given_in_the_servers_place_as_often_as_is_said(client: Client, api: FaultyApi) -> None:
    api.answer(f"GET .*{CONFIG_MAPS}", 403, times=1)
    with pytest.raises(LabError, match="the test says 403"):
        client("get", "configmaps")
    client("get", "configmaps")


def test_a_server_that_is_too_busy_says_when_to_come_again(client: Client, api: FaultyApi) -> None:
    fault = api.answer(f"GET .*{CONFIG_MAPS}", 429, retry_after=1, times=1)
    client("get", "configmaps")  # waits, and asks again
    assert fault.hits == 1
    assert [request.status for request in api.requests if "configmaps" in request.what] == [429, 200]


def test_a_request_that_is_held_is_not_seen_before_its_release(
    client: Client, api: FaultyApi, control_plane: ControlPlane
) -> None:
    held = api.hold(f"POST .*{CONFIG_MAPS}")
    with client.begin("create", "configmap", "held") as creating:
        held.wait()
        assert "configmap/held" not in names(control_plane)
        held.release()
        assert creating.wait(20) == 0
    assert "configmap/held" in names(control_plane)


def test_a_held_request_goes_on_when_its_sender_is_gone(
    client: Client, api: FaultyApi, control_plane: ControlPlane
) -> None:
    held = api.hold(f"POST .*{CONFIG_MAPS}")
    with client.begin("create", "configmap", "orphan") as creating:
        held.wait()
        creating.kill()
    held.release()
    control_plane.kubectl("wait", "-n", NAMESPACE, "configmap/orphan", "--for=create", "--timeout=20s")


def test_an_answer_is_cut_in_the_middle(client: Client, api: FaultyApi) -> None:
    api.cut(f"GET .*{CONFIG_MAPS}", after=10)
    with pytest.raises(LabError, match="EOF"):
        client("get", "configmaps")


def test_a_watch_is_cut_in_the_middle_of_an_object(client: Client, api: FaultyApi) -> None:
    client("create", "configmap", "watched")
    api.cut("GET .*watch=true", after=25)
    with pytest.raises(LabError, match="EOF"):
        client("get", "--raw", f"/api/v1{CONFIG_MAPS}?watch=true&resourceVersion=0")


def test_all_is_well_again_after_a_healing(client: Client, api: FaultyApi) -> None:
    api.answer(".", 500)
    api.heal()
    client("get", "configmaps")


def test_a_test_is_told_when_nothing_comes(api: FaultyApi) -> None:
    with pytest.raises(LabError, match="no request matched"):
        api.hold("DELETE").wait(timeout=0.01)
