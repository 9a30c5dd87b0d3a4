"""Which labs exist, who owns each, and what it made: the reason why only that is ever removed.

A lab writes ``/run/metalev-lab/<id>.json`` before it makes anything: the names of all its namespaces (they are known
beforehand) and its owner's process id and start time, which together name a process for good. Its processes need no
list: each carries the lab's id and owner in its environment, and so does what they start. A lab whose owner is gone is
removed by the next one (:func:`reap`). Of a lab in a user namespace only processes can be left behind: its ``/run`` and
its network namespaces were its own and went with the last of them.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from metalev.lab.namespace import NAMESPACES, LabError, Namespace

LABS = Path("/run/metalev-lab")
MARK = "METALEV_LAB"
OWNER_MARK = "METALEV_LAB_OWNER"
WORK_SUFFIX = ".work"
KILL_ROUNDS = 20
KILL_TIMEOUT_MS = 5000


class Record(msgspec.Struct, frozen=True):
    """What is in a lab's file. ``owner_start`` is in clock ticks after boot, as /proc has it."""

    id: str
    owner_pid: int
    owner_start: int
    namespaces: tuple[str, ...]

    @property
    def environment(self) -> Mapping[str, str]:
        """What the lab's processes carry."""
        return {MARK: self.id, OWNER_MARK: f"{self.owner_pid}:{self.owner_start}"}


def open_record(hosts: tuple[str, ...]) -> Record:
    """Take an unused lab id and write down the names ``mlv-<id>-<host>`` of what is about to be made."""
    LABS.mkdir(mode=0o755, exist_ok=True)
    while True:
        lab_id = secrets.token_hex(4)  # labs in user namespaces do not see each other's files
        if any(NAMESPACES.glob(f"mlv-{lab_id}-*")):
            continue
        names = tuple(f"mlv-{lab_id}-{host}" for host in hosts)
        record = Record(lab_id, os.getpid(), start_time(os.getpid()) or 0, names)
        if _publish(record):
            return record


def demolish(record: Record) -> None:
    """Kill the lab's processes, remove its namespaces, then its file. Repeating it does no harm."""
    _kill_all(record.id)
    for name in record.namespaces:
        Namespace(name).remove()
    (LABS / f"{record.id}.json").unlink(missing_ok=True)


def work_directory() -> TemporaryDirectory[str]:
    """A directory for keys, logs and manifests, as a context manager; :func:`reap` sees to those of the killed."""
    LABS.mkdir(mode=0o755, exist_ok=True)
    owner = f"{os.getpid()}-{start_time(os.getpid())}-"
    return TemporaryDirectory(prefix=owner, suffix=WORK_SUFFIX, dir=LABS)


def reap() -> list[str]:
    """Remove the labs whose owners are gone; their ids."""
    for path in LABS.glob(f"*{WORK_SUFFIX}"):
        pid, start, _ = path.name.split("-", 2)
        if str(start_time(int(pid))) != start:
            shutil.rmtree(path, ignore_errors=True)
    reaped = []
    for path in sorted(LABS.glob("*.json")):
        try:
            record = msgspec.json.decode(path.read_bytes(), type=Record)
        except FileNotFoundError:
            continue  # its owner, or another reaper, was quicker
        if start_time(record.owner_pid) != record.owner_start:
            demolish(record)
            reaped.append(record.id)
    orphaned = {lab_id for path in _processes() if (lab_id := _orphan_of(path)) is not None}
    for lab_id in orphaned:
        _kill_all(lab_id)
    return [*reaped, *sorted(orphaned)]


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks after boot; None if there is no such process (a zombie is none)."""
    try:
        # proc(5): the name is in brackets and may itself contain any; field 3, the state, follows the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def processes_of(lab_id: str) -> list[int]:
    """The ids of the living processes that the lab, or a process of the lab, started."""
    return [int(path.name) for path in _processes() if _is_marked(path, lab_id)]


def _processes() -> Iterator[Path]:
    return (path for path in Path("/proc").iterdir() if path.name.isdigit())


def _environment(process: Path) -> dict[str, str]:
    """Empty for one that ended meanwhile, or is somebody else's."""
    try:
        text = (process / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def _is_marked(process: Path, lab_id: str) -> bool:
    return _environment(process).get(MARK) == lab_id


def _orphan_of(process: Path) -> str | None:
    """The lab that the process belongs to, if that lab's owner is gone."""
    environment = _environment(process)
    pid, _, start = environment.get(OWNER_MARK, "").partition(":")
    return environment.get(MARK) if pid.isdigit() and str(start_time(int(pid))) != start else None


def _publish(record: Record) -> bool:
    """Write the file whole or not at all; False if the id is taken. A hard link refuses to replace."""
    path = LABS / f"{record.id}.json"
    draft = LABS / f"{record.id}.{record.owner_pid}"
    draft.write_bytes(msgspec.json.encode(record))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _kill_all(lab_id: str) -> None:
    """Until none is left: a process may fork while the list is read."""
    for _ in range(KILL_ROUNDS):
        pids = processes_of(lab_id)
        if not pids:
            return
        for pid in pids:
            _kill(pid, lab_id)
    raise LabError(f"lab {lab_id}: processes {processes_of(lab_id)} start others faster than they can be killed")


def _kill(pid: int, lab_id: str) -> None:
    """Kill and wait, by a handle that cannot come to mean another process (pidfd_open(2))."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not _is_marked(Path(f"/proc/{pid}"), lab_id):
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(KILL_TIMEOUT_MS):
            raise LabError(f"lab {lab_id}: process {pid} does not die; it may hang in the kernel")
    finally:
        os.close(handle)
