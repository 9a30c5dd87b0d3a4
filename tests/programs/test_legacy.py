"""MetalLB's old ConfigMap in front of the real controller, as a guide from MetalLB's first years has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guide import CONFIG, POOLS_ALONE, TWO_POOLS, WEB_PROD
from tests.programs.program import Program, get, until, until_stale
from tests.programs.test_controller import ingress

DEVELOPMENT = TWO_POOLS[TWO_POOLS.index("    - name: development") :]
RESOURCES = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: new, namespace: metallb-system}
spec: {addresses: [192.168.1.100/32]}
"""


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    """The manifests of a guide: the ConfigMap with its default pool, and a Service."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    write_config(folder, "default", "192.168.1.200-192.168.1.210")
    (folder / "web.yaml").write_text(web_of("default"))
    return folder


@pytest.fixture
def controller(guide: Path) -> Iterator[Program]:
    with Program("controller", "--manifests", guide, "--metrics-address", "127.0.0.1:0") as program:
        yield program


def write_config(folder: Path, name: str, addresses: str, more: str = "") -> None:
    one = CONFIG.replace("name: default", f"name: {name}").replace("192.168.1.200-192.168.1.210", addresses)
    (folder / "config.yaml").write_text(one + more)


def web_of(pool: str) -> str:
    """The guide's Service, of another pool than it names."""
    return WEB_PROD.replace("address-pool: production", f"address-pool: {pool}")


def test_a_service_gets_an_address_of_the_guides_pool(controller: Program, guide: Path) -> None:
    controller.wait_for(r'default/web-prod: Assigned IP \["192\.168\.1\.200"\]')
    assert ingress(guide, "web-prod") == [{"ip": "192.168.1.200"}]


def test_the_guides_pools_for_production_and_development_are_asked_for_by_name(guide: Path) -> None:
    write_config(guide, "production", "192.168.1.200-192.168.1.205", DEVELOPMENT)
    (guide / "web.yaml").write_text(WEB_PROD)
    (guide / "dev.yaml").write_text(web_of("development").replace("web-prod", "web-dev"))
    with Program("controller", "--manifests", guide, "--metrics-address", "off") as controller:
        controller.wait_for(r'default/web-dev: Assigned IP \["192\.168\.1\.206"\]')
        controller.wait_for(r'default/web-prod: Assigned IP \["192\.168\.1\.200"\]')


def test_the_guides_list_of_pools_alone_works_too(guide: Path) -> None:
    (guide / "config.yaml").write_text(POOLS_ALONE)
    (guide / "web.yaml").write_text(WEB_PROD)
    (guide / "stage.yaml").write_text(web_of("staging").replace("web-prod", "web-stage"))
    with Program("controller", "--manifests", guide, "--metrics-address", "off") as controller:
        controller.wait_for(r'default/web-prod: Assigned IP \["192\.168\.1\.200"\]')
        controller.wait_for(r'default/web-stage: Assigned IP \["192\.168\.1\.206"\]')


def test_an_edit_of_the_range_is_applied_at_once(controller: Program, guide: Path) -> None:
    controller.wait_for("default/web-prod: Assigned IP")
    write_config(guide, "default", "192.168.1.220-192.168.1.230")
    controller.wait_for(r'default/web-prod: Assigned IP \["192\.168\.1\.220"\]')


def test_a_larger_range_moves_nobody_and_serves_who_waits(controller: Program, guide: Path) -> None:
    write_config(guide, "default", "192.168.1.200/32")
    (guide / "more.yaml").write_text(web_of("default").replace("web-prod", "web-two"))
    controller.wait_for("default/web-two: Failed to allocate IP|default/web-two.*no available IPs")
    write_config(guide, "default", "192.168.1.200/31")
    controller.wait_for(r'default/web-two: Assigned IP \["192\.168\.1\.201"\]')
    assert ingress(guide, "web-prod") == [{"ip": "192.168.1.200"}]


def test_a_mistake_is_named_by_its_lines_and_the_last_good_pools_stay(controller: Program, guide: Path) -> None:
    port = controller.metrics_port()
    controller.wait_for("default/web-prod: Assigned IP")
    write_config(guide, "default", "192.168.1.210-192.168.1.200")
    controller.wait_for(
        r"config\.yaml:12: ConfigMap metallb-system/config: data\.config: line 5: address-pools\[0\]\.addresses\[0\]: "
        r'invalid IP range "192\.168\.1\.210-192\.168\.1\.200": start IP "192\.168\.1\.210" is after the end IP'
    )
    until_stale(port, expected=True)
    assert ingress(guide, "web-prod") == [{"ip": "192.168.1.200"}]
    write_config(guide, "default", "192.168.1.200-192.168.1.211")
    controller.wait_for(r"config\.yaml:12: nothing is wrong there any more")
    until_stale(port, expected=False)


def test_resources_win_and_the_config_map_is_told(controller: Program, guide: Path) -> None:
    controller.wait_for("default/web-prod: Assigned IP")
    (guide / "web.yaml").write_text(web_of("new"))
    (guide / "resources.yaml").write_text(RESOURCES)
    seen = {
        controller.wait_for(r"metallb-system/config: nothing in this ConfigMap is used|Assigned IP .*100")[0][:12]
        for _ in range(2)
    }
    assert seen == {"metallb-syst", "Assigned IP "}
    assert ingress(guide, "web-prod") == [{"ip": "192.168.1.100"}]


def test_counts_of_its_pools_are_shown_and_written(controller: Program, guide: Path) -> None:
    port = controller.metrics_port()
    controller.wait_for("default/web-prod: Assigned IP")
    (guide / "more.yaml").write_text(web_of("default").replace("web-prod", "web-two"))
    controller.wait_for("default/web-two: Assigned IP")
    assert 'metallb_allocator_addresses_total{pool="default"} 11.0' in get(port, "/metrics")[1]
    until("it is written", (guide / ".metalev" / "controller" / "pools" / "default.yaml").exists)


def test_bgp_is_named_as_not_supported_and_is_no_mistake(guide: Path) -> None:
    peers = "    peers: [{my-asn: 64512, peer-asn: 64513, peer-address: 10.0.0.1}]\n"
    write_config(guide, "default", "192.168.1.200-192.168.1.210", peers)
    with Program("controller", "--manifests", guide, "--metrics-address", "127.0.0.1:0") as controller:
        port = controller.metrics_port()
        controller.wait_for(r"config\.yaml:13: .*data\.config: line 6: peers: BGP is not supported yet")
        controller.wait_for("default/web-prod: Assigned IP")
        until_stale(port, expected=False)


def test_a_released_address_of_its_pools_rests_over_a_restart(guide: Path) -> None:
    options = ("controller", "--manifests", guide, "--metrics-address", "off", "--log-level", "debug")
    with Program(*options) as controller:
        controller.wait_for(r'default/web-prod: Assigned IP \["192\.168\.1\.200"\]')
        (guide / "web.yaml").unlink()
        controller.wait_for("pool default: 0 IPv4 .* 1 rest")
    (guide / "next.yaml").write_text(web_of("default").replace("web-prod", "web-next"))
    with Program(*options) as successor:
        successor.wait_for(r'default/web-next: Assigned IP \["192\.168\.1\.201"\]')
