"""What the kernel's table of connections says of addresses, line by line as the kernel writes it."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from metalev.adapters.conntrack import open_connections
from metalev.model.errors import Unavailable

VIP = ip_address("192.0.2.1")
OTHER = ip_address("192.0.2.10")
VIP6 = ip_address("2001:db8::1")
HOUR = 3600.0
KEPT = 86400


def line(left: int | None, state: str = "ESTABLISHED", to: str = "192.0.2.1", protocol: str = "tcp      6") -> str:
    """An entry: ``left`` seconds of its time remain (``None``: hardware forwards it), the pod answers."""
    clock = f"{left} {state} " if left is not None else ""
    mark = "[ASSURED]" if left is not None else "[OFFLOAD]"
    directions = f"src=192.0.2.100 dst={to} sport=40000 dport=80 src=10.0.0.2 dst=192.0.2.100 sport=80 dport=40000"
    return f"ipv4     2 {protocol} {clock}{directions} {mark} mark=0 zone=0 use=2\n"


def found(folder: Path, *lines: str) -> dict[str, int]:
    """How many connections with a packet in the last hour there are to each of the three addresses."""
    (folder / "table").write_text("".join(lines))
    (folder / "kept").write_text(f"{KEPT}\n")
    wanted = dict.fromkeys((VIP, OTHER, VIP6), HOUR)
    counts = open_connections(wanted, table=folder / "table", kept=folder / "kept")
    return {str(address): number for address, number in counts.items()}


def test_established_connections_are_counted_by_the_address_that_the_client_chose(tmp_path: Path) -> None:
    lines = [line(KEPT - 5), line(KEPT), line(KEPT, to="192.0.2.10"), line(KEPT, to="192.0.2.11")]
    assert found(tmp_path, *lines) == {"192.0.2.1": 2, "192.0.2.10": 1}


def test_addresses_of_ipv6_are_written_in_full(tmp_path: Path) -> None:
    assert found(tmp_path, line(KEPT, to="2001:0db8:0000:0000:0000:0000:0000:0001")) == {"2001:db8::1": 1}


def test_what_is_not_established_or_no_connection_does_not_count(tmp_path: Path) -> None:
    states = [line(KEPT, state) for state in ("SYN_RECV", "TIME_WAIT", "CLOSE")]
    assert found(tmp_path, *states, line(30, "", protocol="udp      17")) == {}


def test_an_answer_to_the_address_does_not_count(tmp_path: Path) -> None:
    back = "ipv4     2 tcp      6 86400 ESTABLISHED src=192.0.2.1 dst=10.0.0.9 sport=9 dport=80 "
    assert found(tmp_path, back + "src=10.0.0.9 dst=192.0.2.1 sport=80 dport=9 [ASSURED] mark=0 zone=0 use=2\n") == {}


def test_what_an_earlier_move_left_behind_does_not_count(tmp_path: Path) -> None:
    assert found(tmp_path, line(KEPT - 3500), line(KEPT - 3700)) == {"192.0.2.1": 1}


def test_one_that_waits_for_an_acknowledgement_counts_though_its_time_is_short(tmp_path: Path) -> None:
    assert found(tmp_path, line(299)) == {"192.0.2.1": 1}


def test_one_that_hardware_forwards_counts(tmp_path: Path) -> None:
    assert found(tmp_path, line(None)) == {"192.0.2.1": 1}


@pytest.mark.parametrize("missing", ["table", "kept"])
def test_a_kernel_that_shows_nothing_is_unavailable_and_the_file_is_named(tmp_path: Path, missing: str) -> None:
    found(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(Unavailable, match=rf"{missing}: No such file"):
        open_connections({VIP: HOUR}, table=tmp_path / "table", kept=tmp_path / "kept")


def test_a_table_that_is_not_as_it_should_be_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="table"):
        found(tmp_path, "ipv4 tcp ESTABLISHED dst=192.0.2.1 \n")
