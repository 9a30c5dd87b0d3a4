"""Which interface leads to an address, by the kernel's own tables."""

from ipaddress import ip_address

import pytest

from metalev.probe.way import best, other_address

IPV4 = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth0\t0000000A\tFE01A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0
"""
IPV6 = """\
fd001920016800010000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 \
00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 \
00000001 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff \
00000001 00000000 00200200       lo
fd001920016800010000000000000100 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 \
00000002 00000000 80200001     lo
"""
ARP = """\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.200    0x1         0x2         02:00:c0:a8:01:0b     *        eth0
192.168.1.11     0x1         0x2         02:00:C0:A8:01:0B     *        eth0
"""


@pytest.mark.parametrize(
    ("address", "interface", "direct"),
    [
        ("192.168.1.200", "eth0", True),
        ("198.51.100.7", "eth0", False),
        ("10.1.2.3", "eth0", False),
        ("fd00:1920:168:1::200", "eth0", True),
        ("2001:db8::1", "eth1", False),
    ],
)
def test_the_longest_prefix_then_the_smallest_metric_leads_there(address: str, interface: str, direct: bool) -> None:
    route = best(ip_address(address), IPV4 if "." in address else IPV6)
    assert route is not None
    assert (route.interface, route.direct) == (interface, direct)


def test_without_a_route_there_is_no_way() -> None:
    assert best(ip_address("192.168.1.200"), IPV4.splitlines()[0]) is None


def test_a_mac_address_is_named_by_the_other_address_seen_at_it() -> None:
    assert other_address("02:00:c0:a8:01:0b", ip_address("192.168.1.200"), ARP) == "192.168.1.11"
    assert other_address("02:00:c0:a8:01:0c", ip_address("192.168.1.200"), ARP) == ""
