"""The free list hands out addresses in order, at a price that does not depend on the size of the pool."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from metalev.decide.freelist import ENDED_KEPT, MAX_COUNT, FreeList
from metalev.model.address import AddressRange, Family, IPAddress, address_of
from metalev.model.meta import Name
from metalev.model.pools import Resting


def free_list(*ranges: str, avoid_buggy: bool = False) -> FreeList:
    return FreeList([AddressRange.parse(text) for text in ranges], avoid_buggy=avoid_buggy)


def take_all(free: FreeList, family: Family = 4, limit: int = 1000) -> list[str]:
    taken: list[str] = []
    while len(taken) < limit and (address := free.first_free(family)) is not None:
        free.take(address)
        taken.append(str(address))
    return taken


def test_addresses_come_ascending_with_the_first_and_the_last_of_a_network() -> None:
    assert take_all(free_list("10.0.0.0/30")) == ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_ranges_come_in_the_order_of_the_pool() -> None:
    assert take_all(free_list("10.0.1.0/31", "10.0.0.0/31")) == ["10.0.1.0", "10.0.1.1", "10.0.0.0", "10.0.0.1"]


def test_first_free_does_not_take() -> None:
    free = free_list("10.0.0.0/30")
    assert free.first_free(4) == free.first_free(4) == ip_address("10.0.0.0")


def test_a_released_address_comes_before_higher_ones() -> None:
    free = free_list("10.0.0.0/24")
    take_all(free, limit=10)
    free.release(ip_address("10.0.0.7"))
    free.release(ip_address("10.0.0.3"))
    assert take_all(free, limit=3) == ["10.0.0.3", "10.0.0.7", "10.0.0.10"]


def test_an_address_taken_by_name_is_passed_over() -> None:
    free = free_list("10.0.0.0/30")
    free.take(ip_address("10.0.0.1"))
    assert take_all(free) == ["10.0.0.0", "10.0.0.2", "10.0.0.3"]


def test_a_released_address_taken_by_name_is_passed_over() -> None:
    free = free_list("10.0.0.0/30")
    take_all(free)
    free.release(ip_address("10.0.0.1"))
    free.take(ip_address("10.0.0.1"))
    assert free.first_free(4) is None


def rest(free: FreeList, text: str, until: int) -> None:
    address = ip_address(text)
    free.set(address, taken=False, rests=Resting(address, Name("shop", "web"), until))


def test_a_resting_address_is_passed_over_until_it_is_set_free() -> None:
    free = free_list("10.0.0.0/30")
    rest(free, "10.0.0.0", 60)
    assert (free.first_free(4), free.available(4)) == (ip_address("10.0.0.1"), 4)
    free.set(ip_address("10.0.0.0"), taken=False)
    assert free.first_free(4) == ip_address("10.0.0.0")


def test_the_longest_rested_is_the_one_whose_rest_ends_first() -> None:
    free = free_list("10.0.0.0/30")
    assert free.longest_rested(4) is None
    for last, until in ((2, 9), (0, 8), (1, 9)):
        rest(free, f"10.0.0.{last}", until)
    rested = []
    while (address := free.longest_rested(4)) is not None:
        free.take(address)
        rested.append(str(address))
    assert rested == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]


def test_a_barred_address_is_neither_free_nor_available_and_does_not_end_its_rest() -> None:
    free = free_list("10.0.0.0/31")
    resting = Resting(ip_address("10.0.0.0"), Name("shop", "web"), 60)
    free.set(resting.address, taken=False, barred=True, rests=resting)
    assert (free.first_free(4), free.longest_rested(4), free.available(4)) == (ip_address("10.0.0.1"), None, 1)
    free.set(resting.address, taken=False, rests=resting)
    assert (free.longest_rested(4), free.resting()) == (resting.address, (resting.address,))


def test_rests_that_ended_are_forgotten_although_nobody_asks_for_the_longest_one() -> None:
    free, longest = free_list("10.0.0.0/24"), 0
    for until in range(50_000):
        address = free.address_at(4, until % 7)
        free.set(address, taken=False, rests=Resting(address, Name("shop", "web"), until))
        free.set(address, taken=True)
        longest = max(longest, len(free._queues[4]._rests))
    assert longest <= ENDED_KEPT + 2


def test_the_longest_rest_is_known_after_thousands_that_ended() -> None:
    free, kept = free_list("10.0.0.0/24"), Resting(ip_address("10.0.0.9"), Name("shop", "web"), 500)
    barred = Resting(ip_address("10.0.0.8"), Name("shop", "web"), 400)
    free.set(kept.address, taken=False, rests=kept)
    free.set(barred.address, taken=False, barred=True, rests=barred)
    for until in range(1000):
        address = free.address_at(4, until % 7)
        free.set(address, taken=False, rests=Resting(address, Name("shop", "web"), until))
        free.set(address, taken=True)
    assert free.longest_rested(4) == kept.address
    free.set(barred.address, taken=False, rests=barred)
    assert free.longest_rested(4) == barred.address


def test_an_address_beyond_those_handed_out_does_not_come_first_because_it_was_taken_before() -> None:
    free = free_list("10.0.0.0/30")
    free.take(ip_address("10.0.0.2"))
    free.release(ip_address("10.0.0.2"))
    assert take_all(free) == ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_a_barred_address_that_is_taken_counts_once_and_is_barred_again_when_it_is_released() -> None:
    free, address = free_list("10.0.0.0/30"), ip_address("10.0.0.0")
    free.set(address, taken=False, barred=True)
    free.take(address)
    assert free.available(4) == 3
    free.release(address)
    assert (free.available(4), free.first_free(4)) == (3, ip_address("10.0.0.1"))


def test_families_are_apart() -> None:
    free = free_list("10.0.0.0/32", "2001:db8::/127")
    assert take_all(free, 6) == ["2001:db8::", "2001:db8::1"]
    assert take_all(free, 4) == ["10.0.0.0"]


def test_buggy_addresses_are_avoided_in_ipv4_only() -> None:
    free = free_list("10.0.0.254-10.0.1.1", "2001:db8::/128", avoid_buggy=True)
    assert take_all(free, 4) == ["10.0.0.254", "10.0.1.1"]
    assert take_all(free, 6) == ["2001:db8::"]


def test_a_pool_of_buggy_addresses_has_nothing_free() -> None:
    free = free_list("10.0.0.255-10.0.1.0", avoid_buggy=True)
    assert free.first_free(4) is None
    assert free.total(4) == 0


def test_a_buggy_address_cannot_be_taken_by_name() -> None:
    free = free_list("10.0.0.0/24", avoid_buggy=True)
    assert ip_address("10.0.0.0") not in free
    with pytest.raises(ValueError, match=r"10\.0\.0\.0 is not free here"):
        free.take(ip_address("10.0.0.0"))


@pytest.mark.parametrize("text", ["9.255.255.255", "10.0.0.4", "2001:db8::1"])
def test_an_address_outside_does_not_belong(text: str) -> None:
    assert ip_address(text) not in free_list("10.0.0.0/30")


def test_an_address_is_taken_once() -> None:
    free = free_list("10.0.0.0/30")
    free.take(ip_address("10.0.0.2"))
    with pytest.raises(ValueError, match="not free"):
        free.take(ip_address("10.0.0.2"))


def test_a_free_address_cannot_be_released() -> None:
    with pytest.raises(ValueError, match="not taken"):
        free_list("10.0.0.0/30").release(ip_address("10.0.0.2"))


@pytest.mark.parametrize(
    ("ranges", "avoid_buggy", "total_v4", "total_v6"),
    [
        (["10.0.0.0/24"], False, 256, 0),
        (["10.0.0.0/24"], True, 254, 0),
        (["1.2.3.0/31", "1000::/127"], True, 1, 2),
        (["10.0.0.0/16"], True, 65536 - 512, 0),
        (["10.0.0.10-10.0.2.10"], True, 513 - 4, 0),
        (["10.0.0.1-10.0.0.1"], True, 1, 0),
        (["2001:db8::/64"], False, 0, MAX_COUNT),
        (["2001:db8::/66", "2001:db9::/66"], False, 0, 2**63 - 1),
    ],
)
def test_totals_are_those_of_usable_addresses(
    ranges: list[str], avoid_buggy: bool, total_v4: int, total_v6: int
) -> None:
    free = free_list(*ranges, avoid_buggy=avoid_buggy)
    assert (free.total(4), free.total(6)) == (total_v4, total_v6)


@given(st.integers(0, 2**32 - 1), st.integers(0, 1500))
def test_the_total_without_buggy_addresses_is_what_counting_gives(first: int, length: int) -> None:
    last = min(first + length, 2**32 - 1)
    free = FreeList([AddressRange(4, first, last)], avoid_buggy=True)
    assert free.total(4) == sum(value % 256 not in {0, 255} for value in range(first, last + 1))


def test_the_memory_of_a_huge_pool_follows_what_is_taken() -> None:
    free = free_list("10.0.0.0/8", "2001:db8::/64", avoid_buggy=True)
    take_all(free, 4, limit=600)
    take_all(free, 6, limit=600)
    free.take(ip_address("10.255.255.254"))
    free.take(ip_address("2001:db8::ffff:ffff:ffff:ffff"))
    assert free.first_free(4) == ip_address("10.0.2.93")
    assert free.first_free(6) == ip_address("2001:db8::258")
    assert (free.in_use(4), free.in_use(6)) == (601, 601)


class AgainstASet(RuleBasedStateMachine):
    """The free list against a list of all addresses that is searched from the front."""

    RANGES = (AddressRange.parse("10.0.1.250-10.0.2.3"), AddressRange.parse("10.0.0.254-10.0.1.1"))

    def __init__(self) -> None:
        super().__init__()
        self.free = FreeList(self.RANGES, avoid_buggy=True)
        values = [value for one in self.RANGES for value in range(one.first, one.last + 1)]
        self.all = [address_of(4, value) for value in values if value % 256 not in {0, 255}]
        self.taken: set[IPAddress] = set()

    def left(self) -> list[IPAddress]:
        return [address for address in self.all if address not in self.taken]

    @precondition(lambda self: self.left())
    @rule()
    def take_the_first(self) -> None:
        address = self.free.first_free(4)
        assert address == self.left()[0]
        self.free.take(address)
        self.taken.add(address)

    @precondition(lambda self: self.left())
    @rule(data=st.data())
    def take_one_by_name(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(self.left()))
        self.free.take(address)
        self.taken.add(address)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def release_one(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(sorted(self.taken, key=int)))
        self.free.release(address)
        self.taken.remove(address)

    @invariant()
    def the_first_free_and_the_counts_agree(self) -> None:
        assert self.free.first_free(4) == next(iter(self.left()), None)
        assert self.free.in_use(4) == len(self.taken)
        assert self.free.total(4) == len(self.all)


AgainstASet.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAgainstASet = AgainstASet.TestCase
