"""The schedule of a run of chaos, and how an event is judged: values."""

from metalev.lab.census import Double, Record, Report, Span
from metalev.lab.chaos.judge import OBSERVED_MS, PROGRAMS, Cost, Happened, judge
from metalev.lab.chaos.meter import Lateness, late_by
from metalev.lab.chaos.patience import in_force, was_in_force
from metalev.lab.chaos.schedule import BOUNDS, DEAD_MS, MEANING, MEET_MS, Event, Kind, schedule
from metalev.lab.chaos.story import table, told

ADDRESS = "192.168.1.200"


def drawn(seed: int, count: int) -> list[Event]:
    return schedule(seed, count, services=["web", "six"], nodes=["node1", "node2"])


def cost(kind: Kind, *spans: tuple[float, float], doubles: tuple[float, ...] = (), missed: float = 0) -> Cost:
    """Of an event that begins at 10 s, is mended at 11 s and over at 12 s."""
    record = Record([Span("a", *span) for span in spans], [Double(at, ("a", "b")) for at in doubles])
    happened = Happened(Event(1, kind, "web", "node1", 1.0), "node1", 10.0, 11.0, 12.0)
    return judge(happened, Report({ADDRESS: record}, 0), [Lateness(10.0, missed)] if missed else [])


def test_a_seed_gives_the_same_events_again() -> None:
    assert drawn(7, 40) == drawn(7, 40)


def test_another_seed_gives_others() -> None:
    assert drawn(7, 40) != drawn(8, 40)


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    assert drawn(7, 40)[:13] == drawn(7, 13)


def test_every_kind_comes_once_in_a_row_of_as_many_events() -> None:
    assert {event.kind for event in drawn(3, len(BOUNDS))} == set(BOUNDS) == set(MEANING)


def test_a_silence_within_the_bound_is_fine() -> None:
    assert cost("death", (9, 10), (10.15, 13)).fine


def test_the_longest_silence_is_told_with_its_address() -> None:
    found = cost("death", (9, 10), (10.5, 13))
    assert (found.silent, found.silent_ms, found.silent_bound_ms) == (ADDRESS, 500, DEAD_MS + OBSERVED_MS)
    assert not found.fine
    assert f"{ADDRESS} silent for 500 ms" in told(found)


def test_a_silence_before_the_event_is_not_its() -> None:
    assert cost("death", (1, 5), (9, 13)).silent_ms == 0


def test_what_the_machine_missed_widens_the_bound() -> None:
    found = cost("death", (9, 10), (10.5, 13), missed=0.1)
    assert (found.missed_ms, found.silent_bound_ms) == (100, DEAD_MS + OBSERVED_MS + PROGRAMS * 100)
    assert found.fine


def test_what_the_speakers_said_to_wait_longer_widens_the_bound_of_a_failover() -> None:
    report = Report({ADDRESS: Record([Span("a", 9, 10), Span("b", 10.3, 13)])}, 0)
    bounds: dict[Kind, float] = {"cable": DEAD_MS + 200 + OBSERVED_MS, "firewall": OBSERVED_MS}
    for kind, allowed in bounds.items():
        happened = Happened(Event(1, kind, "web", "node1", 1.0), "node1", 10.0, 11.0, 12.0, patient=0.2)
        assert judge(happened, report, []).silent_bound_ms == allowed


def test_the_dead_time_in_force_is_the_longest_that_any_speaker_shows() -> None:
    usual = {"metalev_promise_seconds": 0.15, 'metalev_peer_patience_seconds{path="eth0",peer="node2"}': 0.16}
    late = usual | {'metalev_peer_patience_seconds{path="udp",peer="node3"}': 0.23}
    starved = usual | {"metalev_promise_seconds": 0.45}
    assert in_force([usual, usual]) == 0
    assert round(in_force([usual, late]), 3) == 0.07
    assert round(in_force([starved, late]), 3) == 0.3


def test_what_it_was_meanwhile_is_read_from_their_logs() -> None:
    lost = "node1 is no longer heard on eth0: silent for {} ms (patience {} ms) cause=missed-beacons"
    slept = "did not run for 400 ms (the promise lasts 150 ms): listening before anything is taken"
    in_time, late = lost.format(161, 160), lost.format(400, 310)
    assert was_in_force({"node1": "took 192.168.1.200", "node2": ""}, "node3") == 0
    assert was_in_force({"node1": in_time}, "node3") == 0
    assert round(was_in_force({"node1": in_time, "node2": late}, "node3"), 3) == 0.15
    assert round(was_in_force({"node1": in_time, "node2": slept}, "node3"), 3) == 0.55
    assert was_in_force({"node1": in_time, "node2": slept}, "node2") == 0, "that is what was done to it"


def test_a_fault_that_may_silence_for_as_long_as_it_lasts_may_not_for_longer() -> None:
    assert cost("deaf", (9, 10), (11.2, 13)).fine
    assert not cost("deaf", (9, 10), (11.3, 13)).fine


def test_two_answers_to_one_question_are_beyond_the_bound_of_a_death() -> None:
    found = cost("death", (9, 13), doubles=(10.3, 10.31))
    assert (found.doubles_beyond, found.double_ms, found.fine) == (2, 10, False)


def test_two_may_answer_during_a_partition_and_until_they_meet_again() -> None:
    assert cost("partition", (9, 13), doubles=(10.3, 11 + MEET_MS / 1000)).fine


def test_nobody_may_answer_twice_long_after_a_partition() -> None:
    happened = Happened(Event(1, "partition", "web", "node1", 1.0), "node1", 10.0, 11.0, 20.0)
    report = Report({ADDRESS: Record([Span("a", 9, 21)], [Double(13.0, ("a", "b"))])}, 0)
    assert judge(happened, report, []).doubles_beyond == 1


def test_lateness_counts_as_far_as_it_lies_within() -> None:
    assert late_by([Lateness(1, 2), Lateness(5, 1)], 2, 5.5) == 1.5


def test_the_table_has_a_row_for_each_kind_that_happened() -> None:
    head, *rows = table([cost("death", (9, 10), (10.1, 13)), cost("term", (9, 13))])
    assert head.startswith("kind")
    assert [row.split()[0] for row in rows] == ["death", "term"]
