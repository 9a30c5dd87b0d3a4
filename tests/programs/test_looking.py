"""``metalev status`` and ``metalev why`` as processes, beside the programs that they look at."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.programs.program import ON_A_WIRE, PATIENCE, Program, until

OFF = ("--metrics-address", "off")
READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift; exec "$@"'


def look(*arguments: str | Path, through: Sequence[str] = ()) -> tuple[int, str]:
    """The exit status of ``metalev`` with ``arguments``, and all that it printed."""
    command = [*through, sys.executable, "-m", "metalev", *map(str, arguments)]
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )
    assert "Traceback" not in ended.stdout
    return ended.returncode, ended.stdout


@pytest.fixture
def allocated(manifests: Path) -> Path:
    """The manifests, after a controller has given the Service its address and gone."""
    with Program("controller", "--manifests", manifests, *OFF) as controller:
        controller.wait_for("default/web: Assigned IP")
    return manifests


def test_before_any_controller_both_say_so_and_make_nothing(manifests: Path) -> None:
    for command in (["status"], ["why", "web"]):
        status, said = look(*command, "--manifests", manifests)
        assert (status, "no controller has written here" in said) == (1, True)
    assert [path.name for path in manifests.iterdir()] == ["world.yaml"]


def test_an_address_without_a_speaker_is_explained(allocated: Path) -> None:
    status, said = look("why", "web", "--manifests", allocated)
    assert status == 1
    assert said.splitlines()[-1] == "why: no speaker has written a state, so nobody answers"


def test_an_address_that_is_announced_is_all_well(allocated: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    options = ("--node-name", "node1", "--key-file", key, "--interface", "lan0", *OFF)
    with Program("speaker", "--manifests", allocated, *options, through=ON_A_WIRE):
        well = "all is well: node1 answers for 192.0.2.200"
        until(well, lambda: well in look("why", "default/web", "--manifests", allocated)[1])
        status, said = look("why", "default/web", "--manifests", allocated)
        assert (status, well in said) == (0, True)
        status, said = look("status", "--manifests", allocated, "--output", "json")
        assert (status, json.loads(said)["services"][0]["announcers"]) == (0, ["node1"])


def test_reading_needs_no_permission_to_write(allocated: Path) -> None:
    read_only = ("unshare", "--mount", "sh", "-ec", READ_ONLY, "sh", str(allocated))
    before = sorted(allocated.rglob("*"))
    assert look("status", "--manifests", allocated, through=read_only) == look("status", "--manifests", allocated)
    assert sorted(allocated.rglob("*")) == before


def test_a_reader_that_has_seen_enough_is_no_error(allocated: Path) -> None:
    shell = ("sh", "-c", '"$@" | head -n 1', "sh")
    assert look("status", "--manifests", allocated, through=shell) == (0, "SERVICE      ADDRESS      POOL  NODE\n")
