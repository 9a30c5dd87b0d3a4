"""MetalLB's ConfigMap of before 0.13, and errors in it in the user's own words."""

from __future__ import annotations

from typing import Any

import pytest

from metalev.adapters.codec import BadField, Codec
from metalev.model.legacy import LegacyBFDProfile, LegacyBGPAdvertisement, LegacyConfig
from metalev.model.meta import Kind, LabelSelector, Name, ObjectKey

CODEC = Codec("metallb-system")
NAME = Name("metallb-system", "config")
# The configuration of MetalLB 0.12 in full, with each of its keys.
EVERYTHING = """\
peers:
- my-asn: 64512
  peer-asn: 64513
  peer-address: 10.0.0.1
  source-address: 10.0.0.2
  peer-port: 1179
  hold-time: 2m
  keepalive-time: 30s
  router-id: 1.2.3.4
  password: secret
  bfd-profile: fast
  ebgp-multihop: true
  node-selectors:
  - match-labels: {rack: a}
    match-expressions:
    - {key: zone, operator: In, values: [x, y]}
address-pools:
- name: layer-two
  protocol: layer2
  addresses: [192.168.1.240/28, 192.168.1.10-192.168.1.20]
  auto-assign: false
  avoid-buggy-ips: true
- name: routed
  protocol: bgp
  addresses: [198.51.100.0/24]
  bgp-advertisements:
  - aggregation-length: 32
    aggregation-length-v6: 128
    localpref: 100
    communities: ["64512:1", no-export]
bgp-communities: {no-export: 65535:65281}
bfd-profiles:
- name: fast
  receive-interval: 300
  transmit-interval: 200
  detect-multiplier: 3
  echo-interval: 50
  echo-mode: false
  passive-mode: true
  minimum-ttl: 254
"""
POOL = """\
address-pools:
- name: default
  protocol: layer2
  addresses:
  - 192.168.1.200-192.168.1.210
"""


def config_map(data: object) -> dict[str, Any]:
    metadata = {"name": "config", "namespace": "metallb-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def read(text: str) -> LegacyConfig:
    obj = CODEC.decode(config_map({"config": text}))
    assert isinstance(obj, LegacyConfig)
    return obj


def refusal(text: str) -> str:
    with pytest.raises(BadField) as caught:
        read(text)
    return str(caught.value)


def pool(**changed: object) -> str:
    keys = {"name": "a", "protocol": "layer2", "addresses": ["10.0.0.0/30"], **changed}
    listed = "\n  ".join(f"{key.replace('_', '-')}: {value}" for key, value in keys.items() if value is not None)
    return f"address-pools:\n- {listed}\n"


def remarks(text: str) -> list[tuple[int, str, bool]]:
    return [(remark.line, remark.text, remark.serious) for remark in read(text).remarks]


# --- What it becomes ---


def test_a_layer2_pool_becomes_a_pool_and_its_advertisement() -> None:
    config = read(POOL)
    (read_pool,) = config.pools
    assert (config.name, read_pool.name) == (NAME, Name("metallb-system", "default"))
    assert [str(one) for one in read_pool.ranges] == ["192.168.1.200-192.168.1.210"]
    assert (read_pool.auto_assign, read_pool.avoid_buggy_ips) == (True, False)
    assert [(one.name.name, one.pools) for one in config.advertisements] == [("l2advertisement1", ("default",))]
    assert config.remarks == ()


def test_every_key_of_metallb_0_12_is_read() -> None:
    config = read(EVERYTHING)
    two, routed = config.pools
    assert (two.auto_assign, two.avoid_buggy_ips, len(two.ranges)) == (False, True, 2)
    assert routed.name.name == "routed"
    assert [one.pools for one in config.advertisements] == [("layer-two",)]


def test_what_concerns_bgp_is_kept_for_later() -> None:
    config = read(EVERYTHING)
    (peer,) = config.peers
    assert (peer.my_asn, peer.peer_asn, peer.peer_port, peer.bfd_profile) == (64512, 64513, 1179, "fast")
    assert (peer.hold_time, peer.keepalive_time) == (120, 30)
    assert peer.node_selectors[0].matches({"rack": "a", "zone": "y"})
    assert not peer.node_selectors[0].matches({"rack": "a"})
    assert config.bgp_advertisements == (LegacyBGPAdvertisement("routed", 32, 128, 100, ("64512:1", "no-export")),)
    assert config.bgp_communities == {"no-export": "65535:65281"}
    assert config.bfd_profiles == (LegacyBFDProfile("fast", 300, 200, 3, 50, False, True, 254),)


def test_what_concerns_bgp_is_named_as_not_supported_yet_but_no_mistake() -> None:
    unsupported = "BGP is not supported yet: this is read and has no effect"
    unannounced = "BGP is not supported yet: the pool gives out addresses that nobody announces"
    assert remarks(EVERYTHING) == [
        (24, f"line 24: address-pools[1].protocol: {unannounced}", False),
        (1, f"line 1: peers: {unsupported}", False),
        (31, f"line 31: bgp-communities: {unsupported}", False),
        (32, f"line 32: bfd-profiles: {unsupported}", False),
    ]


def test_a_bgp_pool_without_advertisements_has_the_default_one() -> None:
    assert read(pool(protocol="bgp")).bgp_advertisements == (LegacyBGPAdvertisement("a"),)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(read(EVERYTHING))


@pytest.mark.parametrize("protocol", ["layer2", "l2", "arp", "ndp"])
def test_layer2_may_be_spelled_as_in_any_version(protocol: str) -> None:
    assert len(read(pool(protocol=protocol)).advertisements) == 1


@pytest.mark.parametrize(
    "text",
    [
        pool(addresses=None, cidr="[10.0.0.0/30]"),
        pool(auto_assign="null"),
        "addressPools:\n- {name: a, protocol: layer2, addresses: [10.0.0.0/30], autoAssign: true}\n",
    ],
)
def test_older_and_other_spellings_of_keys_are_read(text: str) -> None:
    assert read(text).pools == read(pool()).pools


def test_the_spelling_of_metallbs_own_example_is_read() -> None:
    text = (
        "peers:\n- {my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, bfdProfile: fast}\nbfd-profiles: [{name: fast}]\n"
    )
    assert read(text).peers[0].bfd_profile == "fast"


def test_the_spelling_of_metallbs_resources_is_read() -> None:
    text = """\
addressPools:
- {name: a, protocol: layer2, addresses: [10.0.0.0/30], autoAssign: false, avoidBuggyIPs: true}
peers:
- {myASN: 1, peerASN: 2, peerAddress: 10.0.0.1, routerID: 1.2.3.4, ebgpMultiHop: true, nodeSelectors: [{}]}
"""
    (read_pool,), (peer,) = read(text).pools, read(text).peers
    assert (read_pool.auto_assign, read_pool.avoid_buggy_ips) == (False, True)
    assert (peer.my_asn, peer.peer_asn, peer.router_id, peer.ebgp_multihop) == (1, 2, "1.2.3.4", True)


def test_the_inner_text_alone_may_have_its_keys_spelled_otherwise() -> None:
    document = {"address_pools": [{"name": "a", "protocol": "layer2", "addresses": ["10.0.0.0/30"]}]}
    assert CODEC.decode(document) == read(pool())


def test_older_keys_of_bgp_are_read() -> None:
    text = pool(protocol="bgp", advertisements="[{localpref: 7}]") + "communities: {x: 1:2}\n"
    assert read(text).bgp_advertisements == (LegacyBGPAdvertisement("a", local_pref=7),)
    assert read(text).bgp_communities == {"x": "1:2"}


def test_a_key_that_lost_its_meaning_is_named() -> None:
    assert remarks(pool(arp_network="10.0.0.0/24")) == [
        (5, "line 5: address-pools[0].arp-network: has no effect any more: remove it", False)
    ]


def test_names_become_those_that_an_object_can_have() -> None:
    config = read(pool(name="My_Pool"))
    assert config.pools[0].name.name == "my-pool"
    assert config.advertisements[0].pools == ("my-pool",)
    assert 'the pool "My_Pool" is called "my-pool" here: a Service may ask for it by either' in config.remarks[0].text


def test_a_long_name_is_cut() -> None:
    assert read(pool(name="x" * 70)).pools[0].name.name == "x" * 63


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "address-pools: []\n", "address-pools:\n"])
def test_an_empty_configuration_is_one(text: str) -> None:
    assert read(text) == LegacyConfig(NAME)


def test_the_inner_text_alone_is_read_as_well() -> None:
    document = {"address-pools": [{"name": "a", "protocol": "layer2", "addresses": ["10.0.0.0/30"]}]}
    assert CODEC.decode(document) == read(pool())
    assert CODEC.identify(document) == ObjectKey(Kind.CONFIG_MAP, NAME)


@pytest.mark.parametrize(("name", "namespace"), [("config", "default"), ("settings", "metallb-system")])
def test_other_config_maps_are_nobodys_concern(name: str, namespace: str) -> None:
    metadata = {"name": name, "namespace": namespace}
    assert CODEC.decode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": 7}) is None


def test_without_a_namespace_it_is_in_ours() -> None:
    document = config_map({"config": POOL})
    del document["metadata"]["namespace"]
    assert CODEC.decode(document) == read(POOL)
    assert CODEC.identify(document) == ObjectKey(Kind.CONFIG_MAP, NAME)


@pytest.mark.parametrize("text", ["adress-pools: []\n", 'addressPools:\n- name: "cut\n'])
def test_without_a_namespace_its_mistakes_are_named_too(text: str) -> None:
    document = config_map({"config": text})
    del document["metadata"]["namespace"]
    with pytest.raises(BadField, match=r"data\.config: line \d"):
        CODEC.decode(document)


def test_a_config_map_of_somebody_elses_without_a_namespace_is_left_alone() -> None:
    document = config_map({"config": "connection-pools: []\n"})
    del document["metadata"]["namespace"]
    assert CODEC.decode(document) is None
    assert CODEC.unknown_fields(document) == ()


# --- What is wrong with it ---


def test_pools_that_overlap_are_named_and_stay() -> None:
    text = pool() + "- {name: b, protocol: layer2, addresses: [10.0.1.0/30, 10.0.0.2/31]}\n"
    overlap = 'CIDR "10.0.0.2/31" in pool "b" overlaps with already defined CIDR "10.0.0.0/30"'
    assert remarks(text) == [(5, f"line 5: address-pools[1].addresses[1]: {overlap}", True)]
    assert len(read(text).pools) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (pool(name=None), "line 2: address-pools[0].name: is missing"),
        (pool(protocol=None), "line 2: address-pools[0].protocol: is missing"),
        (pool(protocol="l3"), "line 3: address-pools[0].protocol: invalid enum value 'l3': write layer2 or bgp"),
        (pool(addresses=[]), "line 4: address-pools[0].addresses: pool has no prefixes defined"),
        (pool(addresses="10.0.0.0/30"), "line 4: address-pools[0].addresses: expected a list, got a string"),
        (pool(addresses="[10.0.0.0/30, please]"), 'line 4: address-pools[0].addresses[1]: invalid CIDR "please"'),
        (pool(addresses="[10.0.0.9-10.0.0.3]"), 'start IP "10.0.0.9" is after the end IP "10.0.0.3"'),
        (pool(addresses=None, cidr="[x]"), 'line 4: address-pools[0].cidr[0]: invalid CIDR "x"'),
        (pool(cidr="[10.0.0.0/30]"), 'line 5: address-pools[0].cidr: says the same as "addresses": keep one'),
        (
            pool(avoid_buggy_ips="true", avoidBuggyIPs="false"),
            'line 6: address-pools[0].avoidBuggyIPs: says the same as "avoid-buggy-ips": keep one of the two',
        ),
        (pool(auto_assign="maybe"), "line 5: address-pools[0].auto-assign: expected true or false, got a string"),
        (pool(autoAssign=7), "line 5: address-pools[0].autoAssign: expected true or false, got a whole number"),
        (pool(adresses="[]"), 'line 5: address-pools[0].adresses: unknown key: did you mean "addresses"?'),
        (pool(addresses=None, adresses="[]"), 'line 4: address-pools[0].adresses: unknown key: did you mean "addre'),
        (pool(colour="red"), "line 5: address-pools[0].colour: unknown key: there are name, protocol, addresses"),
        (pool(name="no good"), 'line 2: address-pools[0].name: "no good" is no valid name'),
        (pool(bgp_advertisements="[{}]"), "cannot have bgp-advertisements configuration element in a layer2 address"),
        (pool() + pool()[15:], 'line 5: address-pools[1].name: duplicate pool "a": address-pools[0].name'),
        ("adress-pools: []\n", 'line 1: adress-pools: unknown key: did you mean "address-pools"?'),
        ("address-pools: none\n", "line 1: address-pools: expected a list, got a string"),
        ("address-pools:\n- none\n", "line 2: address-pools[0]: expected a mapping, got a string"),
        ("- name: a\n", "line 1: expected a mapping, got a list"),
        (pool(name='"a'), "line 5: cannot be read as YAML: "),
        ("peers:\n- {my-asn: 1, peer-asn: 2, peer-address: router}\n", 'peers[0].peer-address: "router" is no IP'),
        ("peers:\n- {my-asn: 1, peer-asn: 0, peer-address: 10.0.0.1}\n", "peers[0].peer-asn: expected a whole number"),
        (
            "peers:\n- {my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, hold-time: long}\n",
            'line 2: peers[0].hold-time: "long" is no duration: write 90s or 1m30s',
        ),
        (
            "peers:\n- {my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, node-selectors: [{labels: {}}]}\n",
            "peers[0].node-selectors[0].labels: unknown key",
        ),
        ("bfd-profiles:\n- {name: x, echo-interval: 5}\n", "bfd-profiles[0].echo-interval: expected a whole number"),
    ],
)
def test_a_mistake_is_named_by_key_and_line_of_the_text(text: str, message: str) -> None:
    refused = refusal(text)
    assert refused.startswith("data.config: line ")
    assert message in refused


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "data.config: is missing: MetalLB's configuration stands there, as a text"),
        ({"config": {"address-pools": []}}, 'data.config: is no text: write "config: |" and the configuration'),
        ([], "data: expected a mapping, got a list"),
    ],
)
def test_a_config_map_of_another_shape_is_told_the_right_one(data: object, message: str) -> None:
    with pytest.raises(BadField) as caught:
        CODEC.decode(config_map(data))
    assert str(caught.value).startswith(message)


def test_selectors_of_peers_default_to_every_node() -> None:
    text = "peers:\n- {my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, node-selectors: [{}]}\n"
    assert read(text).peers[0].node_selectors == (LabelSelector(),)
