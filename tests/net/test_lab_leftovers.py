"""A lab removes what it made, however it ends, and touches nothing else."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from metalev.lab.lab import Lab
from metalev.lab.ledger import LABS, processes_of, reap, start_time
from metalev.lab.namespace import NAMESPACES, Namespace
from metalev.lab.topology import home_network
from metalev.model.errors import StartError

SMALL = home_network(nodes=1, pods_per_node=1, router=False)

OWNER = """
import signal
import sys
from pathlib import Path
from metalev.lab.lab import Lab
from metalev.lab.topology import home_network
# Whoever runs the tests may have been started with nohup, or in the background.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
with Lab(home_network(nodes=1, pods_per_node=1, router=False)) as lab:
    log = Path(sys.argv[1])
    # A program that has started another, as daemons do.
    process = lab.node("node1").spawn(["sh", "-c", "tail -f /dev/null & echo up; wait"], log=log)
    process.wait_for("up")
    print(lab.id, process.pid, flush=True)
    process.wait(60)
"""


SIGNALS = """
import signal
from metalev.lab.lab import Lab
from metalev.lab.topology import home_network
numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
before = [signal.getsignal(number) for number in numbers]
with Lab(home_network(nodes=1, pods_per_node=1, router=False)):
    taken = signal.getsignal(signal.SIGTERM) != before[1]
print(taken, [signal.getsignal(number) for number in numbers] == before)
"""


@contextmanager
def owner(log: Path, through: Sequence[str] = ()) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A program that holds a lab of its own; the program and the lab's id."""
    command = [*through, sys.executable, "-c", OWNER, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        lab_id = popen.stdout.readline().split()[0]
        try:
            yield popen, lab_id
        finally:
            popen.kill()


def leftovers(lab_id: str) -> list[object]:
    files = [path for path in LABS.glob("*") if lab_id in path.name]
    return [*files, *NAMESPACES.glob(f"mlv-{lab_id}-*"), *processes_of(lab_id)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_lab_that_is_interrupted_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    with owner(tmp_path / "log") as (program, lab_id):
        assert len(processes_of(lab_id)) == 3  # the pods' server, the shell and its child
        program.send_signal(number)
        program.wait(60)
        assert leftovers(lab_id) == []


def test_the_leftovers_of_a_killed_lab_are_removed_by_the_next_one(tmp_path: Path) -> None:
    with owner(tmp_path / "log") as (program, lab_id):
        program.kill()
        program.wait(60)
        assert leftovers(lab_id) != []
        with Lab(SMALL):
            assert leftovers(lab_id) == []


def test_leftovers_are_removed_by_command(tmp_path: Path) -> None:
    with owner(tmp_path / "log") as (program, lab_id):
        program.kill()
        program.wait(60)
        said = subprocess.run([sys.executable, "-m", "metalev.lab", "reap"], capture_output=True, text=True, check=True)
        assert f"removed the leftovers of lab {lab_id}" in said.stdout
        assert leftovers(lab_id) == []


def test_the_processes_of_a_killed_lab_in_a_user_namespace_are_removed_from_outside(tmp_path: Path) -> None:
    """Its files and network namespaces are its own, and nobody sees them any more."""
    alone = ("unshare", "--mount", "--net", "sh", "-c", 'mount -t tmpfs none /run; exec "$@"', "sh")
    with owner(tmp_path / "log", through=alone) as (program, lab_id):
        assert lab_id not in reap()
        program.kill()
        program.wait(60)
        assert processes_of(lab_id) != []
        assert lab_id in reap()
        assert leftovers(lab_id) == []


def test_an_exception_leaves_nothing() -> None:
    def fail() -> None:
        with Lab(SMALL) as lab:
            ids.append(lab.id)
            raise ValueError

    ids: list[str] = []
    with pytest.raises(ValueError):  # noqa: PT011  (its own, without a text)
        fail()
    assert leftovers(ids[0]) == []


def test_a_lab_that_fails_while_it_is_built_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(NAMESPACES.glob("mlv-*"))

    def fail(*_: object) -> None:
        raise OSError("no more veth pairs")

    monkeypatch.setattr("metalev.lab.links.plug_pods", fail)
    with pytest.raises(OSError, match="no more veth pairs"), Lab(SMALL):
        pass
    assert set(NAMESPACES.glob("mlv-*")) <= before


def test_reaping_spares_living_labs_and_the_namespaces_of_others() -> None:
    foreign = Namespace(f"mlv-not-ours-{os.getpid()}")
    foreign.create()
    try:
        with Lab(SMALL) as lab:
            assert lab.id not in reap()
            assert lab.node("node1").who_has(lab.client.address) == [lab.client.mac]
        assert foreign.path.exists()
    finally:
        foreign.remove()


def test_an_owner_whose_process_id_was_given_to_another_is_gone(tmp_path: Path) -> None:
    with owner(tmp_path / "log") as (program, lab_id):
        path = LABS / f"{lab_id}.json"
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"owner_start": record["owner_start"] - 1}))
        assert lab_id in reap()
        assert start_time(program.pid) is not None
        program.kill()


def test_two_labs_run_side_by_side_without_hearing_each_other() -> None:
    with Lab(SMALL) as one, Lab(SMALL) as other:
        one.node("node1").kill()
        assert one.client.who_has(one.node("node1").address) == []
        assert other.client.who_has(other.node("node1").address) == [other.node("node1").mac]


def test_signals_are_given_back_at_the_end() -> None:
    # In a program of its own: here another test's lab may hold them.
    done = subprocess.run([sys.executable, "-c", SIGNALS], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "True True\n", done.stderr


def test_without_the_power_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metalev.lab.lab.privileged", lambda: False)
    with pytest.raises(StartError, match=re.escape("python -m metalev.lab.userns -- COMMAND, or as root")):
        Lab(SMALL).__enter__()


def test_without_nft_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None if program == "nft" else "there")
    with pytest.raises(StartError, match="nft is missing: apt-get install -y nftables"):
        Lab(SMALL).__enter__()


def test_a_process_that_never_was_has_no_start_time() -> None:
    assert start_time(2**22 + 1) is None  # above the kernel's highest process id


def test_the_record_is_written_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []

    def create(namespace: Namespace) -> None:
        recorded = {name for path in LABS.glob("*.json") for name in json.loads(path.read_text())["namespaces"]}
        seen.append(recorded & {namespace.name})
        raise OSError("stop here")

    monkeypatch.setattr(Namespace, "create", create)
    with pytest.raises(OSError, match="stop here"), Lab(SMALL):
        pass
    assert seen != [set()]


def test_the_directory_of_a_program_that_was_killed_is_removed_by_the_next_lab() -> None:
    keep = "from metalev.lab.ledger import work_directory as w; d = w(); print(d.name, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", keep], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdout is not None
        directory = Path(popen.stdout.readline().strip())
        reap()
        assert directory.is_dir()
        popen.kill()
    reap()
    assert not directory.exists()
