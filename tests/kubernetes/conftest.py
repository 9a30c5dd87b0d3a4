"""A real Kubernetes API."""

from collections.abc import Iterator

import pytest

from metalev.lab.kubernetes.controlplane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and kube-apiserver on loopback, shared by all tests: each works in a namespace of its own."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane
