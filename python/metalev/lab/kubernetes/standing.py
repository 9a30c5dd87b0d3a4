"""A cluster that stands until it is taken down: ``python -m metalev.lab up`` and ``down``.

``up`` starts a program in the background (``stay``) that holds the lab, and returns when metalev is installed there;
``down`` asks that program to end. Everything lies in one folder, the program's process id too.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from functools import partial
from pathlib import Path

from metalev.lab.kubernetes import doors
from metalev.lab.kubernetes.cluster import KubernetesLab
from metalev.lab.kubernetes.proxy import Mode
from metalev.lab.kubernetes.supervisor import Supervisor
from metalev.lab.ledger import reap, start_time
from metalev.model.errors import StartError

POWER_ANNOTATION = "lab.metalev.io/power"  # of a Node: "off" is a power cut
POLL_S = 0.2
PODS_PER_NODE = 12
MANIFESTS = Path(__file__).parents[1] / "demo" / "manifests"
UP_TIMEOUT_S = 270
DOWN_TIMEOUT_S = 120

WORDS = """\
A Kubernetes is up on {nodes} ({version}, kube-proxy in {mode} mode), and metalev is installed in it.

  export PATH={bin}:$PATH          kubectl, metalev, and `on HOST COMMAND` ({hosts})
  export KUBECONFIG={kubeconfig}

  kubectl get pods -n metallb-system -o wide
  (cd {manifests} && kubectl apply -f pool.yaml -f deployment-nginx.yaml -f service-nginx.yaml)
  kubectl get svc nginx-lb
  on client curl http://192.168.1.200
  kubectl annotate node node1 {power}=off     a power cut; {power}-: power is back
  metalev status --kubeconfig $KUBECONFIG

The network: nodes {addresses}, the client .100, the pool .200 to .210.
Every Pod is a small web server.
Logs: {folder}. The end of it: make lab-down
"""


def up(folder: Path, *, nodes: int, mode: Mode) -> None:
    """Start a cluster in the background, wait until it is ready, and say what to try.

    Raises :class:`StartError` if one is up, or if this one does not come up.
    """
    if _owner(folder) is not None:
        raise StartError(f"a cluster is up already, in {folder}: make lab-down ends it")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "metalev.lab", "stay", str(folder), f"--nodes={nodes}", f"--mode={mode}"]
    with (folder / "log").open("wb") as log:
        program = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    _write_owner(folder, program.pid)
    deadline = time.monotonic() + UP_TIMEOUT_S
    while not (folder / "ready").exists():
        if program.poll() is not None or time.monotonic() > deadline:
            program.terminate()
            raise StartError(f"the cluster did not come up: {(folder / 'log').read_text().strip()}")
        threading.Event().wait(POLL_S)
    print((folder / "ready").read_text(), end="")


def down(folder: Path) -> None:
    """End the cluster in ``folder`` and remove it; says so if there is none."""
    owner = _owner(folder)
    if owner is None:
        print(f"no cluster is up in {folder}")
        reap()  # after a kill -9 there may be something left
    else:
        handle = os.pidfd_open(owner)
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(DOWN_TIMEOUT_S * 1000):
            raise StartError(f"process {owner} does not end; its log: {folder / 'log'}")
        os.close(handle)
        print("the cluster is down")
    shutil.rmtree(folder, ignore_errors=True)


def stay(folder: Path, *, nodes: int, mode: Mode) -> None:
    """Hold a cluster until this process is asked to end."""
    with KubernetesLab(folder, nodes=nodes, pods_per_node=PODS_PER_NODE, mode=mode) as lab:
        lab.install()
        kubeconfig = folder / "kubeconfig"
        lab.plane.outside(lab.plane.kubeconfig()).rename(kubeconfig)
        prefix = f"mlv-{lab.lab.id}-"
        kubectl = lab.plane.binaries / "kubectl"
        doors.write(folder / "bin", kubectl=kubectl, kubeconfig=kubeconfig, prefix=prefix)
        draft = folder / "ready.new"
        draft.write_text(_words(folder, lab, kubeconfig))
        draft.rename(folder / "ready")
        _serve(lab)


def _serve(lab: KubernetesLab) -> None:
    """Cut and restore the nodes' power as their annotations say, and start again what has died, for ever."""
    off: set[str] = set()
    supervisor = Supervisor(_say)
    while True:
        _supervise(lab, supervisor, off)
        for name in lab.nodes:
            wanted_off = lab.node_object(name)["metadata"].get("annotations", {}).get(POWER_ANNOTATION) == "off"
            if wanted_off and name not in off:
                lab.kill(name)
                off.add(name)
            elif not wanted_off and name in off:
                lab.revive(name)
                off.discard(name)
        threading.Event().wait(POLL_S)


def _supervise(lab: KubernetesLab, supervisor: Supervisor, off: set[str]) -> None:
    """The programs that nobody else looks after: Pods' programs have their kubelets."""
    plane = lab.plane
    for part in plane.parts:
        supervisor.look(part.name, running=part.running, start=partial(part.start, wait=False))
    supervisor.look("the way in from this machine", running=plane.door.running, start=plane.open_door)
    for node in lab.nodes:
        if node not in off:
            running = lab.proxy(node).running
            supervisor.look(f"kube-proxy of {node}", running=running, start=partial(lab.start_proxy, node))


def _say(line: str) -> None:
    """Into the log."""
    print(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {line}", flush=True)


def _words(folder: Path, lab: KubernetesLab, kubeconfig: Path) -> str:
    return WORDS.format(
        nodes=", ".join(lab.nodes),
        version=lab.version,
        mode=lab.mode,
        bin=folder / "bin",
        hosts=", ".join(["client", *lab.nodes]),
        addresses=_addresses(lab),
        kubeconfig=kubeconfig,
        manifests=MANIFESTS,
        power=POWER_ANNOTATION,
        folder=folder,
    )


def _addresses(lab: KubernetesLab) -> str:
    """Those of the nodes, the first one whole: 192.168.1.10, .11, .12."""
    first, *others = (str(node.address) for node in lab.topology.nodes)
    return ", ".join([first, *("." + one.rpartition(".")[2] for one in others)])


def _write_owner(folder: Path, pid: int) -> None:
    (folder / "pid").write_text(f"{pid} {start_time(pid)}\n")


def _owner(folder: Path) -> int | None:
    """The process that holds the cluster, if it lives."""
    try:
        pid, start = (folder / "pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if str(start_time(int(pid))) == start else None
