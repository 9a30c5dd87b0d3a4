"""A real Kubernetes API."""

from collections.abc import Iterator

import pytest
from tests.kubernetes.fleet import Fleet
from tests.kubernetes.installation import install

from metalev.lab.kubernetes.controlplane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver on loopback, shared by all tests: each works in a namespace of its own."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    """The same, after ``kubectl apply -k deploy``; nothing runs there."""
    install(control_plane)
    return control_plane


@pytest.fixture(scope="session")
def fleet(installed: ControlPlane) -> Fleet:
    """Two speakers and a controller, as far as tokens go, on the same."""
    fleet = Fleet(installed)
    assert fleet.admin.until(fleet.is_held)
    return fleet
