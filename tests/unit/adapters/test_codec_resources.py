"""MetalLB's resources, nodes, namespaces and the key of the beacons, from JSON to the model."""

from __future__ import annotations

import base64
from ipaddress import ip_address
from typing import Any

import pytest

from metalev.adapters.codec import BadField, Codec
from metalev.model.address import WRITE_RANGES
from metalev.model.cluster import BeaconKey, BeaconSecret, Namespace, Node
from metalev.model.errors import BadInput
from metalev.model.meta import Expression, LabelSelector, Name, Operator
from metalev.model.pools import L2Advertisement, Pool, Preference, ServiceAllocation

CODEC = Codec("metallb-system")
KEY = "0123456789abcdef"
OTHER_KEY = "fedcba9876543210"


def pool(spec: object, **metadata: str) -> Pool:
    metadata = {"name": "first", **metadata}
    obj = CODEC.decode(
        {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": spec}
    )
    assert isinstance(obj, Pool)
    return obj


def advertisement(**spec: Any) -> L2Advertisement:
    document = {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "all"}, **spec}
    obj = CODEC.decode(document)
    assert isinstance(obj, L2Advertisement)
    return obj


def secret(**fields: Any) -> BeaconSecret:
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "metalev-beacon"}, **fields}
    obj = CODEC.decode(document)
    assert isinstance(obj, BeaconSecret)
    return obj


# --- Pools and advertisements ---


def test_pool_keeps_its_ranges_in_their_order() -> None:
    read = pool({"addresses": ["192.0.2.128/25", "192.0.2.10 - 192.0.2.20", "2001:db8::/64"]})
    assert [str(found) for found in read.ranges] == [
        "192.0.2.128-192.0.2.255",
        "192.0.2.10-192.0.2.20",
        "2001:db8::-2001:db8::ffff:ffff:ffff:ffff",
    ]
    assert (read.name, read.auto_assign, read.avoid_buggy_ips) == (Name("metallb-system", "first"), True, False)


def test_pool_can_be_for_some_services_only() -> None:
    allocation = {
        "priority": 5,
        "namespaces": ["shop"],
        "namespaceSelectors": [{"matchLabels": {"team": "a"}}],
        "serviceSelectors": [{"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}],
    }
    read = pool({"addresses": ["192.0.2.0/24"], "autoAssign": False, "serviceAllocation": allocation})
    assert not read.auto_assign
    assert read.allocation == ServiceAllocation(
        5,
        ("shop",),
        (LabelSelector({"team": "a"}),),
        (LabelSelector({}, (Expression("app", Operator.IN, ("web",)),)),),
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"addresses": []}, f"spec.addresses: pool has no prefixes defined: {WRITE_RANGES}"),
        ({}, "spec.addresses: is missing"),
        (
            {"addresses": ["192.0.2.0/24", "192.0.2.0/33"]},
            f'spec.addresses[1]: invalid CIDR "192.0.2.0/33": {WRITE_RANGES}',
        ),
        ({"addresses": "192.0.2.0/24"}, "spec.addresses: expected a list, got a string"),
        ({"addresses": ["192.0.2.0/24"], "autoAssign": "no"}, "spec.autoAssign: expected true or false, got a string"),
    ],
)
def test_unusable_pool_is_named_by_its_field(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(BadField) as caught:
        pool(spec)
    assert str(caught.value) == message


def test_what_is_listed_twice_in_a_file_is_no_mistake() -> None:
    twice = {"namespaces": ["shop", "shop"], "serviceSelectors": [{"matchLabels": {"a": "b"}}] * 2}
    allocation = pool({"addresses": ["10.0.0.0/30"], "serviceAllocation": twice}).allocation
    assert allocation is not None
    assert set(allocation.namespaces) == {"shop"}
    assert set(advertisement(spec={"ipAddressPools": ["main", "main"]}).pools) == {"main"}


def test_pool_outside_our_namespace_is_refused_in_metallbs_words() -> None:
    with pytest.raises(BadInput, match=r"^resource must be created in metallb-system namespace$"):
        pool({"addresses": ["192.0.2.0/24"]}, namespace="default")


def test_advertisement_without_a_spec_announces_everything() -> None:
    assert advertisement() == L2Advertisement(Name("metallb-system", "all"))


def test_advertisement_selects_pools_nodes_services_and_interfaces() -> None:
    selector = {"matchLabels": {"zone": "a"}}
    read = advertisement(
        spec={
            "ipAddressPools": ["first"],
            "ipAddressPoolSelectors": [selector],
            "nodeSelectors": [selector],
            "serviceSelectors": [selector],
            "interfaces": ["eth0"],
            "preferredNodeSelectors": [{"weight": 10, "preference": selector}],
        }
    )
    chosen = LabelSelector({"zone": "a"})
    assert (read.pools, read.interfaces) == (("first",), ("eth0",))
    assert read.pool_selectors == read.node_selectors == read.service_selectors == (chosen,)
    assert read.preferences == (Preference(10, chosen),)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "In"}, "values: operator In needs at least one value"),
        ({"key": "a", "operator": "Exists", "values": ["x"]}, "values: operator Exists takes no values"),
        (
            {"key": "a", "operator": "Equals"},
            "operator: invalid enum value 'Equals': write In or NotIn or Exists or DoesNotExist",
        ),
    ],
)
def test_selector_that_no_api_server_would_take_is_refused(expression: dict[str, Any], message: str) -> None:
    with pytest.raises(BadField) as caught:
        advertisement(spec={"nodeSelectors": [{}, {"matchExpressions": [expression]}]})
    assert str(caught.value) == f"spec.nodeSelectors[1].matchExpressions[0].{message}"


# --- Nodes and namespaces ---


def test_node_is_reached_by_its_internal_addresses() -> None:
    addresses = [
        {"type": "InternalIP", "address": "192.0.2.1"},
        {"type": "Hostname", "address": "node1"},
        {"type": "InternalIP", "address": "2001:db8::1"},
    ]
    conditions = [{"type": "NetworkUnavailable", "status": "True"}]
    document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1", "labels": {"zone": "a"}}}
    read = CODEC.decode(document | {"status": {"addresses": addresses, "conditions": conditions}})
    assert isinstance(read, Node)
    assert read.addresses == (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    assert (read.name, read.labels, read.network_unavailable) == (Name("", "node1"), {"zone": "a"}, True)


def test_namespace_has_the_label_that_an_api_server_gives_it() -> None:
    read = CODEC.decode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "b"}}})
    assert read == Namespace(Name("", "shop"), labels={"kubernetes.io/metadata.name": "shop", "a": "b"})


# --- The key of the beacons ---


def test_key_may_be_base64_or_plain() -> None:
    encoded = base64.b64encode(KEY.encode()).decode()
    expected = (BeaconKey(1, KEY.encode()),)
    assert secret(data={"key": encoded}).keys == secret(stringData={"key-1": KEY}).keys == expected
    assert secret(data={"key": encoded}).name == Name("metallb-system", "metalev-beacon")


def test_lowest_key_signs_until_another_is_current() -> None:
    keys = {"key-2": OTHER_KEY, "key-1": KEY}
    assert [key.id for key in secret(stringData=keys).keys] == [1, 2]
    assert [key.id for key in secret(stringData={**keys, "current": "2"}).keys] == [2, 1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "data: no key in it"),
        ({"stringData": {"key": "short"}}, "stringData.key: the key has 5 bytes: at least 16 are needed"),
        ({"stringData": {"key-70000": KEY}}, "stringData.key-70000: the id of a key is at most 65535"),
        ({"data": {"key": "not base64!"}}, "data.key: is no base64"),
        ({"stringData": {"key": KEY, "current": "2"}}, "data.current: names a key that is not there"),
        ({"stringData": {"key": KEY, "key-1": OTHER_KEY}}, 'data: "key" and "key-1" are the same key'),
    ],
)
def test_unusable_key_is_named_and_never_shown(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadField) as caught:
        secret(**fields)
    assert str(caught.value).startswith(message)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("metadata", [{"name": "memberlist"}, {"name": "metalev-beacon", "namespace": "default"}])
def test_secrets_of_others_are_not_even_looked_into(metadata: dict[str, str]) -> None:
    assert CODEC.decode({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": "no mapping"}) is None
