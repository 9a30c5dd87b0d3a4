"""``kind/e2e.sh`` with programs that only say what they were asked for: what fails ends it, and nothing comes after."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.unit.docs.markdown import ROOT

# Says what it is asked for, and fails at one thing.
STAND_IN = """#!/usr/bin/env bash
said="$(basename "$0") $*"
echo "$said" >>"$CALLS"
case $said in
"$FAILING"*) exit 7 ;;
"kind get clusters") echo metalev ;;
esac
"""


def run(tmp_path: Path, failing: str, *engines: str) -> tuple[int, list[str]]:
    """Its exit status, and what it asked of kind, kubectl and the engines while one thing fails."""
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    for name in ("kind", "kubectl", "docker", "podman"):
        text = STAND_IN if name not in {"docker", "podman"} or name in engines else "#!/bin/sh\nexit 1\n"
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CALLS": str(calls), "FAILING": failing, "TMPDIR": str(tmp_path)}
    script = ["bash", str(ROOT / "kind" / "e2e.sh"), "--collect-only"]
    done = subprocess.run(script, env=environment, capture_output=True, timeout=150, check=False)
    return done.returncode, calls.read_text().splitlines()


@pytest.mark.parametrize(
    "failing",
    [
        "docker build",
        "docker tag",
        "docker save",
        "kind load",
        "kubectl apply",
        "kubectl -n metallb-system rollout restart",
        "kubectl -n metallb-system rollout status --timeout 120s deployment/controller",
        "docker inspect",
        "docker run",
    ],
)
def test_what_fails_ends_it(tmp_path: Path, failing: str) -> None:
    status, calls = run(tmp_path, failing, "docker")
    assert status == 7
    assert calls[-1].startswith(failing)


def test_no_archive_is_left(tmp_path: Path) -> None:
    run(tmp_path, "kind load", "docker")
    assert list(tmp_path.glob("*.tar")) == []


def test_what_podman_built_gets_the_name_that_a_kubelet_asks_for(tmp_path: Path) -> None:
    _, calls = run(tmp_path, "kubectl apply", "podman")
    (saved,) = (call for call in calls if call.startswith("podman save"))
    assert saved.split()[-1].startswith("docker.io/library/metalev:")
