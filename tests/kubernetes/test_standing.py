"""A Kubernetes that stands until it is taken down, for whoever is not root too.

A process without capabilities stands for an ordinary user, as in `tests/net/test_lab_userns.py`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from metalev.lab.demo.stage import manifest
from metalev.lab.ledger import start_time

POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all,+setfcap")
LAB = (sys.executable, "-m", "metalev.lab")


def run(*command: str, env: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*POWERLESS, *command], capture_output=True, text=True, check=False, timeout=280, env=env)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a cluster of one node that is up."""
    path = tmp_path_factory.mktemp("standing") / "lab"
    try:
        done = run(*LAB, "up", str(path), "--nodes=1")
        assert done.returncode == 0, done.stderr
        yield path
    finally:
        run(*LAB, "down", str(path))


def test_what_it_tells_to_try_gives_curl_an_answer(folder: Path, tmp_path: Path) -> None:
    tutorial = tmp_path / "tutorial.yaml"
    files = ("pool.yaml", "deployment-nginx.yaml", "service-nginx.yaml")
    tutorial.write_text("\n---\n".join(map(manifest, files)))
    kubectl = str(folder / "bin" / "kubectl")
    assert run(kubectl, "apply", "-f", str(tutorial)).returncode == 0
    address = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    assert run(kubectl, "wait", "service/nginx-lb", f"--for={address}", "--timeout=90s").returncode == 0
    assert run(kubectl, "rollout", "status", "deployment/nginx", "--timeout=90s").returncode == 0
    curl = ("curl", "-s", "--retry", "90", "--retry-all-errors", "--retry-max-time", "90", "-m", "10", "192.168.1.200")
    assert "Server name: nginx-" in run(str(folder / "bin" / "on"), "client", *curl).stdout


def test_metalev_looks_at_it_by_its_kubeconfig(folder: Path) -> None:
    done = run(str(folder / "bin" / "metalev"), "status", "--kubeconfig", str(folder / "kubeconfig"))
    assert "node1" in done.stdout, done.stderr


def test_a_node_loses_its_power_by_an_annotation(folder: Path) -> None:
    kubectl = str(folder / "bin" / "kubectl")
    run(kubectl, "annotate", "node", "node1", "lab.metalev.io/power=off")
    gone = run(kubectl, "wait", "node/node1", "--for=condition=Ready=Unknown", "--timeout=90s")
    assert gone.returncode == 0, gone.stderr
    run(kubectl, "annotate", "node", "node1", "lab.metalev.io/power-")
    assert run(kubectl, "wait", "node/node1", "--for=condition=Ready", "--timeout=90s").returncode == 0


def process(folder: Path, program: str) -> int:
    """The id of the process of this cluster that runs ``program``; 0 if there is none."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            argv = path.read_bytes().decode(errors="replace").split("\0")
            if argv[0].endswith(f"/{program}") and any(str(folder) in one for one in argv):
                return int(path.parent.name)
    return 0


@pytest.mark.parametrize("program", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy"])
def test_a_part_that_dies_is_started_again_and_the_log_says_so(folder: Path, program: str) -> None:
    before = process(folder, program)
    os.kill(before, signal.SIGKILL)
    until(lambda: process(folder, program) not in {0, before})
    assert f"{program} " in (folder / "log").read_text()
    kubectl = str(folder / "bin" / "kubectl")
    until(lambda: run(kubectl, "get", "nodes").returncode == 0)


def until(holds: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = monotonic() + 120
    while not holds():
        assert monotonic() < end
        Event().wait(0.2)


def test_an_unknown_host_is_answered_with_those_that_there_are(folder: Path) -> None:
    done = run(str(folder / "bin" / "on"), "client")
    assert done.returncode == 2
    assert {"client", "node1"} <= set(done.stderr.split())


def test_a_second_one_in_its_folder_is_refused(folder: Path) -> None:
    done = run(*LAB, "up", str(folder))
    assert done.returncode != 0
    assert "make lab-down" in done.stderr


def test_it_is_gone_when_it_was_taken_down(folder: Path) -> None:
    pid = int((folder / "pid").read_text().split()[0])
    assert run(*LAB, "down", str(folder)).stdout == "the cluster is down\n"
    assert start_time(pid) is None
    assert not folder.exists()


def test_it_says_so_when_there_is_none_to_take_down(tmp_path: Path) -> None:
    assert "no cluster is up" in run(*LAB, "down", str(tmp_path / "lab")).stdout
