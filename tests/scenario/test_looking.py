"""What ``metalev why`` and ``metalev status`` say of a cluster in which a node has died."""

import subprocess
import sys
from ipaddress import IPv4Address

from metalev.lab.cluster import LabCluster


def look(cluster: LabCluster, *command: str) -> tuple[int, str]:
    places = ("--manifests", str(cluster.manifests.directory), "--state", str(cluster.state))
    ended = subprocess.run(
        [sys.executable, "-m", "metalev", *command, *places], capture_output=True, text=True, check=False, timeout=120
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_who_answers_is_said_and_a_dead_node_is_not_believed(cluster: LabCluster, vip: IPv4Address) -> None:
    owner = cluster.wait_for_announcer(vip)
    cluster.wait_for("why names the announcer", lambda _: _verdict(cluster) == f"{owner.name} answers for {vip}")
    owner.kill()
    successor = cluster.wait_for_announcer(vip)
    cluster.wait_for("why names the successor", lambda _: _verdict(cluster) == f"{successor.name} answers for {vip}")
    status, said = look(cluster, "status")
    assert status == 1
    assert f"{owner.name}: its state is old, for it is heard no more by " in said


def _verdict(cluster: LabCluster) -> str:
    """What stands between "all is well" and the remarks."""
    status, said = look(cluster, "why", "web")
    return said.partition("all is well: ")[2].partition("\n")[0].partition(",")[0] if status == 0 else said
