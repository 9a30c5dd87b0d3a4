"""Who waits for another number or family of addresses than the Service gets is told so, and not left to time out."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from metalev.lab.cluster import LabCluster
from metalev.lab.namespace import LabError
from metalev.lab.topology import home_network
from metalev.model.meta import Name
from metalev.model.services import Service, ServiceStatus
from metalev.model.snapshot import Snapshot


class Settled:
    """Packet filters that follow a cluster in which nothing happens any more."""

    def __init__(self, *addresses: str) -> None:
        service = Service(Name("default", "web"), status=ServiceStatus(tuple(map(ip_address, addresses))))
        self.snapshot = Snapshot(services={service.name: service})

    def wait_for(self, what: str, wanted: Callable[[Snapshot], bool], timeout: float) -> float:
        if not wanted(self.snapshot):
            raise LabError(f"not within {timeout:g} s: {what}")
        return 0.0


def cluster_with(directory: Path, *addresses: str) -> LabCluster:
    cluster, proxies = LabCluster(home_network(ipv6=True), directory), Settled(*addresses)
    replaced: Any = proxies
    cluster._proxies = replaced
    return cluster


def test_a_service_of_ipv4_has_one_address(tmp_path: Path) -> None:
    assert cluster_with(tmp_path, "192.168.1.200").wait_for_address("web") == ip_address("192.168.1.200")


def test_who_waits_for_one_address_of_a_dual_stack_service_is_told_how_to_get_both(tmp_path: Path) -> None:
    cluster = cluster_with(tmp_path, "192.168.1.200", "fd00::200")
    with pytest.raises(LabError) as caught:
        cluster.wait_for_address("web")
    found = "web has 2 addresses (192.168.1.200, fd00::200), not 1"
    assert str(caught.value) == f'{found}: wait_for_addresses("web", 2) gives them'
    assert len(cluster.wait_for_addresses("web", 2)) == 2


def test_who_waits_for_an_ipv4_address_of_a_service_of_ipv6_is_told_so(tmp_path: Path) -> None:
    cluster = cluster_with(tmp_path, "fd00::200")
    with pytest.raises(LabError, match="web has fd00::200, which is no IPv4 address: wait_for_addresses gives it"):
        cluster.wait_for_address("web")


def test_an_address_that_does_not_come_is_waited_for_in_vain(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="not within 60 s: web gets an address"):
        cluster_with(tmp_path).wait_for_address("web")
