"""A Service whose ``ipFamilyPolicy`` or families change: what it holds then, with a restart in between or without."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec import Struct
from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.worlds import name, pool
from tests.unit.docs.markdown import DOCS, tables

from metalev.decide.outcome import CONDITION
from metalev.model.actions import RecordEvent
from metalev.model.address import Family
from metalev.model.pools import Pool
from metalev.model.services import FamilyPolicy, Service, ServiceStatus

SINGLE, PREFER, REQUIRE = FamilyPolicy
V4_ONLY, V6_ONLY = pool("a", "10.0.0.0/30"), pool("b", "2001:db8::/126")
BOTH, OTHER_BOTH = pool("a", "10.0.0.0/30", "fd00::/126"), pool("c", "10.0.2.0/30", "fd00:2::/126")
FULL = pool("a", "10.0.0.0/30", "fd00::1/128")  # its IPv6 address is somebody else's

COLUMNS: dict[str, tuple[Pool, ...]] = {
    "its pool has the other family": (BOTH, OTHER_BOTH),
    "only another pool has both": (V4_ONLY, OTHER_BOTH),
    "no pool has both": (V4_ONLY, V6_ONLY),
}
NOBODY_HAS_BOTH = [(V4_ONLY, V6_ONLY), (FULL,)]


class Spec(Struct, frozen=True):
    """What a Service wants of families."""

    policy: FamilyPolicy
    families: tuple[Family, ...]


ONE, OTHER = Spec(SINGLE, (4,)), Spec(SINGLE, (6,))
PREFERS, REQUIRES = Spec(PREFER, (4, 6)), Spec(REQUIRE, (4, 6))
CHANGES: dict[str, tuple[Spec, Spec]] = {
    "`SingleStack` to `PreferDualStack`": (ONE, PREFERS),
    "`SingleStack` to `RequireDualStack`": (ONE, REQUIRES),
    "`PreferDualStack` to `RequireDualStack`": (PREFERS, REQUIRES),
    "`RequireDualStack` to `PreferDualStack`": (REQUIRES, PREFERS),
    "`PreferDualStack` to `SingleStack`": (PREFERS, ONE),
    "`RequireDualStack` to `SingleStack`": (REQUIRES, ONE),
    "the order of the families, under `PreferDualStack`": (PREFERS, Spec(PREFER, (6, 4))),
    "the order of the families, under `RequireDualStack`": (REQUIRES, Spec(REQUIRE, (6, 4))),
    "the other family in place of its own": (ONE, OTHER),
}
RESTARTS = pytest.mark.parametrize("restarts", [False, True], ids=["no restart", "a restart in between"])


class Story:
    """A Service that holds addresses of the pool ``a``, and whose wish changes."""

    def __init__(self, spec: Spec, *held: str) -> None:
        self._web = Service(name("web"), type="LoadBalancer", status=ServiceStatus(tuple(map(ip_address, held)), "a"))
        other = Service(
            name("other"), type="LoadBalancer", families=(6,), status=ServiceStatus((ip_address("fd00::1"),))
        )
        self.controller = Controller(_as(self._web, spec), other, pools=(V4_ONLY if len(held) == 1 else BOTH, V6_ONLY))
        self.reasons: list[str] = []
        self._settle()
        assert self.held() == list(held)
        self.reasons = []

    def change(self, spec: Spec, pools: tuple[Pool, ...], *, restarts: bool) -> None:
        """Change what it wants, and the pools with that; keep the events that tell of it."""
        web = self.controller.snapshot.services[name("web")]
        self.controller.put(_as(web, spec))
        self.controller.set_pools(*pools)
        if restarts:
            self.restart()
        self._settle()

    def restart(self) -> None:
        """A controller that knows what was written, and nothing else."""
        snapshot = self.controller.snapshot
        self.controller = Controller()
        self.controller.snapshot = snapshot

    def _settle(self) -> None:
        for _ in range(3):
            actions = self.controller.reconcile("web")
            self.reasons += [one.event.reason for one in actions if isinstance(one, RecordEvent)]

    def held(self) -> list[str]:
        return self.controller.held("web")

    def condition(self) -> str:
        conditions = self.controller.snapshot.services[name("web")].status.conditions
        return next(one.message for one in conditions if one.type == CONDITION)


def _as(service: Service, spec: Spec) -> Service:
    return replace(service, families=spec.families, family_policy=spec.policy)


def in_words(before: list[str], after: list[str], reasons: list[str]) -> str:
    """What the documents say of it."""
    word = "moves"
    if after == before:
        word = "keeps it"
    elif not after:
        word = "loses it"
    elif set(before) < set(after):
        word = "gets the other beside it"
    return ", ".join([word, *(f"`{one}`" for one in reasons[-1:])])


@RESTARTS
@pytest.mark.parametrize("change", CHANGES)
def test_the_table_in_the_documents_says_what_a_change_of_the_policy_does(change: str, restarts: bool) -> None:
    (path,) = (one for one in DOCS if one.name == "addresses.md")
    before, after = CHANGES[change]
    row = [change]
    for pools in COLUMNS.values():
        story = Story(before, "10.0.0.2")
        story.change(after, pools, restarts=restarts)
        row.append(in_words(["10.0.0.2"], story.held(), story.reasons))
    documented = {cells[0]: cells for cells in tables(path, "what changes", *COLUMNS)}
    assert list(documented) == list(CHANGES)
    assert documented[change] == row


@RESTARTS
@pytest.mark.parametrize("pools", NOBODY_HAS_BOTH, ids=["no such pool", "the other family is exhausted"])
@pytest.mark.parametrize("before", [ONE, PREFERS])
def test_who_comes_to_require_both_keeps_the_one_that_it_has_and_is_told_what_is_missing(
    before: Spec, pools: tuple[Pool, ...], restarts: bool
) -> None:
    story = Story(before, "10.0.0.2")
    story.change(REQUIRES, pools, restarts=restarts)
    assert (story.held(), story.reasons) == (["10.0.0.2"], ["AllocationFailed"])
    assert story.condition().startswith(
        'Assigned IP ["10.0.0.2"]; Failed to allocate IP for "shop/web": no available IPs (pool "a" has no '
    )
    assert "PreferDualStack" not in story.condition()
    story.restart()
    assert story.controller.reconcile("web") == ()


@RESTARTS
@pytest.mark.parametrize(
    ("pools", "held"), [((BOTH,), ["10.0.0.2", "fd00::"]), ((V4_ONLY, OTHER_BOTH), ["10.0.2.0", "fd00:2::1"])]
)
def test_who_keeps_one_and_requires_both_gets_both_when_they_are_to_be_had(
    pools: tuple[Pool, ...], held: list[str], restarts: bool
) -> None:
    story = Story(REQUIRES, "10.0.0.2")
    if restarts:
        story.restart()
    story.controller.set_pools(*pools)
    story.controller.settle("other")
    assert story.held() == held


def test_who_keeps_one_and_requires_both_gets_the_other_when_somebody_releases_it() -> None:
    story = Story(PREFERS, "10.0.0.2")
    story.change(REQUIRES, (FULL,), restarts=False)
    assert story.held() == ["10.0.0.2"]
    story.controller.remove("other")
    story.controller.settle("other")
    assert story.held() == ["10.0.0.2", "fd00::1"]


@RESTARTS
@pytest.mark.parametrize("after", [PREFERS, REQUIRES, Spec(PREFER, (6, 4)), Spec(REQUIRE, (6, 4))])
@pytest.mark.parametrize("before", [PREFERS, REQUIRES])
def test_who_holds_both_keeps_both_whichever_policy_of_two_families_comes(
    before: Spec, after: Spec, restarts: bool
) -> None:
    story = Story(before, "10.0.0.2", "fd00::2")
    story.change(after, (BOTH, V6_ONLY), restarts=restarts)
    assert (story.held(), story.reasons) == (["10.0.0.2", "fd00::2"], [])


@RESTARTS
@pytest.mark.parametrize(("after", "left"), [(ONE, "10.0.0.2"), (OTHER, "fd00::2")])
@pytest.mark.parametrize("before", [PREFERS, REQUIRES])
def test_who_holds_both_and_comes_to_want_one_keeps_that_one(
    before: Spec, after: Spec, left: str, restarts: bool
) -> None:
    story = Story(before, "10.0.0.2", "fd00::2")
    story.change(after, (BOTH, V6_ONLY), restarts=restarts)
    assert story.held() == [left]


@RESTARTS
def test_who_requires_both_keeps_the_one_that_is_left_when_the_pool_loses_a_family(restarts: bool) -> None:
    story = Story(REQUIRES, "10.0.0.2", "fd00::2")
    story.change(REQUIRES, (V4_ONLY, V6_ONLY), restarts=restarts)
    assert (story.held(), story.reasons) == (["10.0.0.2"], ["ClearAssignment", "AllocationFailed"])


@RESTARTS
def test_who_comes_to_have_another_family_that_no_pool_has_is_left_with_none(restarts: bool) -> None:
    story = Story(ONE, "10.0.0.2")
    story.change(OTHER, (V4_ONLY,), restarts=restarts)
    assert (story.held(), story.reasons) == ([], ["AllocationFailed"])
