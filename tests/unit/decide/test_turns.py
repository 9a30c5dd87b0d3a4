"""Of those who wait as many are woken as addresses became free, the longest waiting first; nobody waits in vain."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.worlds import name, pool, service

from metalev.decide.turns import Turns
from metalev.decide.waiting import Opening, Waiting, Want
from metalev.model.address import IPAddress
from metalev.model.pools import Pool
from metalev.model.services import FamilyPolicy, Port, Service

MANY = 5_000


def crowd(addresses: int, waiting: int, *pools: Pool) -> Controller:
    """``h0``, ``h1``... hold all addresses of a pool; ``w0``, ``w1``... have waited for one in this order."""
    last = (10 << 24) + addresses - 1
    octets = ".".join(str(last >> shift & 255) for shift in (24, 16, 8, 0))
    texts = [*(f"h{index}" for index in range(addresses)), *(f"w{index}" for index in range(waiting))]
    controller = Controller(*map(service, texts), pools=(pool("main", f"10.0.0.0-{octets}"), *pools))
    for text in texts:
        controller.reconcile(text)
    controller.due()
    return controller


def gone(controller: Controller, *texts: str) -> list[str]:
    """Whom it wakes that these Services are gone, all at once."""
    for text in texts:
        controller.remove(text)
    for text in texts:
        controller.reconcile(text)
    return controller.due()


def test_one_address_that_becomes_free_wakes_one_of_thousands() -> None:
    controller = crowd(2, MANY)
    assert gone(controller, "h0") == ["w0"]
    assert controller.reconcile("w0")
    assert controller.due() == []
    assert controller.held("w0") == ["10.0.0.0"]


def test_several_wake_as_many_and_the_longest_waiting_first() -> None:
    controller = crowd(4, 9)
    assert gone(controller, "h2", "h0", "h1") == ["w0", "w1", "w2"]
    for text in ("w1", "w0", "w2"):
        controller.reconcile(text)
    assert controller.due() == []
    assert [len(controller.held(f"w{index}")) for index in range(4)] == [1, 1, 1, 0]


def test_who_cannot_use_it_lets_the_next_one_try() -> None:
    controller = crowd(1, 3)
    fussy = service("w0")
    controller.put(replace(fussy, families=(4, 6), family_policy=FamilyPolicy.REQUIRE), service("w1"))
    controller.settle("w0")
    assert gone(controller, "h0") == ["w0"]
    controller.reconcile("w0")
    assert controller.held("w0") == []
    assert controller.due() == ["w1"]
    controller.reconcile("w1")
    assert controller.due() == []
    assert controller.held("w1") == ["10.0.0.0"]


def test_who_is_gone_when_his_turn_comes_lets_the_next_one_try() -> None:
    controller = crowd(1, 3)
    assert gone(controller, "h0") == ["w0"]
    assert gone(controller, "w0") == ["w1"]


def test_who_wants_something_else_when_his_turn_comes_lets_the_next_one_try() -> None:
    controller = crowd(1, 3)
    assert gone(controller, "h0") == ["w0"]
    controller.put(service("w0", wish="10.9.9.9"))
    controller.reconcile("w0")
    assert controller.due() == ["w1"]


def test_an_address_that_a_newcomer_took_is_passed_on_to_nobody() -> None:
    controller = crowd(1, 3)
    assert gone(controller, "h0") == ["w0"]
    controller.put(service("new"))
    controller.reconcile("new")
    controller.reconcile("w0")
    assert controller.due() == []
    assert gone(controller, "new") == ["w0"]


def test_a_second_address_does_not_wake_who_has_been_called_already() -> None:
    controller = crowd(2, 3)
    assert gone(controller, "h0") == ["w0"]
    assert gone(controller, "h1") == ["w1"]


def test_an_address_that_is_taken_to_be_shared_goes_on_to_those_who_may_share_it() -> None:
    def sharing(text: str, port: int) -> Service:
        ports, annotations = (Port("TCP", port),), {"metallb.io/allow-shared-ip": "key"}
        return replace(service(text), ports=ports, annotations=annotations)

    controller = crowd(1, 0)
    controller.put(sharing("w0", 80), service("w1"), sharing("w2", 80), sharing("w3", 81))
    controller.settle("w0", "w1", "w2", "w3")
    assert gone(controller, "h0") == ["w0"]
    controller.reconcile("w0")
    assert controller.due() == ["w2"]
    controller.settle("w2")
    assert [controller.held(text) for text in ("w0", "w1", "w2", "w3")] == [["10.0.0.0"], [], [], ["10.0.0.0"]]


def test_who_asks_for_the_very_address_is_told_who_has_it_now() -> None:
    controller = crowd(1, 2)
    controller.put(service("w9", wish="10.0.0.0"))
    controller.settle("w9")
    assert gone(controller, "h0") == ["w0"]
    controller.reconcile("w0")
    assert controller.due() == ["w9"]
    controller.reconcile("w9")
    (condition,) = controller.snapshot.services[name("w9")].status.conditions
    assert condition.message.endswith("address also in use by shop/w0")


def gains(controller: Controller, text: str) -> bool:
    """Whether a look at it gives it other addresses; what is said of why it has none may be other words by now."""
    before = controller.held(text)
    controller.reconcile(text)
    return controller.held(text) != before


KINDS: list[dict[str, Any]] = [
    {},
    {},
    {"families": (6,)},
    {"families": (4, 6), "family_policy": FamilyPolicy.REQUIRE},
    {"families": (4, 6), "family_policy": FamilyPolicy.PREFER},
    {"load_balancer_ip": "10.0.0.1"},
    {"load_balancer_ip": "please"},
    {"annotations": {"metallb.io/address-pool": "side"}},
    {"annotations": {"metallb.io/allow-shared-ip": "key"}, "ports": (Port("TCP", 80),)},
    {"annotations": {"metallb.io/allow-shared-ip": "key"}, "ports": (Port("TCP", 81),)},
]


@given(
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=20),
    st.lists(st.sets(st.integers(0, 19), min_size=1, max_size=4), max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=300, deadline=None)
def test_waking_some_leaves_nobody_waiting_whom_waking_all_would_help(
    kinds: list[dict[str, Any]], departures: list[set[int]], random: Any
) -> None:
    pools = pool("main", "10.0.0.0/30", "fd00::/127"), pool("side", "10.0.1.0/31")
    texts = [f"s{index}" for index in range(len(kinds))]
    made = [replace(service(text), **kind) for text, kind in zip(texts, kinds, strict=True)]
    controller = Controller(*made, pools=pools)
    controller.settle(*texts)
    for departure in departures:
        leaving = [texts[index] for index in departure if index < len(texts)]
        woken = gone(controller, *(text for text in leaving if name(text) in controller.snapshot.services))
        random.shuffle(woken)
        controller.settle(*woken)
        left = [key.name for key in controller.snapshot.services]
        assert not [text for text in left if gains(controller, text)], "one who was not woken could have had more"
        controller.settle(*controller.due())


# --- The turns themselves ---

A, B, C = (ip_address(f"10.0.0.{last}") for last in range(3))


def turns(taken: Collection[IPAddress] = (), line: str = "abc") -> Turns:
    """Turns of ``line``, who want any address; those in ``taken`` are not to be had."""
    waiting = Waiting()
    for text in line:
        waiting.add(name(text), Want(families=(4,)))
    return Turns([waiting], lambda address: None if address in taken else Opening(address, "main"))


def test_who_tried_an_address_whose_turn_is_anothers_by_now_passes_nothing_on() -> None:
    made = turns()
    assert made.offer([A]) + made.offer([A]) == [name("a"), name("b")]
    tried = made.looks(name("a"))
    assert (tried, made.pass_on(name("a"), tried, ())) == ((A,), [])


def test_when_everybody_is_looked_at_anyway_no_turn_is_left() -> None:
    made = turns(taken := set[IPAddress]())
    assert made.offer([A, B]) == [name("a"), name("b")]
    made.forget()
    assert made.offer([C]) == [name("a")]
    tried = made.looks(name("a"))
    taken.add(B)
    assert (tried, made.pass_on(name("a"), tried, [B])) == ((C,), [name("b")])


def test_who_is_gone_waits_no_longer() -> None:
    prefers = replace(service("w1"), families=(4, 6), family_policy=FamilyPolicy.PREFER)
    controller = Controller(service("h0"), prefers, service("w0"), pools=(pool("main", "10.0.0.0/31"),))
    controller.settle("h0", "w1", "w0")
    assert (len(controller.decider.waiting), len(controller.decider.wanting)) == (1, 1)
    for text in ("w0", "w1"):
        controller.remove(text)
        controller.settle(text)
    assert (len(controller.decider.waiting), len(controller.decider.wanting)) == (0, 0)
