"""Whoever is not root makes networks in a user namespace, or is told in one line what to run instead.

A process that gave its capabilities up stands for an ordinary user, so these tests say the same to root and to
everybody. It keeps CAP_SETFCAP, without which uid 0, unlike any other, may not be mapped (user_namespaces(7)).
"""

import subprocess
import sys
from pathlib import Path

POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all,+setfcap")
IN_A_NAMESPACE = (sys.executable, "-m", "metalev.lab.userns", "--")

TINY_LAB = """
from metalev.lab.lab import Lab
from metalev.lab.topology import home_network
with Lab(home_network(nodes=1, pods_per_node=1, router=False)) as lab:
    print(lab.client.who_has(lab.node("node1").address) == [lab.node("node1").mac])
"""

PROGRAM = """
import sys
from metalev.lab.userns import ensure_privileges, privileged
print("before")
ensure_privileges()
print(privileged(), *sys.argv[1:])
"""


def run(*command: str, through: tuple[str, ...] = POWERLESS) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*through, *command], capture_output=True, text=True, check=False, timeout=120)


def limited(sysctl: str) -> tuple[str, ...]:
    """Through a user namespace that has none of something to give: the limit is its own, not the machine's."""
    return (*POWERLESS, *IN_A_NAMESPACE, "sh", "-ec", f'echo 0 > /proc/sys/user/{sysctl}; exec "$@"', "sh", *POWERLESS)


def test_a_command_is_alone_on_its_network() -> None:
    done = run(*IN_A_NAMESPACE, "ip", "-o", "link", "show", "up")
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == ["lo"], done.stderr


def test_a_command_sees_nobody_elses_namespaces() -> None:
    assert run(*IN_A_NAMESPACE, "sh", "-c", "ls -A /run && echo empty").stdout == "empty\n"


def test_a_command_has_its_users_rights_to_files(tmp_path: Path) -> None:
    run(*IN_A_NAMESPACE, "touch", str(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_uid == tmp_path.stat().st_uid


def test_a_commands_exit_status_is_passed_on() -> None:
    assert run(*IN_A_NAMESPACE, "sh", "-c", "exit 7").returncode == 7


def test_a_lab_works_without_root() -> None:
    done = run(*IN_A_NAMESPACE, sys.executable, "-c", TINY_LAB)
    assert done.stdout == "True\n", done.stderr


def test_a_program_starts_itself_again_where_it_may_make_networks() -> None:
    done = run(sys.executable, "-c", PROGRAM, "its", "arguments")
    assert done.stdout == "before\nbefore\nTrue its arguments\n", done.stderr


def test_a_program_that_has_the_powers_already_goes_on_as_it_is() -> None:
    done = run(sys.executable, "-c", PROGRAM, through=())
    assert done.stdout == "before\nTrue\n", done.stderr


def test_where_it_is_forbidden_one_line_says_by_what_and_what_to_run_instead() -> None:
    done = run(*IN_A_NAMESPACE, "make", "a net", through=limited("max_user_namespaces"))
    assert done.returncode == 1
    assert done.stderr == (
        "metalev.lab: error: ordinary users may not make networks here (user.max_user_namespaces is 0); "
        "run instead: sudo make 'a net'\n"
    )


def test_where_the_kernel_refuses_it_is_quoted() -> None:
    done = run(*IN_A_NAMESPACE, "true", through=limited("max_net_namespaces"))
    assert "ordinary users may not make networks here (unshare: No space left on device)" in done.stderr


def test_what_to_run_instead_can_be_said_by_the_caller() -> None:
    advice = (*IN_A_NAMESPACE[:-1], "--instead", "sudo make demo", "--")
    assert run(*advice, "true", through=limited("max_user_namespaces")).stderr.endswith("run instead: sudo make demo\n")


def test_a_command_that_does_not_exist_is_named() -> None:
    done = run(*IN_A_NAMESPACE, "no-such-program")
    assert (done.returncode, done.stderr) == (1, "metalev.lab: error: no-such-program: No such file or directory\n")


def test_a_namespace_in_which_nothing_may_be_made_is_none(tmp_path: Path) -> None:
    """As under Ubuntu's AppArmor, which lets everybody make one."""
    stub = tmp_path / "ip"
    stub.write_text("#!/bin/sh\necho 'RTNETLINK answers: Operation not permitted' >&2\nexit 2\n")
    stub.chmod(0o755)
    done = run("env", f"PATH={tmp_path}:/usr/bin:/bin", *IN_A_NAMESPACE, "true")
    assert "may not make networks here (RTNETLINK answers: Operation not permitted)" in done.stderr
