"""What MetalLB's old ConfigMap says of BGP is checked by MetalLB's rules, though nothing speaks it yet."""

from __future__ import annotations

import pytest
from tests.unit.adapters.test_codec_legacy import read, refusal


def peer(**changed: object) -> str:
    keys = {"my-asn": 1, "peer-asn": 2, "peer-address": "10.0.0.1"}
    keys |= {key.replace("_", "-"): value for key, value in changed.items()}
    return "peers:\n- " + "\n  ".join(f"{key}: {value}" for key, value in keys.items()) + "\n"


def routed(addresses: str, *advertisements: str) -> str:
    listed = "".join(f"  - {one}\n" for one in advertisements)
    return (
        f"address-pools:\n- name: routed\n  protocol: bgp\n  addresses: [{addresses}]\n  bgp-advertisements:\n{listed}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (peer(my_asn=0), "line 2: peers[0].my-asn: expected a whole number"),
        (peer(peer_asn=2**32), "line 3: peers[0].peer-asn: expected a whole number"),
        (peer(peer_port=16385), "line 5: peers[0].peer-port: expected a whole number"),
        (peer(peer_port=0), "line 5: peers[0].peer-port: expected a whole number"),
        (peer(source_address="here"), 'line 5: peers[0].source-address: "here" is no IP address'),
        (peer(router_id="2001:db8::1"), 'line 5: peers[0].router-id: invalid router id "2001:db8::1": it is written'),
        (peer(hold_time="2s"), 'line 5: peers[0].hold-time: invalid hold time "2s": must be 0 or >=3s'),
        (peer(hold_time="2999ms"), 'line 5: peers[0].hold-time: invalid hold time "2999ms": must be 0 or >=3s'),
        (
            peer(hold_time="9s", keepalive_time="10s"),
            'line 6: peers[0].keepalive-time: invalid keepaliveTime "10s", must be lower than holdTime "9s"',
        ),
        (
            peer(peer_asn=1, ebgp_multihop="true"),
            "line 5: peers[0].ebgp-multihop: invalid EBGPMultiHop parameter set for an ibgp peer",
        ),
        (
            peer(bfd_profile="fast") + "bfd-profiles: [{name: slow}]\n",
            'line 5: peers[0].bfd-profile: references non existing BFD profile "fast": there is slow',
        ),
        (peer() + peer()[7:], "line 5: peers[1]: peer 10.0.0.1 already exists: remove one of the two"),
    ],
)
def test_a_peer_that_cannot_be_is_named_by_key_and_line(text: str, message: str) -> None:
    assert message in refusal(text)


def test_a_hold_time_of_nothing_and_one_of_three_seconds_are_good() -> None:
    assert read(peer(hold_time="0s")).peers[0].hold_time == 0
    assert read(peer(hold_time="3s", keepalive_time="1s")).peers[0].hold_time == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "bfd-profiles:\n- {name: a, receive-interval: 9}\n",
            "line 2: bfd-profiles[0].receive-interval: expected a whole number",
        ),
        (
            "bfd-profiles:\n- {name: a, transmit-interval: 60001}\n",
            "line 2: bfd-profiles[0].transmit-interval: expected a whole number",
        ),
        (
            "bfd-profiles:\n- {name: a, detect-multiplier: 1}\n",
            "line 2: bfd-profiles[0].detect-multiplier: expected a whole number",
        ),
        (
            "bfd-profiles:\n- {name: a, minimum-ttl: 255}\n",
            "line 2: bfd-profiles[0].minimum-ttl: expected a whole number",
        ),
        (
            "bfd-profiles:\n- {name: a}\n- {name: a}\n",
            "line 3: bfd-profiles[1].name: found duplicate bfd profile name a",
        ),
    ],
)
def test_a_bfd_profile_that_cannot_be_is_named_by_key_and_line(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("addresses", "advertisements", "message"),
    [
        (
            "10.0.0.0/28",
            ["{aggregation-length: 26}"],
            "bgp-advertisements[0].aggregation-length: invalid aggregation length 26: prefix 28 in this pool is more",
        ),
        (
            "2001:db8::/64",
            ["{}", "{aggregation-length-v6: 63}"],
            "line 7: address-pools[0].bgp-advertisements[1].aggregation-length-v6: invalid aggregation length 63",
        ),
        ("10.0.0.0/28", ["{aggregation-length: 33}"], "aggregation-length: expected a whole number"),
        (
            "10.0.0.0/28",
            ["{communities: [none-such]}"],
            'bgp-advertisements[0].communities[0]: invalid community string "none-such": write a:b or large:a:b:c',
        ),
        (
            "10.0.0.0/28",
            ['{communities: ["1:2", "1:65536"]}'],
            'communities[1]: invalid community "1:65536": "65536" is no whole number from 0 to 65535',
        ),
        ("10.0.0.0/28", ['{communities: ["large:1:2:-3"]}'], '"-3" is no whole number from 0 to 4294967295'),
        ("10.0.0.0/28", ['{communities: ["1:2", "1:2"]}'], 'communities[1]: "1:2" stands there twice'),
        (
            "10.0.0.0/28",
            [f"{{communities: {[f'1:{number}' for number in range(64)]}}}"],
            "communities: has 64 communities: at most 63 fit into an update",
        ),
        ("10.0.0.0/28", ["{localpref: 1}", "{localpref: 1}"], "line 7: address-pools[0].bgp-advertisements[1]: says"),
        (
            "10.0.0.0/28",
            ["{localpref: 1}", "{localpref: 2}"],
            "bgp-advertisements[1].localpref: invalid local preference 2: local preference 1 was already set for",
        ),
    ],
)
def test_an_advertisement_that_cannot_be_is_named_by_key_and_line(
    addresses: str, advertisements: list[str], message: str
) -> None:
    assert message in refusal(routed(addresses, *advertisements))


def test_of_a_range_any_of_its_cidrs_makes_an_aggregation_length_good() -> None:
    text = routed("10.0.0.1-10.0.0.10", "{aggregation-length: 30}")
    assert read(text).bgp_advertisements[0].aggregation_length == 30
    assert "prefix 30 in this pool" in refusal(text.replace("length: 30", "length: 29"))


def test_two_preferences_are_good_for_different_lengths_of_the_family_that_the_pool_has() -> None:
    text = routed("10.0.0.0/28", "{localpref: 1}", "{localpref: 2, aggregation-length: 28}")
    assert len(read(text).bgp_advertisements) == 2


def test_communities_may_be_numbers_large_ones_and_aliases() -> None:
    text = routed("10.0.0.0/28", '{communities: ["65535:1", "large:1:2:4294967295", ours]}')
    (advertisement,) = read(text + 'bgp-communities: {ours: "1:2"}\n').bgp_advertisements
    assert len(advertisement.communities) == 3


def test_an_alias_must_stand_for_a_community() -> None:
    message = 'line 3: bgp-communities.theirs: invalid community string "many": write a:b or large:a:b:c'
    assert message in refusal('bgp-communities:\n  ours: "1:2"\n  theirs: many\n')


def test_a_misspelt_alias_is_told_those_that_there_are() -> None:
    text = routed("10.0.0.0/28", "{communities: [our]}") + 'bgp-communities: {ours: "1:2"}\n'
    assert "write a:b, large:a:b:c or ours" in refusal(text)
