"""Commands by which a person gets into a lab that runs: kubectl, metalev, and any command on any of its hosts.

As root, the lab's networks are the machine's own. In a user namespace they and their names are to be seen from inside
only, so each command enters it first, by the process that holds the lab.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from metalev.lab.namespace import NAMESPACES


def write(folder: Path, *, kubectl: Path, kubeconfig: Path, prefix: str) -> None:
    """Write the commands into ``folder``; the namespaces' names begin with ``prefix``."""
    folder.mkdir(parents=True, exist_ok=True)
    inside = _inside()
    programs = {
        "kubectl": [*inside, str(kubectl), f"--kubeconfig={kubeconfig}"],
        "metalev": [*inside, sys.executable, "-m", "metalev"],
    }
    among_names = [*inside, "--mount", "--wd=."] if inside else []
    for name, argv in programs.items():
        _write(folder / name, f'export KUBECONFIG={shlex.quote(str(kubeconfig))}\nexec {shlex.join(argv)} "$@"\n')
    usage = '[[ $# -ge 2 ]] || { echo "usage: on HOST COMMAND...: $(hosts)" >&2; exit 2; }\n'
    listing = f"{shlex.join([*among_names, 'ls', str(NAMESPACES)])} | sed -n 's/^{prefix}//p' | xargs"
    enter = f'exec {shlex.join([*among_names, "nsenter"])} --net={NAMESPACES}/{prefix}"$host" -- "$@"\n'
    _write(folder / "on", f"hosts() {{ {listing}; }}\n{usage}host=$1\nshift\n{enter}")


def _inside() -> Sequence[str]:
    """What leads into the networks of this process; nothing if they are everybody's."""
    if Path("/proc/self/uid_map").read_text().split()[2] == "4294967295":  # the first user namespace maps them all
        return ()
    return ("nsenter", f"--target={os.getpid()}", "--user", "--preserve-credentials", "--net")


def _write(path: Path, text: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\nset -euo pipefail\n{text}")
    path.chmod(0o755)
