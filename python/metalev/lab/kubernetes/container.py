"""What a container has of its own besides its network: the ServiceAccount's files in their place, and few capabilities.

``python -m metalev.lab.kubernetes.container FOLDER CAPABILITIES -- COMMAND`` becomes COMMAND with FOLDER mounted at
``/var/run/secrets/kubernetes.io/serviceaccount``, where programs in a cluster look, and with no other capabilities than
those named (``NET_RAW,NET_ADMIN``; ``all``: all that there are). Nobody else sees the mount; it ends with the program.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from metalev.lab.system import check

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_CAPBSET_DROP = 24
ALL = "all"
SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"  # /var/run is /run
_NAMES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"""
CAPABILITIES = _NAMES.split()  # the numbers of capabilities(7), by their place
_libc = ctypes.CDLL(None, use_errno=True)


def command(folder: Path, capabilities: str, argv: list[str]) -> list[str]:
    """The command line that becomes ``argv`` in a container."""
    return [sys.executable, "-m", __name__, str(folder), capabilities, "--", *argv]


def become(folder: str, capabilities: str, argv: list[str]) -> None:
    """Enter the container, and become ``argv``."""
    os.chdir(folder)  # it may lie under /run itself, which is hidden next; the working directory stays reachable
    check(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("none", "/run", "tmpfs", 0)
    Path(SERVICE_ACCOUNT).mkdir(parents=True)
    _mount(".", SERVICE_ACCOUNT, None, MS_BIND)
    os.chdir("/")
    if capabilities != ALL:
        _keep_only(set(capabilities.split(",")))
    os.execvp(argv[0], argv)  # noqa: S606


def _keep_only(names: set[str]) -> None:
    """Drop the others from the bounding set: a new program of root has what is in it."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in range(last + 1):
        if number >= len(CAPABILITIES) or CAPABILITIES[number] not in names:
            check(_libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), f"prctl(PR_CAPBSET_DROP, {number})")


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    fs = kind.encode() if kind else None
    check(_libc.mount(source.encode(), target.encode(), fs, ctypes.c_ulong(flags), None), f"mount {target}")


if __name__ == "__main__":
    become(sys.argv[1], sys.argv[2], sys.argv[4:])
