"""The lab does to a network what it says, and nothing to anybody else's."""

import errno
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import msgspec
import pytest

from metalev.lab import arp, prober
from metalev.lab.arp import Frame
from metalev.lab.host import Host
from metalev.lab.lab import Lab
from metalev.lab.namespace import LabError
from metalev.lab.topology import home_network


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with Lab(home_network(nodes=3, pods_per_node=1)) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    yield shared_lab
    shared_lab.heal()
    for node in shared_lab.nodes.values():
        node.revive()
        node.mend()
        for process in node.processes:
            process.kill()
        node.processes.clear()


def reaches(one: Host, other: Host) -> bool:
    """Whether a question of ``one`` gets to ``other`` and the answer back."""
    return one.who_has(other.address) == [other.mac]


def hears(listener: Host, speaker: Host) -> bool:
    """Whether a broadcast of ``speaker`` gets to ``listener``; what comes back does not matter."""
    with listener.capture() as tape:
        speaker.who_has(listener.address, timeout=0.1)
        listener.send(listener.question(speaker.address))
        tape.wait_for(lambda frame: frame.outgoing and frame.source == listener.mac and is_question(frame))
        return any(frame.source == speaker.mac and is_question(frame) for frame in tape.frames)


def is_question(frame: Frame) -> bool:
    """Whether somebody asks for an address in it."""
    return frame.arp is not None and frame.arp.operation == arp.REQUEST


def test_hosts_reach_each_other(lab: Lab) -> None:
    everybody = [*lab.nodes.values(), lab.client, lab.host("router")]
    assert all(reaches(lab.node("node1"), other) for other in everybody[1:])


def test_pods_answer_across_nodes_with_their_names(lab: Lab) -> None:
    page = lab.node("node1").run(["curl", "-s", "http://10.244.3.2/"]).stdout
    assert "Server address: 10.244.3.2:80\nServer name: pod-c\nNode: node3\n" in page


def test_pods_serve_many_requests_on_one_connection(lab: Lab) -> None:
    two = ["http://10.244.2.2/", "http://10.244.2.2/"]
    pages = lab.node("node1").run(["curl", "-s", *two]).stdout.splitlines()
    clients = {line for line in pages if line.startswith("Client address")}
    assert pages.count("Server name: pod-b") == 2
    assert len(clients) == 1


def test_pods_echo_on_the_echo_port(lab: Lab) -> None:
    with lab.node("node1").socket() as connection:
        connection.settimeout(60)
        connection.connect(("10.244.2.2", 7))
        connection.sendall(b"still there?")
        assert connection.recv(100) == b"still there?"


def test_a_pod_reaches_the_pods_of_other_nodes(lab: Lab) -> None:
    page = lab.namespace_of("pod-a").run(["curl", "-s", "http://10.244.2.2/"]).stdout
    assert "Client address: 10.244.1.2:" in page


def test_a_killed_node_is_silent_and_comes_back(lab: Lab) -> None:
    node = lab.node("node2")
    program = node.spawn(["tail", "-f", "/dev/null"])
    node.kill()
    assert not program.running
    assert lab.client.who_has(node.address) == []
    node.kill()
    node.revive()
    assert reaches(lab.client, node)


def test_a_cut_cable_takes_the_carrier_and_mends(lab: Lab) -> None:
    node = lab.node("node2")
    node.cut()
    assert "NO-CARRIER" in node.run(["ip", "link", "show", "eth0"]).stdout
    assert not reaches(lab.client, node)
    node.mend()
    assert reaches(lab.client, node)


def test_mending_the_cable_does_not_revive_a_dead_node(lab: Lab) -> None:
    node = lab.node("node2")
    node.kill()
    node.mend()
    assert lab.client.who_has(node.address) == []


def test_a_mute_node_hears_and_is_not_heard(lab: Lab) -> None:
    one, other = lab.node("node1"), lab.node("node2")
    one.cut_one_way("out")
    assert hears(one, other)
    assert not hears(other, one)


def test_a_deaf_node_is_heard_and_does_not_hear(lab: Lab) -> None:
    one, other = lab.node("node1"), lab.node("node2")
    one.cut_one_way("in")
    assert not hears(one, other)
    assert hears(other, one)
    assert "LOWER_UP" in one.run(["ip", "link", "show", "eth0"]).stdout


def test_a_partition_separates_its_sides_only(lab: Lab) -> None:
    one, two, three = lab.nodes.values()
    lab.partition([one], [two, three])
    assert not hears(two, one)
    assert not hears(one, three)
    assert reaches(two, three)
    assert reaches(lab.client, one)
    lab.heal()
    assert reaches(one, two)


def test_paused_programs_do_nothing_until_they_are_resumed(lab: Lab) -> None:
    node = lab.node("node1")
    node.spawn(["true"]).wait(60)  # one that has ended is no obstacle
    sleeper = node.spawn(["tail", "-f", "/dev/null"])
    node.pause()
    assert state_of(sleeper.pid) == "T"
    node.resume()
    assert state_of(sleeper.pid) != "T"


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_spawned_programs_write_to_their_log(lab: Lab, tmp_path: Path) -> None:
    process = lab.client.spawn(
        ["sh", "-c", "echo $GREETING from $METALEV_LAB"], env={"GREETING": "hello"}, log=tmp_path / "l"
    )
    assert process.wait(60) == 0
    assert process.output() == f"hello from {lab.id}\n"


def test_waiting_for_words_that_never_come_quotes_what_was_said(lab: Lab, tmp_path: Path) -> None:
    process = lab.client.spawn(["sh", "-c", "echo no such thing; exit 3"], log=tmp_path / "log")
    with pytest.raises(LabError, match="before it ended; it said: no such thing"):
        process.wait_for("ready")


def test_a_failing_command_is_quoted(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"node1: `ip link show eth9` failed \(1\): .*eth9"):
        lab.node("node1").run(["ip", "link", "show", "eth9"])


def test_two_holders_of_an_address_both_answer(lab: Lab) -> None:
    for name in ("node1", "node2"):
        lab.node(name).run(["ip", "address", "add", "192.168.1.205/32", "dev", "lo"])
    answered = lab.client.who_has(IPv4Address("192.168.1.205"))
    for name in ("node1", "node2"):
        lab.node(name).run(["ip", "address", "del", "192.168.1.205/32", "dev", "lo"])
    assert sorted(answered) == [lab.node("node1").mac, lab.node("node2").mac]


def test_the_client_learns_and_forgets_neighbours(lab: Lab) -> None:
    node = lab.node("node3")
    lab.client.run(["curl", "-s", "--max-time", "2", f"http://{node.address}:1/"], check=False)
    assert lab.client.neighbour(node.address) == node.mac
    lab.client.forget_neighbours()
    assert lab.client.neighbour(node.address) is None


def test_a_capture_shows_both_directions_in_order_with_times(lab: Lab) -> None:
    before = prober.now()
    with lab.client.capture() as tape:
        lab.client.who_has(lab.node("node1").address)
        answer = tape.wait_for(lambda frame: frame.arp is not None and frame.arp.operation == arp.REPLY)
        question = tape.wait_for(lambda frame: frame.outgoing)
    assert before < question.at < answer.at < prober.now()
    assert question.arp == arp.ArpPacket(
        arp.REQUEST, lab.client.mac, lab.client.address, "00:00:00:00:00:00", lab.node("node1").address
    )
    assert (answer.source, answer.destination) == (lab.node("node1").mac, lab.client.mac)


def test_a_capture_says_what_it_saw_when_nothing_fits(lab: Lab) -> None:
    with lab.client.capture() as tape, pytest.raises(LabError, match="none of 0 frames"):
        tape.wait_for(lambda _: True, timeout=0.05)


def test_an_address_that_always_answers_has_no_silence(lab: Lab, tmp_path: Path) -> None:
    log = tmp_path / "log"
    probing = prober.start(lab.node("node1"), "10.244.2.2:80", log=log, held=2, echo="10.244.2.2:7")
    report = prober.finish(probing)
    assert report.answered >= 1
    assert (report.refused, report.unanswered, report.held_lost) == (0, 0, 0)


def test_the_prober_measures_how_long_a_node_was_away(lab: Lab, tmp_path: Path) -> None:
    one, two = lab.node("node1"), lab.node("node2")
    probing = prober.start(one, "10.244.2.2:80", log=tmp_path / "log", held=1, echo="10.244.2.2:7")
    gone = prober.now()
    two.cut()
    lab.client.who_has(two.address, timeout=0.4)
    two.mend()
    one.run(["curl", "-s", "http://10.244.2.2/"])
    report = prober.finish(probing)
    assert report.silence_began > gone - 0.2
    assert report.silence_ended > gone + 0.4
    assert report.longest_silence_ms >= 400
    assert (report.held, report.held_lost) == (1, 0)


def test_an_address_that_never_comes_back_counts_as_silent_to_the_end(lab: Lab, tmp_path: Path) -> None:
    probing = prober.start(lab.node("node1"), "10.244.2.2:80", log=tmp_path / "log")
    lab.node("node2").kill()
    lab.client.who_has(lab.node("node2").address, timeout=0.5)
    report = prober.finish(probing)
    assert report.longest_silence_ms >= 500
    assert report.attempts > report.answered


def test_a_port_that_nobody_serves_is_refused(lab: Lab) -> None:
    arguments = ["--connect", "10.244.2.2:81", "--seconds", "0.2"]
    output = lab.node("node1").run([sys.executable, "-m", "metalev.lab.prober", *arguments]).stdout
    report = msgspec.json.decode(output, type=prober.Report)
    assert report.answered == 0 < report.refused
    assert report.longest_silence_ms >= 200


def test_connections_into_a_dead_node_get_no_answer(lab: Lab) -> None:
    lab.node("node2").kill()
    with lab.node("node1").socket() as connection:
        connection.settimeout(0.3)
        assert connection.connect_ex(("10.244.2.2", 80)) in (errno.EAGAIN, errno.EHOSTUNREACH)
