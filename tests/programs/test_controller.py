"""``metalev controller`` as a process over real files."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.programs.program import Program, get, refused

API = """\
apiVersion: v1
kind: Service
metadata: {name: api, namespace: default}
spec: {type: LoadBalancer, ports: [{port: 80}]}
"""


@pytest.fixture
def controller(manifests: Path) -> Iterator[Program]:
    options = ("--metrics-address", "127.0.0.1:0", "--log-level", "debug")
    with Program("controller", "--manifests", manifests, *options) as program:
        yield program


def ingress(manifests: Path, service: str) -> object:
    status = manifests / ".metalev" / "controller" / "services" / "default" / f"{service}.yaml"
    return yaml.safe_load(status.read_text())["status"]["loadBalancer"]["ingress"]


def test_a_service_gets_an_address_in_its_status_file(controller: Program, manifests: Path) -> None:
    controller.wait_for(r'default/web: Assigned IP \["192\.0\.2\.200"\]')
    assert ingress(manifests, "web") == [{"ip": "192.0.2.200"}]


def test_a_service_that_is_added_gets_the_next_one(controller: Program, manifests: Path) -> None:
    controller.wait_for("default/web: Assigned IP")
    (manifests / "api.yaml").write_text(API)
    controller.wait_for("default/api: Assigned IP")
    assert ingress(manifests, "api") == [{"ip": "192.0.2.201"}]


def test_a_second_controller_refuses_and_names_the_first(controller: Program, manifests: Path) -> None:
    controller.wait_for("the controller reads")
    line = refused("controller", "--manifests", manifests, "--metrics-address", "off")
    assert line.startswith("the controller already runs on ")
    assert f"as process {controller.pid} " in line


def test_a_controller_whose_lock_was_removed_writes_no_more(controller: Program, manifests: Path) -> None:
    controller.wait_for("default/web: Assigned IP")
    (manifests / ".metalev" / "controller" / "lock").unlink()
    with Program("controller", "--manifests", manifests, "--metrics-address", "off") as successor:
        successor.wait_for("the controller reads")
        (manifests / "api.yaml").write_text(API)
        successor.wait_for("default/api: Assigned IP")
        status, said = controller.end()
    assert status == 1
    assert "this controller has lost the right to write" in said


def test_a_new_controller_takes_over_where_the_killed_one_stopped(controller: Program, manifests: Path) -> None:
    controller.wait_for("default/web: Assigned IP")
    controller.signal(signal.SIGKILL)
    controller.end()
    (manifests / "api.yaml").write_text(API)
    with Program("controller", "--manifests", manifests, "--metrics-address", "off") as successor:
        successor.wait_for(r'default/api: Assigned IP \["192\.0\.2\.201"\]')
    assert ingress(manifests, "web") == [{"ip": "192.0.2.200"}]


def test_an_address_rests_over_a_restart_and_goes_back_to_its_own_service(controller: Program, manifests: Path) -> None:
    controller.wait_for("default/web: Assigned IP")
    world = (manifests / "world.yaml").read_text()
    others = [one for one in world.split("---\n") if "kind: Service\n" not in one]
    (manifests / "world.yaml").write_text("---\n".join(others))
    controller.wait_for(", 1 rest")
    controller.signal(signal.SIGKILL)
    controller.end()
    (manifests / "api.yaml").write_text(API)
    with Program("controller", "--manifests", manifests, "--metrics-address", "off") as successor:
        successor.wait_for(r'default/api: Assigned IP \["192\.0\.2\.201"\]')
        (manifests / "world.yaml").write_text(world)
        successor.wait_for(r'default/web: Assigned IP \["192\.0\.2\.200"\]')


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(controller: Program, number: signal.Signals) -> None:
    controller.wait_for("default/web: Assigned IP")
    controller.signal(number)
    status, said = controller.end()
    assert status == 0
    assert "Traceback" not in said


def test_it_is_healthy_ready_and_shows_its_pools(controller: Program) -> None:
    port = controller.metrics_port()
    controller.wait_for("pool main: 1 IPv4")
    assert get(port, "/healthz") == (200, "ok\n")
    assert get(port, "/readyz") == (200, "ok\n")
    assert 'metallb_allocator_addresses_total{pool="main"} 2.0' in get(port, "/metrics")[1]


def test_it_keeps_no_capability(controller: Program) -> None:
    controller.wait_for("default/web: Assigned IP")
    status = Path(f"/proc/{controller.pid}/status").read_text()
    held = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    assert {int(held[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}


def test_logs_may_be_json(manifests: Path) -> None:
    with Program("controller", "--manifests", manifests, "--metrics-address", "off", "--log-format", "json") as program:
        program.wait_for("Assigned IP")
    entries = [json.loads(line) for line in program.said]
    assert {"info"} <= {entry["level"] for entry in entries}
    assert 'default/web: Assigned IP ["192.0.2.200"]' in [entry["msg"] for entry in entries]


def test_a_port_in_use_is_refused(manifests: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused("controller", "--manifests", manifests, "--metrics-address", address)
    assert line == (
        f"cannot listen on {address} for /metrics: address in use "
        "(another metalev or MetalLB on this host?); choose another with --metrics-address"
    )


def test_manifests_that_cannot_be_read_are_named(manifests: Path, tmp_path: Path) -> None:
    manifests.chmod(0)  # root without CAP_DAC_OVERRIDE is a user like any other
    line = refused("controller", "--manifests", manifests, "--state", tmp_path / "state", "--metrics-address", "off")
    assert line == f"cannot read the manifests in {manifests}: Permission denied"
