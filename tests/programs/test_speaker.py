"""``metalev speaker`` as a process, on a wire of its own."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.programs.program import ON_A_WIRE, Program, get_inside, refused, until

NET_RAW = 1 << 13
OFF = ("--metrics-address", "off")
DEFAULT_ROUTE = ("ip", "route", "add", "default", "via", "192.0.2.254")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    return path


@pytest.fixture
def allocated(manifests: Path) -> Path:
    """The manifests, after a controller has given the Service its address and gone."""
    with Program("controller", "--manifests", manifests, *OFF) as controller:
        controller.wait_for("default/web: Assigned IP")
    return manifests


@pytest.fixture
def speaker(allocated: Path, key: Path) -> Iterator[Program]:
    """The speaker of the only node, holding the Service's address."""
    options = ("--node-name", "node1", "--key-file", key, "--interface", "lan0", "--metrics-address", ":0")
    with Program("speaker", "--manifests", allocated, *options, "--log-level", "debug", through=ON_A_WIRE) as program:
        yield program


def status(manifests: Path) -> dict[str, list[Any]]:
    """What the speaker has published of itself; empty if nothing yet."""
    path = manifests / ".metalev" / "node1" / "state.yaml"
    return dict(yaml.safe_load(path.read_text())["status"]) if path.exists() else {}


def holdings(manifests: Path) -> list[str]:
    return [address for holding in status(manifests).get("holdings", []) for address in holding["addresses"]]


def until_held(manifests: Path) -> None:
    """Wait until the state says that the address is held: in the first report, or in a later one."""
    until("the state names the address", lambda: holdings(manifests) == ["192.0.2.200"])


def test_the_first_candidate_takes_the_address_and_says_so(speaker: Program, allocated: Path) -> None:
    speaker.wait_for(r"took 192\.0\.2\.200 .*cause=first-candidate term=1")
    until_held(allocated)
    speaker.wait_for('default/web: announcing from node "node1" with protocol "layer2"')


def test_its_state_names_what_nobody_may_be_given(speaker: Program, allocated: Path) -> None:
    speaker.wait_for(r"own state: first report")
    subprocess.run(["nsenter", f"--net=/proc/{speaker.pid}/ns/net", *DEFAULT_ROUTE], check=True)
    until("the gateway is named", lambda: status(allocated)["gateways"] == ["192.0.2.254"])
    until("its own address is named", lambda: status(allocated)["localAddresses"] == ["192.0.2.10"])


def test_its_state_names_the_addresses_of_interfaces_that_it_does_not_use(speaker: Program, allocated: Path) -> None:
    speaker.wait_for(r"own state: first report")
    configure = ("ip", "address", "add", "198.51.100.1/32", "dev", "lo")
    subprocess.run(["nsenter", f"--net=/proc/{speaker.pid}/ns/net", *configure], check=True)
    until("both are named", lambda: status(allocated)["localAddresses"] == ["192.0.2.10", "198.51.100.1"])


def test_an_interface_that_is_excluded_announces_nothing(allocated: Path, key: Path) -> None:
    options = ("--node-name", "node1", "--key-file", key, "--exclude-interface", "^lan", *OFF)
    with Program("speaker", "--manifests", allocated, *options, through=ON_A_WIRE) as speaker:
        speaker.wait_for("interface far0 .* can carry addresses")
        speaker.wait_for(r"took 192\.0\.2\.200")
        assert "interface lan0" not in "".join(speaker.said)


def test_an_interface_that_metallbs_file_excludes_announces_nothing(allocated: Path, key: Path) -> None:
    (allocated / "exclude").write_text('announcedInterfacesToExclude: ["^lan"]\n')
    options = ("--node-name", "node1", "--key-file", key, "--exclude-file", allocated / "exclude", *OFF)
    with Program("speaker", "--manifests", allocated, *options, through=ON_A_WIRE) as speaker:
        speaker.wait_for("exclude says which interfaces are left alone: \\^lan")
        speaker.wait_for(r"took 192\.0\.2\.200")
        assert "interface lan0" not in "".join(speaker.said)


def test_a_bad_file_of_interfaces_is_named_and_the_speaker_goes_on(allocated: Path, key: Path) -> None:
    (allocated / "exclude").write_text("announcedInterfacesToExclude: [7]\n")
    options = ("--node-name", "node1", "--key-file", key, "--exclude-file", allocated / "exclude", *OFF)
    with Program("speaker", "--manifests", allocated, *options, through=ON_A_WIRE) as speaker:
        speaker.wait_for("exclude:1: announcedInterfacesToExclude\\[0\\]: expected a string.*default list")
        speaker.wait_for(r"took 192\.0\.2\.200")


def test_a_service_is_told_that_the_node_lacks_the_interfaces(allocated: Path, key: Path) -> None:
    world = allocated / "world.yaml"
    everywhere = "metadata: {name: all, namespace: metallb-system}\n"
    world.write_text(world.read_text().replace(everywhere, everywhere + "spec: {interfaces: [lan7]}\n"))
    options = ("--node-name", "node1", "--key-file", key, *OFF)
    with Program("speaker", "--manifests", allocated, *options, through=ON_A_WIRE) as speaker:
        speaker.wait_for(
            'default/web: the interfaces specified by LB IP "192.0.2.200" doesn\'t exist in assigned node "node1" '
            'with protocol "layer2"'
        )


def test_it_says_goodbye_and_holds_nothing_after_sigterm(speaker: Program, allocated: Path) -> None:
    until_held(allocated)
    speaker.signal(signal.SIGTERM)
    exit_status, said = speaker.end()
    assert exit_status == 0
    assert "cause=stopping" in said
    assert holdings(allocated) == []


def test_it_is_ready_and_shows_what_it_announces(speaker: Program, allocated: Path) -> None:
    port = speaker.metrics_port()
    until_held(allocated)
    assert get_inside(speaker, port, "/readyz").strip() == "ok"
    metrics = get_inside(speaker, port, "/metrics")
    labels = 'ip="192.0.2.200",node="node1",protocol="layer2",service="default/web"'
    assert f"metallb_speaker_announced{{{labels}}} 1.0" in metrics
    assert 'metallb_layer2_gratuitous_sent{ip="192.0.2.200"}' in metrics
    # On a host that has no time for it, it lapses and takes the address again.
    assert re.search(r'metalev_moves_total\{reason="first-candidate"\} [1-9]', metrics)


def test_net_raw_is_all_that_it_keeps(speaker: Program) -> None:
    speaker.wait_for("took")
    for status in Path(f"/proc/{speaker.pid}/task").glob("*/status"):
        held = dict(line.split(":\t") for line in status.read_text().splitlines() if line.startswith("Cap"))
        assert {int(held["CapPrm"], 16), int(held["CapEff"], 16)} == {NET_RAW}


def test_a_secret_that_comes_later_starts_the_announcing(allocated: Path) -> None:
    options = ("--node-name", "node1", "--interface", "lan0", *OFF)
    with Program("speaker", "--manifests", allocated, *options, through=ON_A_WIRE) as speaker:
        speaker.wait_for("no key to sign beacons with, so nothing is announced: create the Secret")
        secret = "metadata: {name: metalev-beacon, namespace: metallb-system}\nstringData: {key: 0123456789abcdef}\n"
        (allocated / "secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\n{secret}")
        speaker.wait_for(r"took 192\.0\.2\.200")


def test_a_secret_that_disappears_takes_no_address_away(allocated: Path) -> None:
    secret = "metadata: {name: metalev-beacon, namespace: metallb-system}\nstringData: {key: 0123456789abcdef}\n"
    (allocated / "secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\n{secret}")
    options = ("--node-name", "node1", "--interface", "lan0", *OFF)
    with Program("speaker", "--manifests", allocated, *options, through=ON_A_WIRE) as speaker:
        speaker.wait_for(r"took 192\.0\.2\.200")
        until_held(allocated)
        (allocated / "secret.yaml").unlink()
        speaker.wait_for("the Secret metallb-system/metalev-beacon has no key any more; the last one stays in force")
        (allocated / "secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\n{secret}")
        speaker.wait_for("over: the Secret metallb-system/metalev-beacon has a key again")
        assert holdings(allocated) == ["192.0.2.200"]
        assert "fell silent" not in "".join(speaker.catch_up())


def test_a_key_file_is_read_anew_when_it_changes(speaker: Program, allocated: Path, key: Path) -> None:
    speaker.wait_for(r"took 192\.0\.2\.200")
    until_held(allocated)
    key.write_text("short\n")
    speaker.wait_for("holds a key of 5 bytes.*; the keys that were read before stay in force")
    key.write_text("ZmVkY2JhOTg3NjU0MzIxMA==\nMDEyMzQ1Njc4OWFiY2RlZg==\n")
    speaker.wait_for("has changed: its first key signs beacons from now on, 1 more accepted")
    speaker.wait_for("new table for the engine: keys")
    assert holdings(allocated) == ["192.0.2.200"]


def test_an_unknown_node_is_refused_with_those_there_are(manifests: Path, key: Path) -> None:
    options = ("--node-name", "node9", "--key-file", key, *OFF)
    line = refused("speaker", "--manifests", manifests, *options, through=ON_A_WIRE)
    assert line == "no Node is named node9; there are: node1. Choose one with --node-name"


def test_a_node_named_like_the_controllers_folder_is_refused(manifests: Path, key: Path) -> None:
    options = ("--node-name", "controller", "--key-file", key)
    assert 'a node cannot be named "controller"' in refused("speaker", "--manifests", manifests, *options, *OFF)


def test_an_unknown_interface_is_refused_with_those_there_are(manifests: Path, key: Path) -> None:
    options = ("--node-name", "node1", "--key-file", key, "--interface", "lan7", *OFF)
    line = refused("speaker", "--manifests", manifests, *options, through=ON_A_WIRE)
    assert line.startswith("no interface named lan7; there are: ")
    assert "lan0" in line


def test_a_missing_capability_is_refused_by_its_name(manifests: Path) -> None:
    without = ("setpriv", "--inh-caps=-net_raw", "--bounding-set=-net_raw")
    line = refused("speaker", "--manifests", manifests, "--node-name", "node1", *OFF, through=(*ON_A_WIRE, *without))
    assert "CAP_NET_RAW" in line
    assert "run as root, or give the process the capability" in line


def test_a_key_that_is_too_short_is_refused(manifests: Path, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("hunter2")
    options = ("--node-name", "node1", "--key-file", short, *OFF)
    assert "holds a key of 7 bytes" in refused("speaker", "--manifests", manifests, *options)


def test_a_second_speaker_on_the_same_host_is_refused(speaker: Program, allocated: Path, key: Path) -> None:
    speaker.wait_for("the speaker of node1 reads")
    same_host = ("nsenter", f"--net=/proc/{speaker.pid}/ns/net")
    options = ("--node-name", "node1", "--key-file", key, *OFF)
    assert "7946" in refused("speaker", "--manifests", allocated, *options, through=same_host)


def test_a_node_with_the_exclude_label_announces_when_it_is_told_to_ignore_it(allocated: Path, key: Path) -> None:
    world = allocated / "world.yaml"
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    world.write_text(world.read_text().replace("{name: node1}", f'{{name: node1, labels: {{{label}: ""}}}}'))
    options = ("--node-name", "node1", "--key-file", key, "--interface", "lan0", *OFF)
    command = ("speaker", "--manifests", allocated, *options)
    with Program(*command, through=ON_A_WIRE) as obedient:
        obedient.wait_for("new table for the engine: first table: 0 groups")
    with Program(*command, "--ignore-exclude-lb", through=ON_A_WIRE) as told:
        told.wait_for(r"took 192\.0\.2\.200 ")
