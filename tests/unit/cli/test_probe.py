"""How ``metalev probe`` is told what to do."""

from argparse import ArgumentTypeError
from ipaddress import ip_address

import pytest

from metalev.cli import probing
from metalev.cli.main import main
from metalev.cli.probe import held, mac_name, pace, target
from metalev.model.errors import StartError
from metalev.probe.way import Way

VIP = ip_address("192.168.1.200")


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [("192.168.1.200:80", "192.168.1.200", 80), ("[fd00::200]:65535", "fd00::200", 65535)],
)
def test_a_target_is_an_address_and_a_port(text: str, address: str, port: int) -> None:
    assert target(text) == (ip_address(address), port)


@pytest.mark.parametrize(
    "text", ["192.168.1.200", "192.168.1.200:", "web:80", "fd00::200:80", "[192.168.1.1]:80", "1.2.3.4:0", "[fd00::1]"]
)
def test_what_is_no_target_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"write 192\.168\.1\.200:80 or \[fd00::200\]:80"):
        target(text)


@pytest.mark.parametrize("text", ["1ms", "11s"])
def test_a_pace_neither_floods_nor_sleeps(text: str) -> None:
    assert (pace("2ms"), pace("10s")) == (0.002, 10.0)
    with pytest.raises(ArgumentTypeError, match="is not between 2ms and 10s"):
        pace(text)


def test_held_connections_are_bounded() -> None:
    assert (held("0"), held("250")) == (0, 250)
    with pytest.raises(ArgumentTypeError, match="is more than 250 connections"):
        held("251")


def test_a_mac_address_is_given_a_name() -> None:
    assert mac_name("02:00:C0:A8:01:0B=node2") == ("02:00:c0:a8:01:0b", "node2")


@pytest.mark.parametrize("text", ["node2", "02:00:c0:a8:01:0b", "02:00:c0:a8:01=node2", "02:00:c0:a8:01:0x=node2"])
def test_what_is_no_name_of_a_mac_address_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="write 02:00:c0:a8:01:0b=node2"):
        mac_name(text)


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_without_the_capability_nobody_is_asked_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "way_to", lambda _: Way("eth0", direct=True, source="192.168.1.100"))
    monkeypatch.setattr(probing, "asker", refuse)
    assert probing.make_asker(VIP, "") == (None, probing.NO_RIGHT)


def test_behind_a_router_nobody_is_asked_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "way_to", lambda _: Way("eth0", direct=False, source="192.168.1.100"))
    make, why = probing.make_asker(VIP, "")
    assert (make, "behind a router" in why) == (None, True)


def test_an_address_without_a_route_cannot_be_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "way_to", lambda _: None)
    with pytest.raises(StartError, match=r"no route to 192\.168\.1\.200"):
        probing.make_asker(VIP, "")


def test_a_command_line_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["probe", "web"])
    assert ended.value.code == 2
    assert "is no address and port" in capsys.readouterr().err
