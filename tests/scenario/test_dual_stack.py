"""The two addresses of a dual-stack Service are one thing: held by one node, moved together."""

from ipaddress import IPv4Address

from metalev.lab import arp, ndp
from metalev.lab.arp import Frame
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node, answer_in
from metalev.lab.topology import socket_address
from metalev.model.address import IPAddress


def announcer_of_both(cluster: LabCluster, pair: tuple[IPAddress, ...]) -> Node:
    one, other = (cluster.wait_for_announcer(address) for address in pair)
    assert one == other
    return one


def test_a_service_gets_an_address_of_each_family(pair: tuple[IPAddress, ...]) -> None:
    assert [address.version for address in pair] == [4, 6]


def test_both_are_announced_by_one_node(cluster: LabCluster, pair: tuple[IPAddress, ...]) -> None:
    announcer_of_both(cluster, pair)


def test_both_lead_to_the_pods(cluster: LabCluster, pair: tuple[IPAddress, ...]) -> None:
    for address in pair:
        page = cluster.lab.client.run(["curl", "-sf", "-m", "20", f"http://{socket_address(address, 80)}/"]).stdout
        assert "Server name: pod-" in page


def test_both_move_to_one_node_when_their_announcer_dies(cluster: LabCluster, pair: tuple[IPAddress, ...]) -> None:
    owner = announcer_of_both(cluster, pair)
    owner.kill()
    assert announcer_of_both(cluster, pair) != owner


def test_both_move_to_one_node_when_their_announcer_loses_its_cable(
    cluster: LabCluster, pair: tuple[IPAddress, ...]
) -> None:
    owner = announcer_of_both(cluster, pair)
    owner.cut()
    assert announcer_of_both(cluster, pair) != owner


def test_both_are_handed_over_when_their_speaker_ends(cluster: LabCluster, pair: tuple[IPAddress, ...]) -> None:
    owner = announcer_of_both(cluster, pair)
    cluster.speaker(owner.name).terminate()
    successor = announcer_of_both(cluster, pair)
    assert successor != owner


def test_a_takeover_announces_both_families(cluster: LabCluster, pair: tuple[IPAddress, ...]) -> None:
    four, six = pair
    owner = announcer_of_both(cluster, pair)

    def tells(frame: Frame, address: IPAddress) -> bool:
        return frame.source != owner.mac and not frame.outgoing and answer_in(frame, address) is not None

    client = cluster.lab.client
    with client.capture() as arps, client.capture(ndp.ETHERTYPE_IPV6) as ndps:
        owner.kill()
        arp_frame = arps.wait_for(lambda frame: tells(frame, four))
        ndp_frame = ndps.wait_for(lambda frame: tells(frame, six))
    assert arp_frame.source == ndp_frame.source


def test_a_stranger_who_claims_an_address_is_named_and_not_obeyed(
    cluster: LabCluster,
) -> None:
    # By its name, so that it is not replaced.
    wish = {"metallb.io/loadBalancerIPs": "192.168.1.208,fd00:192:168:1::208"}
    cluster.manifests.write_service("claimed", families=(4, 6), annotations=wish)
    pair = cluster.wait_for_addresses("claimed", count=2)
    for address in pair:
        cluster.wait_for_announcer(address)
    owner, stranger = announcer_of_both(cluster, pair), cluster.lab.host("router")
    for address in pair:
        stranger.send(claim(stranger.mac, address))
        cluster.speaker(owner.name).wait_for(f"{stranger.mac} on eth0 says that {address} is its own")
    assert announcer_of_both(cluster, pair) == owner
    cluster.manifests.remove("claimed")


def claim(mac: str, address: IPAddress) -> bytes:
    """A gratuitous ARP request, or an unsolicited neighbour advertisement."""
    if isinstance(address, IPv4Address):
        return arp.request(mac, address, address)
    return ndp.advertisement(mac, address)


def test_one_family_going_takes_only_its_address_along(cluster: LabCluster) -> None:
    cluster.manifests.write_service("shrinking", families=(4, 6))
    four, six = cluster.wait_for_addresses("shrinking", count=2)
    cluster.wait_for_announcer(six)
    cluster.manifests.write_service("shrinking", families=(4,))
    cluster.wait_for("one address is left", lambda _: cluster.status("shrinking").addresses == (four,))
    cluster.wait_for_silence(six)
    cluster.wait_for_announcer(four)
    cluster.manifests.remove("shrinking")
