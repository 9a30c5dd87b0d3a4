"""The demo tells its whole story; it checks by itself that what it tells has happened."""

import subprocess
import sys


def test_the_demo_on_kubernetes_comes_to_its_end() -> None:
    command = [sys.executable, "-m", "metalev.lab", "demo", "--kubernetes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    results = [line for line in done.stdout.splitlines() if line.startswith("=> ")]
    announced, moved, stays = (result.partition(";")[0] for result in results)
    assert announced.startswith("=> 192.168.1.200 is announced by node")
    assert moved.endswith("answers for 192.168.1.200")
    assert stays.split()[1:3] == [announced.split()[5], "is"]


def test_the_demo_comes_to_its_end() -> None:
    command = [sys.executable, "-m", "metalev.lab", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    results = [line for line in done.stdout.splitlines() if line.startswith("=> ")]
    assert [result.split()[1] for result in results] == [
        "192.168.1.200",  # is announced
        "node1",  # took it over
        "web-prod",  # got an address of its pool
        "app9",  # got one as soon as there was one
        "fd00:192:168:1::200",  # is announced together with its IPv4 address
    ]
