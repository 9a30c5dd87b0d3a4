"""Somebody else writes the same status: three rounds, and then it is his."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec.structs import replace
from tests.unit.decide.worlds import name, service, world

from metalev.decide.contest import AGAIN_SECONDS, CONTESTED, ROUNDS, WITHIN_SECONDS, Contests, Verdict, report
from metalev.decide.controller import ControllerDecider
from metalev.decide.findings import Answer
from metalev.decide.outcome import CONDITION
from metalev.decide.why import Inquiry
from metalev.model.actions import RecordEvent, ReportContest, WriteServiceStatus
from metalev.model.services import Service, ServiceStatus

OURS, THEIRS = "10.0.0.0", "192.168.0.7"
WEB = name("web")


class Fight:
    """A Service whose status two write; ``round`` is one in which both do."""

    def __init__(self) -> None:
        self.contests = Contests()
        self.service = service("web")
        self.now = 0.0

    def ours(self) -> Verdict:
        self.contests.means(WEB, (ip_address(OURS),))
        self.contests.wrote(WEB, (ip_address(OURS),))
        return self.shows(OURS)

    def shows(self, *addresses: str) -> Verdict:
        self.service = replace(self.service, status=ServiceStatus(tuple(map(ip_address, addresses))))
        return self.contests.look(self.service, self.now)

    def round(self) -> Verdict:
        self.ours()
        return self.shows(THEIRS)

    def give_up(self) -> None:
        assert [self.round() for _ in range(ROUNDS)] == [Verdict.OURS] * (ROUNDS - 1) + [Verdict.REPORT]
        self.contests.wrote(WEB, (ip_address(THEIRS),))


def test_after_three_rounds_it_is_left_to_the_other_one_and_that_is_said_once() -> None:
    assert ROUNDS == 3
    fight = Fight()
    fight.give_up()
    assert [fight.shows(THEIRS), fight.shows("192.168.0.8"), fight.shows()] == [Verdict.LEFT] * 3


def test_it_is_said_until_it_has_been_written() -> None:
    fight = Fight()
    for _ in range(ROUNDS):
        fight.round()
    assert fight.shows("192.168.0.8") is Verdict.REPORT


def test_a_write_that_is_replaced_before_anybody_looks_is_a_round_too() -> None:
    fight = Fight()
    for _ in range(ROUNDS - 1):
        fight.contests.wrote(WEB, (ip_address(OURS),))
        assert fight.shows(THEIRS) is Verdict.OURS
    fight.contests.wrote(WEB, (ip_address(OURS),))
    assert fight.shows(THEIRS) is Verdict.REPORT


def test_a_write_without_an_answer_that_arrived_is_our_own() -> None:
    fight = Fight()
    for number in range(10):
        fight.contests.means(WEB, (ip_address(f"10.0.0.{number}"),))
        assert fight.shows(f"10.0.0.{number}") is Verdict.OURS
    assert fight.contests.rest(WEB, 0.0) is None


def test_a_write_without_an_answer_that_arrived_is_our_own_after_one_that_had_an_answer_too() -> None:
    fight = Fight()
    for number in range(1, 10):
        fight.ours()
        fight.contests.means(WEB, (ip_address(f"10.0.0.{number}"),))
        assert fight.shows(f"10.0.0.{number}") is Verdict.OURS


def test_when_it_is_due_to_be_tried_again_nothing_is_left_to_wait() -> None:
    fight = Fight()
    fight.give_up()
    assert fight.contests.rest(WEB, AGAIN_SECONDS + 10) == 0


def test_a_write_that_was_refused_is_no_round() -> None:
    fight = Fight()
    for _ in range(10):
        fight.contests.means(WEB, (ip_address(OURS),))
        assert fight.shows(THEIRS) is Verdict.OURS


def test_rounds_of_long_ago_do_not_count() -> None:
    fight = Fight()
    for _ in range(10):
        assert fight.round() is Verdict.OURS
        fight.now += WITHIN_SECONDS / (ROUNDS - 1) + 1


def test_an_edit_begins_it_anew() -> None:
    fight = Fight()
    fight.give_up()
    fight.service = replace(fight.service, labels={"edited": "yes"})
    assert fight.shows(THEIRS) is Verdict.OURS
    assert fight.round() is Verdict.OURS


def test_what_controllers_annotate_is_no_edit() -> None:
    fight = Fight()
    fight.give_up()
    written = {"metallb.io/ip-allocated-from-pool": "main"}
    fight.service = replace(fight.service, version="8", annotations=written)
    assert fight.shows(THEIRS) is Verdict.LEFT


def test_after_an_hour_it_is_tried_once() -> None:
    fight = Fight()
    fight.give_up()
    assert fight.contests.rest(WEB, 10.0) == AGAIN_SECONDS - 10
    fight.now = AGAIN_SECONDS
    assert fight.shows(THEIRS) is Verdict.OURS
    assert fight.round() is Verdict.REPORT
    assert fight.contests.rest(WEB, fight.now) == AGAIN_SECONDS


def test_once_the_other_one_has_gone_it_is_forgotten() -> None:
    fight = Fight()
    fight.give_up()
    fight.now = AGAIN_SECONDS
    assert (fight.shows(THEIRS), fight.ours()) == (Verdict.OURS, Verdict.OURS)
    fight.now += WITHIN_SECONDS + 1
    assert [fight.shows(OURS), *(fight.round() for _ in range(ROUNDS - 1))] == [Verdict.OURS] * ROUNDS


def test_one_that_was_deleted_has_no_past() -> None:
    fight = Fight()
    fight.give_up()
    fight.contests.forget(WEB)
    assert fight.shows() is Verdict.OURS


def test_the_report_takes_no_address_away_and_names_the_field_manager() -> None:
    shown = service("web", THEIRS)
    write, told = report(shown, "k3s")
    assert isinstance(write, WriteServiceStatus)
    assert isinstance(told, RecordEvent)
    assert write.status.addresses == shown.status.addresses
    (condition,) = write.status.conditions
    assert (condition.type, condition.status, condition.reason) == (CONDITION, "False", CONTESTED)
    assert condition.message == told.event.message
    assert condition.message.startswith('field manager "k3s" keeps writing this Service\'s status, too')
    assert report(shown, "")[0].reason.startswith("another controller keeps writing")


class Decided:
    """A decider whose writes succeed, and another controller."""

    def __init__(self) -> None:
        self.decider = ControllerDecider(rest_seconds=0)
        self.service = service("web")
        self.writes = 0

    def look(self) -> tuple[object, ...]:
        actions = self.decider.service(world(self.service), WEB, 0.0)
        for action in actions:
            if isinstance(action, WriteServiceStatus):
                self.writes += 1
                self.service = replace(action.service, status=action.status)
                self.decider.contests.wrote(WEB, action.status.addresses)
        return actions

    def overwritten(self) -> None:
        status = replace(self.service.status, addresses=(ip_address(THEIRS),))
        self.service = replace(self.service, status=status)


def test_the_controller_stops_writing_and_lets_its_address_go() -> None:
    decided = Decided()
    for _ in range(ROUNDS):
        decided.look()
        assert decided.service.status.addresses == (ip_address(OURS),)
        decided.overwritten()
    (asked,) = decided.look()
    assert isinstance(asked, ReportContest)
    assert decided.writes == ROUNDS
    assert decided.decider.ledger.is_free(ip_address(OURS))
    assert not decided.decider.waiting


def left(manager: str) -> Service:
    write, _ = report(service("web", THEIRS), manager)
    assert isinstance(write, WriteServiceStatus)
    return replace(write.service, status=write.status)


def test_why_names_the_other_controller() -> None:
    findings = {one.asked: one for one in Inquiry(world(left("k3s"))).chain(WEB).findings}
    assert findings["address"].answer is Answer.NO
    assert 'field manager "k3s" keeps writing' in findings["address"].text
    assert findings["conditions"].answer is Answer.YES
