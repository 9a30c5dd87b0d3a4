"""Root's powers over networks of one's own, for an ordinary user: a user namespace (user_namespaces(7)).

``python -m metalev.lab.userns -- COMMAND`` runs a command as root of new user, mount and network namespaces: it may
make network namespaces, interfaces and packet filters, none of which anybody outside sees, and it remains its user to
every file. They vanish with their last process. Where the caller has these powers already, the command just runs.

Whether the kernel allows it is found out by making a pair of interfaces: Ubuntu's AppArmor, for one, lets everybody
make the namespace and then do nothing in it.
"""

from __future__ import annotations

import argparse
import ctypes
import getpass
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from metalev.lab.system import check
from metalev.model.errors import StartError

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21

# The lab's loopback, and the proof that interfaces can be made.
_NETWORK = "link set lo up\nlink add probe0 type veth peer name probe1\nlink delete probe0\n"
_FORBIDDEN_BY = {
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    "/proc/sys/kernel/unprivileged_userns_clone": "0",
    "/proc/sys/user/max_user_namespaces": "0",
}
_libc = ctypes.CDLL(None, use_errno=True)


def privileged() -> bool:
    """Whether this process may make network namespaces as it is, by its effective capabilities."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:\t")[2].split()[0], 16)
    return all(effective >> capability & 1 for capability in (CAP_NET_ADMIN, CAP_SYS_ADMIN))


def ensure_privileges() -> None:
    """Return if this process may make network namespaces; else start this very program again, where it may.

    Does not return in that case. To be called before there is anything to lose: no file open, nothing printed.
    """
    if privileged():
        return
    sys.stdout.flush()
    # By a new program, because only a process with a single thread may enter a user namespace.
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execv(sys.executable, [sys.executable, "-m", __name__, "--", *command])  # noqa: S606


def enter(instead: str) -> None:
    """Move this process, which must have one thread, into namespaces of its own where it is root.

    Raises :class:`StartError` if the kernel or its administrator forbids it: one line that names the command to run
    ``instead``. The process is of no use then.
    """
    uid, gid = os.geteuid(), os.getegid()
    with suppress(KeyError, OSError):  # a user without a name has none to keep
        os.environ.setdefault("LOGNAME", getpass.getuser())  # else pytest's folder would be root's, who has one already
    try:
        check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET), "unshare")
        Path("/proc/self/setgroups").write_text("deny")  # else no gid may be mapped: user_namespaces(7)
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        _mount("/", None, MS_REC | MS_PRIVATE)
        _mount("/run", "tmpfs", 0)  # where network namespaces and locks are kept by name
        subprocess.run(["ip", "-batch", "-"], input=_NETWORK, check=True, capture_output=True, text=True, env=_env())
    except FileNotFoundError as error:
        raise StartError("ip is missing: apt-get install -y iproute2") from error
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"ordinary users may not make networks here ({_why(error)}); run instead: {instead}"
        raise StartError(message) from error


def run(command: Sequence[str], instead: str = "") -> None:
    """Become ``command``, with the power to make network namespaces; see :func:`enter` for the errors."""
    if not privileged():
        enter(instead or f"sudo {shlex.join(command)}")
    try:
        os.execvpe(command[0], list(command), _env())  # noqa: S606
    except OSError as error:
        raise StartError(f"{command[0]}: {error.strerror}") from error


def _env() -> Mapping[str, str]:
    """What only root uses, nft for one, is often outside a user's PATH."""
    return os.environ | {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def _mount(target: str, kind: str | None, flags: int) -> None:
    fs = kind.encode() if kind else None
    check(_libc.mount(b"none", target.encode(), fs, ctypes.c_ulong(flags), None), f"mount {target}")


def _why(error: OSError | subprocess.CalledProcessError) -> str:
    """The administrator's rule if there is one, else what the kernel said."""
    for path, value in _FORBIDDEN_BY.items():
        if Path(path).exists() and Path(path).read_text().strip() == value:
            return f"{path.removeprefix('/proc/sys/').replace('/', '.')} is {value}"
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().partition("\n")[0]
    return error.strerror or str(error)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m metalev.lab.userns", description="Run a command as root of a lab.")
    parser.add_argument("--instead", default="", help="what to advise where it is forbidden (default: sudo COMMAND)")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the command and its arguments, after --")
    options = parser.parse_args()
    try:
        run(options.command, options.instead)
    except StartError as error:
        sys.exit(f"metalev.lab: error: {error}")


if __name__ == "__main__":
    main()
