"""Where the programs of Kubernetes are."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from metalev.model.errors import StartError

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl")
SCRIPT = Path(__file__).parents[4] / "scripts" / "kubernetes.sh"
SCRIPT_TIMEOUT_S = 60  # it answers at once, unless it has to build them first


def kubernetes(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder with :data:`PROGRAMS`: METALEV_KUBERNETES, KUBEBUILDER_ASSETS, or what this machine has built.

    Raises :class:`StartError` that names the command to run if there is none.
    """
    for variable in ("METALEV_KUBERNETES", "KUBEBUILDER_ASSETS"):
        folder = Path(environment.get(variable, ""))
        missing = [program for program in PROGRAMS if not os.access(folder / program, os.X_OK)]
        if environment.get(variable) and not missing:
            return folder
        if environment.get(variable) and variable == "METALEV_KUBERNETES":
            raise StartError(f"METALEV_KUBERNETES={folder} lacks {', '.join(missing)}")
    return _built(environment)


def _built(environment: Mapping[str, str]) -> Path:
    """What the checkout's script prints. It would build them, which takes minutes: not here, where somebody waits."""
    advice = "the tests' Kubernetes is not built yet: scripts/kubernetes.sh builds it, once for this machine"
    if not SCRIPT.exists():
        raise StartError(f"METALEV_KUBERNETES must name a folder with {', '.join(PROGRAMS)}")
    with subprocess.Popen(
        [SCRIPT],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as script:
        try:
            printed, said = script.communicate(timeout=SCRIPT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(script.pid, signal.SIGTERM)
            raise StartError(advice) from None
    if script.returncode != 0:
        raise StartError(f"{advice}; it says: {said.strip()}")
    return Path(printed.strip())
