"""``metalev drill`` on three nodes with real ARP, from a directory."""

from __future__ import annotations

import json
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from metalev.lab.cluster import LabCluster
from metalev.lab.pods import HTTP_PORT
from metalev.lab.process import Process

PATIENCE = 90


def drill(cluster: LabCluster, vip: IPv4Address, *options: str, log: Path) -> Process:
    """Start a drill on the client's host, where a probe sees what a client does."""
    places = ("--manifests", str(cluster.manifests.directory), "--state", str(cluster.state))
    return cluster.lab.client.spawn([sys.executable, "-m", "metalev", "drill", str(vip), *places, *options], log=log)


def course(process: Process) -> dict[str, Any]:
    """What it says happened."""
    status, said = process.wait(PATIENCE), process.output()
    assert status == 0, said
    return dict(json.loads(said))


def orders(cluster: LabCluster) -> list[Path]:
    return list(cluster.manifests.directory.glob("metalev-drill-*"))


def test_a_drill_moves_an_address_away_and_back_and_leaves_nothing(
    cluster: LabCluster, vip: IPv4Address, tmp_path: Path
) -> None:
    owner = cluster.wait_for_announcer(vip)
    told = course(drill(cluster, vip, "-o", "json", log=tmp_path / "log"))
    holders = [one["node"] for one in told["held"] if one["node"]]
    assert holders[0] == holders[-1] == owner.name
    assert len(set(holders)) >= 2
    assert "drill" in {one["cause"] for one in told["held"]}
    terms = [one["term"] for one in told["held"] if one["node"]]
    assert terms == sorted(terms)  # two that go by different tables for a moment may take it in the same term
    assert cluster.wait_for_announcer(vip) == owner
    assert orders(cluster) == []


def test_a_drill_can_leave_an_address_where_it_moved_it(cluster: LabCluster, vip: IPv4Address, tmp_path: Path) -> None:
    owner = cluster.wait_for_announcer(vip)
    told = course(drill(cluster, vip, "--stay", "-o", "json", log=tmp_path / "log"))
    assert cluster.wait_for_announcer(vip).name == told["held"][-1]["node"] != owner.name


def test_a_crash_is_felt_as_a_death_and_the_silenced_node_comes_back_without_the_address(
    cluster: LabCluster, vip: IPv4Address, tmp_path: Path
) -> None:
    owner = cluster.wait_for_announcer(vip)
    options = ("--crash", "--yes", "--seconds", "3", "--probe", str(HTTP_PORT), "-o", "json")
    told = course(drill(cluster, vip, *options, log=tmp_path / "log"))
    took = next(one for one in told["held"] if one["node"] not in {"", owner.name})
    assert took["cause"] == "missed-beacons"
    answered = list(dict.fromkeys(span["mac"] for span in told["probe"]["answers"]))
    assert answered[:2] == [owner.mac, cluster.lab.node(took["node"]).mac]
    assert told["probe"]["longestUnansweredMs"] >= 100
    speaker = cluster.speaker(owner.name).output()
    assert "silent for 3 s, as if this node had died" in speaker


def test_a_crash_is_asked_about_before_with_all_addresses_that_it_concerns(
    cluster: LabCluster, vip: IPv4Address, tmp_path: Path
) -> None:
    process = drill(cluster, vip, "--crash", log=tmp_path / "log")
    assert process.wait(PATIENCE) == 2
    assert "All that it announces moves" in process.output()
    assert str(vip) in process.output()
    assert orders(cluster) == []


def test_a_drill_that_is_interrupted_is_withdrawn(cluster: LabCluster, vip: IPv4Address, tmp_path: Path) -> None:
    owner = cluster.wait_for_announcer(vip)
    process = drill(cluster, vip, "--crash", "--yes", "--seconds", "30", log=tmp_path / "log")
    process.wait_for(" has it", PATIENCE)
    process.ask_to_end()
    assert process.wait(PATIENCE) == 130
    assert orders(cluster) == []
    cluster.speaker(owner.name).wait_for("listening before anything is taken", PATIENCE)


def test_an_address_that_nobody_announces_cannot_be_drilled(cluster: LabCluster, tmp_path: Path) -> None:
    process = drill(cluster, IPv4Address("192.168.1.99"), log=tmp_path / "log")
    assert process.wait(PATIENCE) == 2
    assert "nobody announces 192.168.1.99" in process.output()
