"""Overlapping pools are named in MetalLB's words, and the rest of them goes on working."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalev.decide.pools import PoolIndex, check_pools, unusable_ranges
from metalev.model.address import AddressRange
from metalev.model.meta import Name
from metalev.model.pools import Pool


def pool(name: str, *ranges: str, avoid_buggy: bool = False) -> Pool:
    parsed = tuple(AddressRange.parse(text) for text in ranges)
    return Pool(Name("metallb-system", name), ranges=parsed, avoid_buggy_ips=avoid_buggy)


def problem(*pools: Pool) -> str:
    return "\n".join(check_pools(pools)[1].values())


def test_pools_apart_are_usable_as_they_are() -> None:
    pools = (pool("a", "10.0.0.0/24"), pool("b", "10.0.1.0/24", "2001:db8::/64"))
    assert check_pools(pools) == (pools, {})


def test_the_pool_that_comes_first_by_name_keeps_the_addresses() -> None:
    usable, problems = check_pools([pool("b", "10.0.0.0/24"), pool("a", "10.0.0.128/25")])
    assert usable == (pool("a", "10.0.0.128/25"), pool("b", "10.0.0.0/25"))
    assert problems == {
        Name("metallb-system", "b"): (
            'CIDR "10.0.0.0/24" in pool "b" overlaps with already defined CIDR "10.0.0.128/25"'
        )
    }


def test_what_does_not_overlap_stays_usable() -> None:
    usable, _ = check_pools([pool("a", "10.0.0.0/24"), pool("b", "10.0.0.0/30", "10.0.1.0/30")])
    assert usable[1].ranges == (AddressRange.parse("10.0.1.0/30"),)


def test_a_range_in_the_middle_of_another_leaves_both_its_sides() -> None:
    usable, _ = check_pools([pool("a", "10.0.0.4-10.0.0.5"), pool("b", "10.0.0.0-10.0.0.9")])
    assert usable[1] == pool("b", "10.0.0.0-10.0.0.3", "10.0.0.6-10.0.0.9")


def test_a_range_that_is_anothers_altogether_is_left_out() -> None:
    usable, problems = check_pools([pool("a", "10.0.0.0/24"), pool("b", "10.0.0.0/30")])
    assert usable[1].ranges == ()
    assert "overlaps" in problems[usable[1].name]


def test_an_overlap_names_the_range_by_its_place() -> None:
    found = unusable_ranges([pool("b", "10.0.1.0/24", "10.0.0.0/24"), pool("a", "10.0.0.0/30")])
    assert [(one.pool.name, one.index) for one in found] == [("b", 1)]


def test_a_range_given_twice_in_one_pool_is_a_problem() -> None:
    same = 'CIDR "10.0.0.0/30" in pool "a" overlaps with already defined CIDR "10.0.0.0/30"'
    assert problem(pool("a", "10.0.0.0/30", "10.0.0.0/30")) == same


def test_a_range_is_named_by_the_cidr_of_it_that_overlaps() -> None:
    assert problem(pool("a", "10.0.0.8/30"), pool("b", "10.0.0.1-10.0.0.9")) == (
        'CIDR "10.0.0.8/31" in pool "b" overlaps with already defined CIDR "10.0.0.8/30"'
    )


def test_of_many_mistakes_in_a_pool_the_first_are_told_and_how_many_there_are_besides() -> None:
    ranges = [f"10.0.{number}.0/32" for number in range(100)]
    told = problem(pool("a", *ranges), pool("b", *ranges)).split("; ")
    assert told[0] == 'CIDR "10.0.0.0/32" in pool "b" overlaps with already defined CIDR "10.0.0.0/32"'
    assert told[-1] == "and 90 more"
    assert len(told) == 11


def test_a_wide_range_over_several_narrow_ones_is_a_problem() -> None:
    assert "overlaps" in problem(pool("a", "10.0.0.4/32", "10.0.0.9/32"), pool("b", "10.0.0.0/24"))


def test_a_pool_without_ranges_is_a_problem() -> None:
    assert problem(pool("a")) == "pool has no prefixes defined"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.0.0.0/8", "unspecified addresses"),
        ("127.0.0.0/24", "loopback addresses"),
        ("169.254.10.0-169.254.10.20", "link-local addresses"),
        ("239.1.1.0/24", "multicast addresses"),
        ("255.255.255.255/32", "the broadcast address"),
        ("::/128", "the unspecified address"),
        ("::1/128", "the loopback address"),
        ("::ffff:10.0.0.0/120", "IPv4-mapped addresses"),
        ("fe80::/64", "link-local addresses"),
        ("ff02::/64", "multicast addresses"),
    ],
)
def test_addresses_that_no_host_can_have_are_named_and_not_handed_out(text: str, words: str) -> None:
    good = pool("b", "10.0.0.0/30")
    usable, problems = check_pools([pool("a", text, "10.0.1.0/30"), good])
    assert usable == (pool("a", "10.0.1.0/30"), good)
    assert list(problems) == [Name("metallb-system", "a")]
    message = problems[Name("metallb-system", "a")]
    assert f'in pool "a" has {words}' in message
    assert "write addresses of the network" in message


def test_of_several_ranges_that_one_overlaps_the_first_is_named() -> None:
    text = problem(pool("a", "10.0.0.0/30", "10.0.0.8/30"), pool("b", "10.0.0.2-10.0.0.9"))
    assert text.endswith('overlaps with already defined CIDR "10.0.0.0/30"')


def test_a_range_that_has_some_of_them_keeps_the_others() -> None:
    usable, problems = check_pools([pool("a", "126.255.255.254-127.0.0.9"), pool("b", "223.255.255.255-225.0.0.0")])
    assert usable == (pool("a", "126.255.255.254/31"), pool("b", "223.255.255.255/32"))
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.0", None),
        ("10.0.0.1", "b"),
        ("10.0.0.9", "b"),
        ("10.0.0.10", None),
        ("10.0.1.5", "a"),
        ("10.0.1.255", None),
        ("2001:db8::ffff", "a"),
        ("2001:db8:1::", None),
    ],
)
def test_the_pool_of_an_address_is_found(text: str, expected: str | None) -> None:
    index = PoolIndex([pool("a", "10.0.1.0/24", "2001:db8::/48", avoid_buggy=True), pool("b", "10.0.0.1-10.0.0.9")])
    found = index.pool_of(ip_address(text))
    assert (found.name.name if found else None) == expected


small_range = st.tuples(st.integers(10 << 24, (10 << 24) + 60), st.integers(0, 9)).map(
    lambda one: AddressRange(4, one[0], sum(one))
)


@given(st.lists(st.lists(small_range, min_size=1, max_size=4), max_size=5))
def test_every_address_is_of_one_pool_and_none_is_lost(ranges: list[list[AddressRange]]) -> None:
    pools = [Pool(Name("", str(index)), ranges=tuple(one)) for index, one in enumerate(ranges)]
    usable, problems = check_pools(pools)
    first_owner: dict[int, str] = {}
    for each in pools:
        for value in _values(each):
            first_owner.setdefault(value, each.name.name)
    assert sorted((value, each.name.name) for each in usable for value in _values(each)) == sorted(first_owner.items())
    assert problems.keys() == {each.name for each in pools if len(_values(each)) > len(_values(usable[_index(each)]))}


def _index(one: Pool) -> int:
    return int(one.name.name)


def _values(one: Pool) -> list[int]:
    return [value for addresses in one.ranges for value in range(addresses.first, addresses.last + 1)]
