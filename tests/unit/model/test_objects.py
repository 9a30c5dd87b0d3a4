"""What the objects say of themselves."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from metalev.model.address import AddressRange
from metalev.model.cluster import EXCLUDE_LABEL, BeaconKey, Node
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import Pool
from metalev.model.services import Endpoint, Service
from metalev.model.snapshot import KIND_OF, key_of


@pytest.mark.parametrize(
    ("ready", "serving", "expected"),
    [
        (None, None, True),
        (True, None, True),
        (True, True, True),
        (True, False, True),
        (False, None, False),
        (False, True, True),
        (None, True, True),
        (None, False, False),
        (False, False, False),
    ],
)
def test_an_endpoint_serves_if_ready_or_serving_while_it_terminates(
    ready: bool | None, serving: bool | None, expected: bool
) -> None:
    assert Endpoint(("10.1.0.1",), ready=ready, serving=serving).serves is expected


def test_only_load_balancers_want_an_address() -> None:
    assert Service(Name("shop", "web"), type="LoadBalancer").wants_address
    assert not Service(Name("shop", "web")).wants_address


def test_the_exclude_label_counts_whatever_its_value() -> None:
    assert Node(Name("", "node-a"), labels={EXCLUDE_LABEL: "false"}).excluded
    assert not Node(Name("", "node-a")).excluded


def test_a_pool_contains_the_addresses_of_each_range() -> None:
    ranges = tuple(AddressRange.parse(text) for text in ("10.0.0.0/30", "2001:db8::/64"))
    pool = Pool(Name("metallb-system", "main"), ranges=ranges)
    assert ip_address("10.0.0.3") in pool
    assert ip_address("2001:db8::5") in pool
    assert ip_address("10.0.0.4") not in pool


def test_a_key_never_shows_its_secret() -> None:
    assert "hunter2" not in repr(BeaconKey(1, b"hunter2hunter2hunter2"))


def test_an_object_is_filed_under_its_kind_and_name() -> None:
    name = Name("shop", "web")
    assert key_of(Service(name)) == ObjectKey(Kind.SERVICE, name)
    assert key_of(Pool(name)) == ObjectKey(Kind.POOL, name)


def test_no_two_types_of_object_share_a_kind() -> None:
    assert sorted(KIND_OF.values()) == sorted(Kind)
