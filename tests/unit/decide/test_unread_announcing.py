"""Beside something that cannot be read, what was announced before goes on being announced."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.decide.questions import announced, speaker
from tests.unit.decide.test_unread import BROKEN, MAIN, SIDE, beside, holder
from tests.unit.decide.worlds import name, service, world

from metalev.decide.announcements import Announcements
from metalev.decide.candidates import Announcement
from metalev.decide.findings import Answer
from metalev.decide.outcome import CONDITION
from metalev.decide.unread import ANNOUNCEABLE
from metalev.decide.why import Inquiry
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Name
from metalev.model.pools import L2Advertisement
from metalev.model.services import Condition, ConditionStatus, Service
from metalev.model.snapshot import Snapshot

# --- Who announces it ---


def candidates(snapshot: Snapshot, *pools: str) -> list[str]:
    advertisement = L2Advertisement(Name("metallb-system", "only"), pools=pools)
    seen = replace(snapshot, l2_advertisements={advertisement.name: advertisement})
    return sorted(one.node for one in Announcements("node-a").update(seen)[name("web")].candidates)


@pytest.mark.parametrize("named", [(), ("main",), ("main", "side")])
def test_an_address_of_no_known_pool_is_announced_as_one_of_the_pool_that_the_status_names(
    named: tuple[str, ...],
) -> None:
    snapshot = replace(world(holder(), pools=()), problems=BROKEN)
    assert candidates(snapshot, *named) == ["node-a", "node-b", "node-c"]


def test_it_is_not_announced_as_one_of_another_pool() -> None:
    assert candidates(replace(world(holder(), pools=(SIDE,)), problems=BROKEN), "side") == []


def test_it_is_announced_by_nobody_when_everything_can_be_read() -> None:
    assert candidates(world(holder(), pools=())) == []


def test_that_everything_can_be_read_again_is_seen_though_nothing_else_changed() -> None:
    announcements, broken = Announcements("node-a"), replace(world(holder(), pools=()), problems=BROKEN)
    assert announcements.update(broken)[name("web")].candidates
    assert not announcements.update(replace(broken, problems={}))[name("web")].candidates


# --- MetalLB's old ConfigMap ---

CONFIG_MAPS = {
    "on an API server": {"ConfigMap metallb-system/config": "data.config: line 4: unknown key"},
    "in a file": {"config.yaml:11": "ConfigMap metallb-system/config: data.config: line 4: unknown key"},
}


def silenced(why: str) -> Service:
    """A Service whose address the controller said that no node may announce."""
    web = holder()
    said = Condition(ANNOUNCEABLE, ConditionStatus.FALSE, "NotAnnounced", f"no node may announce it: {why}: node-a")
    return replace(web, status=replace(web.status, conditions=(said,)))


def starting(web: Service, problems: dict[str, str], **more: object) -> Announcement:
    """What whoever starts now makes of a Service; nothing of the configuration could be read."""
    snapshot = replace(world(web, pools=(), advertised=False), problems=problems, **more)
    return Announcements("node-a").update(snapshot)[web.name]


@pytest.mark.parametrize("problems", CONFIG_MAPS.values(), ids=list(CONFIG_MAPS))
def test_what_an_old_config_map_gave_that_cannot_be_read_is_announced_by_who_starts(problems: dict[str, str]) -> None:
    good = Announcements("node-a").update(world(holder(), pools=(MAIN,)))[name("web")]
    assert starting(holder(), problems) == good


@pytest.mark.parametrize(("why", "announced"), [("noMatchingAdvertisement", False), ("noEndpoints", True)])
def test_what_was_not_advertised_before_is_not_announced(why: str, announced: bool) -> None:
    found = starting(silenced(why), CONFIG_MAPS["in a file"])
    assert bool(found.candidates) is announced


def test_what_is_not_of_that_config_map_is_not_announced() -> None:
    other = {"ConfigMap metallb-system/another": "no"}
    assert starting(holder(), other).candidates == ()
    assert starting(service("web", "10.0.0.0"), CONFIG_MAPS["in a file"]).candidates == ()  # of no pool


def test_beside_a_pool_that_sets_it_aside_an_old_config_map_gives_nothing() -> None:
    assert starting(holder(), CONFIG_MAPS["in a file"], pools={SIDE.name: SIDE}).candidates == ()


def test_an_old_config_map_that_was_read_before_stays_as_it_was() -> None:
    config = LegacyConfig(Name("metallb-system", "config"), "1", (), ())
    assert starting(holder(), CONFIG_MAPS["in a file"], legacy_configs={config.name: config}).candidates == ()


def test_that_it_can_be_read_again_is_seen() -> None:
    announcements = Announcements("node-a")
    broken = replace(world(holder(), pools=(), advertised=False), problems=CONFIG_MAPS["in a file"])
    assert announcements.update(broken)[name("web")].candidates
    assert not announcements.update(replace(broken, problems=BROKEN))[name("web")].candidates


def test_a_controller_that_starts_beside_it_takes_no_announcement_back() -> None:
    controller = beside(CONFIG_MAPS["in a file"], holder())
    controller.snapshot = replace(controller.snapshot, l2_advertisements={})
    controller.settle("web")
    assert [one.type for one in controller.snapshot.services[name("web")].status.conditions] == [CONDITION]


def test_the_answer_says_that_nothing_new_is_announced_until_it_is_mended() -> None:
    broken = replace(world(holder(), pools=(), advertised=False), problems=CONFIG_MAPS["in a file"])
    chain = Inquiry(announced(broken, speaker("node-a", "10.0.0.0"))).chain(name("web"))
    (found,) = (one for one in chain.findings if one.asked == "advertised")
    assert (found.answer, "and nothing new" in found.advice) == (Answer.MIND, True)
