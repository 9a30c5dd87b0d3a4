"""Several Services at one address."""

from __future__ import annotations

from typing import Any

from tests.e2e.room import HOME, OTHER, Room

KEY = "metallb.io/allow-shared-ip"


def ports(*numbers: int, protocol: str = "TCP") -> list[dict[str, object]]:
    """Of a Service, each served by the web servers."""
    return [{"name": f"p{one}", "port": one, "targetPort": 80, "protocol": protocol} for one in numbers]


def share(room: Room, name: str, *numbers: int, key: str = "key", namespace: str = HOME, **spec: Any) -> None:
    """A Service with these ports that offers to share."""
    room.service(name, annotations={KEY: key}, ports=ports(*numbers), namespace=namespace, **spec)


def test_two_services_with_one_key_and_other_ports_share_an_address_and_both_answer(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise()
    share(room, "web", 80)
    share(room, "api", 8080)
    for name, port in (("web", 80), ("api", 8080)):
        assert room.address(name) == address
        assert room.page(address, "/hostname", port).startswith("web-")


def test_sharers_are_announced_by_one_node_and_both_say_so(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise()
    share(room, "web", 80)
    share(room, "api", 8080)
    node = room.announcer(address)
    for name in ("web", "api"):
        room.wait_for_status(name, node)


def test_sharers_of_ipv6_are_announced_by_one_node(room: Room) -> None:
    (address,) = room.pool_of(0, ipv6=1)
    room.advertise()
    for name, port in (("web", 80), ("api", 8080)):
        share(room, name, port, ipFamilies=["IPv6"])
        assert room.address(name) == address
        assert room.page(address, "/hostname", port).startswith("web-")


def test_another_namespace_may_share(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "web", 80)
    assert room.address("web") == address
    share(room, "web", 8080, namespace=OTHER)
    assert room.address("web", OTHER) == address


def test_the_same_port_of_another_protocol_is_no_clash(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "tcp", 53)
    assert room.address("tcp") == address
    room.service("udp", annotations={KEY: "key"}, ports=ports(53, protocol="UDP"))
    assert room.address("udp") == address


def test_a_port_that_is_taken_is_refused_by_name(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "web", 80)
    assert room.address("web") == address
    room.service("api", annotations={KEY: "key"}, ports=ports(80), loadBalancerIP=address)
    assert room.refused("api") == f'port TCP/80 is already in use on "{address}"'


def test_another_key_is_refused_with_the_holders_name(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "web", 80)
    assert room.address("web") == address
    room.service("api", annotations={KEY: "other"}, ports=ports(8080), loadBalancerIP=address)
    wanted = f'can\'t change sharing key for "{HOME}/api", address also in use by {HOME}/web'
    assert room.refused("api") == wanted


def test_who_has_no_key_gets_an_address_of_its_own(room: Room) -> None:
    room.pool_of(2)
    share(room, "web", 80)
    first = room.address("web")
    room.service("api", ports=ports(8080))
    assert room.address("api") != first


def test_local_services_share_only_with_the_same_pods(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "web", 80, externalTrafficPolicy="Local")
    assert room.address("web") == address
    share(room, "api", 8080, externalTrafficPolicy="Local")
    assert room.address("api") == address
    share(room, "one", 8081, externalTrafficPolicy="Local", selector={"app": "one"})
    assert room.refused("one").startswith("no available IPs")


def test_local_and_cluster_do_not_share(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "web", 80, externalTrafficPolicy="Local")
    assert room.address("web") == address
    share(room, "api", 8080)
    assert room.refused("api").startswith("no available IPs")


def test_a_change_of_the_traffic_policy_costs_the_shared_address(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "web", 80)
    assert room.address("web") == address
    share(room, "api", 8080)
    assert room.address("api") == address
    (more,) = room.pool_of(name="second")
    room.change("api", '{"spec": {"externalTrafficPolicy": "Local"}}')
    room.wait_for_address("api", more)
    assert room.held("web") == [address]


def test_who_alone_has_an_address_may_change_its_key(room: Room) -> None:
    (address,) = room.pool_of()
    share(room, "web", 80)
    assert room.address("web") == address
    room.annotate("web", f"{KEY}=new")
    share(room, "api", 8080, key="new")
    assert room.address("api") == address
    assert room.held("web") == [address]


def test_who_changes_its_key_among_others_gets_another_address(room: Room) -> None:
    (address,) = room.pool_of()
    for name, port in (("web", 80), ("api", 8080)):
        share(room, name, port)
        assert room.address(name) == address
    (more,) = room.pool_of(name="second")
    room.annotate("api", f"{KEY}=new")
    room.wait_for_address("api", more)


def test_the_last_of_the_sharers_keeps_the_address(room: Room) -> None:
    (address,) = room.pool_of()
    room.advertise()
    for name, port in (("web", 80), ("api", 8080)):
        share(room, name, port)
        assert room.address(name) == address
    room.delete("web")
    assert room.page(address, "/hostname", 8080).startswith("web-")
    assert room.held("api") == [address]
