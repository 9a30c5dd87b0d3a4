"""The ledger never calls an address free that somebody holds."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from metalev.decide.ledger import ALONE, Ledger
from metalev.decide.sharing import Terms
from metalev.model.address import AddressRange, IPAddress
from metalev.model.meta import Name
from metalev.model.pools import Pool, PoolStatus

WEB, DNS, MAIL = (Name("shop", name) for name in ("web", "dns", "mail"))
FIRST, SECOND = ip_address("10.0.0.0"), ip_address("10.0.0.1")


def pool(name: str, *ranges: str, version: str = "") -> Pool:
    return Pool(Name("metallb-system", name), version, tuple(AddressRange.parse(text) for text in ranges))


def ledger(*pools: Pool) -> Ledger:
    made = Ledger()
    made.set_pools(pools or (pool("a", "10.0.0.0/30"),))
    return made


def test_a_held_address_is_not_free() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,))
    assert books.first_fit("a", 4, ALONE) == SECOND
    assert books.holders(FIRST) == (WEB,)
    assert books.addresses_of(WEB) == (FIRST,)


def test_release_makes_exactly_that_address_available() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,))
    books.hold(DNS, (SECOND,))
    assert books.release(WEB) == (FIRST,)
    assert books.first_fit("a", 4, ALONE) == FIRST
    assert books.holders(SECOND) == (DNS,)


def test_releasing_twice_is_the_same_as_once() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,))
    books.release(WEB)
    assert books.release(WEB) == ()


def test_holding_something_else_lets_go_of_the_old() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,))
    assert books.hold(WEB, (SECOND,)) == (FIRST,)
    assert books.first_fit("a", 4, ALONE) == FIRST


def test_an_address_listed_twice_is_held_once() -> None:
    books = ledger()
    books.hold(WEB, (FIRST, FIRST))
    assert books.release(WEB) == (FIRST,)


def test_a_shared_address_is_free_when_the_last_holder_leaves() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,))
    books.hold(DNS, (FIRST,))
    assert books.release(WEB) == ()
    assert books.first_fit("a", 4, ALONE) == SECOND
    assert books.release(DNS) == (FIRST,)


def test_who_came_first_refuses_the_others_and_is_not_refused() -> None:
    books = ledger()
    for name in (WEB, DNS):
        books.hold(name, (FIRST,))
    assert books.refusal(WEB, Terms(), FIRST) == ""
    assert "in use by shop/web" in books.refusal(DNS, Terms(), FIRST)
    assert "in use by shop/web" in books.refusal(MAIL, Terms(), FIRST)


def test_holding_more_keeps_the_place_in_line() -> None:
    books = ledger()
    books.hold(WEB, (FIRST,))
    books.hold(DNS, (FIRST,))
    books.hold(WEB, (SECOND, FIRST))
    assert books.holders(FIRST) == (WEB, DNS)


def test_an_address_of_no_pool_can_be_held() -> None:
    books = ledger()
    books.hold(WEB, (ip_address("8.8.8.8"),))
    assert books.pool_of(ip_address("8.8.8.8")) is None
    assert books.release(WEB) == (ip_address("8.8.8.8"),)


def test_an_address_held_before_its_pool_exists_is_taken_in_it() -> None:
    books = Ledger()
    books.hold(WEB, (FIRST,))
    books.set_pools([pool("a", "10.0.0.0/30")])
    assert books.first_fit("a", 4, ALONE) == SECOND
    assert books.counts("a").assigned_ipv4 == 1


def test_a_pool_that_shrinks_and_grows_again_forgets_nobody() -> None:
    books = ledger(pool("a", "10.0.0.0/30"))
    books.hold(WEB, (SECOND,))
    books.set_pools([pool("a", "10.0.0.0/32")])
    assert books.counts("a") == PoolStatus(available_ipv4=1)
    books.set_pools([pool("a", "10.0.0.0/31")])
    assert books.counts("a") == PoolStatus(assigned_ipv4=1, available_ipv4=1)


def test_a_pool_that_is_renamed_keeps_its_addresses_in_use() -> None:
    books = ledger(pool("a", "10.0.0.0/30"))
    books.hold(WEB, (FIRST,))
    books.set_pools([pool("b", "10.0.0.0/30")])
    assert books.counts("b").assigned_ipv4 == 1
    assert list(books.pools) == ["b"]


def test_a_new_version_of_the_same_pool_changes_nothing() -> None:
    books = ledger(pool("a", "10.0.0.0/30", version="1"))
    assert not books.set_pools([pool("a", "10.0.0.0/30", version="2")])
    assert books.set_pools([pool("a", "10.0.0.0/29", version="3")])


def test_counts_are_per_family() -> None:
    books = ledger(pool("a", "10.0.0.0/30", "2001:db8::/126"))
    books.hold(WEB, (FIRST, ip_address("2001:db8::")))
    books.hold(DNS, (SECOND,))
    assert books.counts("a") == PoolStatus(2, 1, 2, 3)


names = st.sampled_from([WEB, DNS, MAIL])
values = st.integers(int(FIRST) - 1, int(FIRST) + 9).map(IPv4Address)


class Books(RuleBasedStateMachine):
    """The ledger against a plain dictionary of who holds what."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = pool("a", "10.0.0.0/29")
        self.books = ledger(self.pool)
        self.held: dict[Name, tuple[IPAddress, ...]] = {}

    def taken(self) -> set[IPAddress]:
        return {address for addresses in self.held.values() for address in addresses}

    @rule(name=names)
    def take_the_first_free(self, name: Name) -> None:
        address = self.books.first_fit("a", 4, ALONE)
        if address is not None:
            assert address not in self.taken()
            assert address in self.pool
            self.books.hold(name, (address,))
            self.held[name] = (address,)

    @rule(name=names, addresses=st.lists(values, unique=True, max_size=2))
    def hold(self, name: Name, addresses: list[IPAddress]) -> None:
        before = self.taken()
        freed = self.books.hold(name, addresses)
        self.held[name] = tuple(addresses)
        assert set(freed) == before - self.taken()

    @rule(name=names)
    def release(self, name: Name) -> None:
        before = self.taken()
        freed = self.books.release(name)
        self.held.pop(name, None)
        assert set(freed) == before - self.taken()

    @rule(text=st.sampled_from(["10.0.0.0/29", "10.0.0.0/30", "10.0.0.2-10.0.0.8"]))
    def set_pools(self, text: str) -> None:
        self.pool = pool("a", text)
        self.books.set_pools([self.pool])

    @invariant()
    def books_and_dictionary_agree(self) -> None:
        inside = {address for address in self.taken() if address in self.pool}
        assert self.books.counts("a").assigned_ipv4 == len(inside)
        assert self.books.counts("a").available_ipv4 == self.pool.ranges[0].size - len(inside)
        for name in (WEB, DNS, MAIL):
            assert self.books.addresses_of(name) == self.held.get(name, ())
        for address in self.taken():
            assert set(self.books.holders(address)) == {name for name, held in self.held.items() if address in held}


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase


@given(st.permutations([WEB, DNS, MAIL]), st.integers(0, 2))
def test_whoever_leaves_the_others_keep_their_order(order: list[Name], leaver: int) -> None:
    books = ledger()
    for name in order:
        books.hold(name, (FIRST,))
    books.release(order[leaver])
    assert books.holders(FIRST) == tuple(name for name in order if name != order[leaver])
