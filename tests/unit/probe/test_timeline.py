"""Silences between successes, and who answered from when to when."""

from metalev.probe.timeline import KEPT, Answers, Gap, Silences

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def silences(*successes: float, began: float = 0.0, ended: float) -> Silences:
    found = Silences(began, notable=0.5)
    for at in successes:
        found.success(at)
    found.end(ended)
    return found


def test_the_longest_silence_is_from_the_last_success_before_it_to_the_first_after_it() -> None:
    assert silences(1.0, 2.0, 5.0, 5.5, ended=5.6).longest == Gap(2.0, 5.0)


def test_the_start_of_a_probe_limits_a_silence() -> None:
    assert silences(3.0, 3.1, began=1.0, ended=3.2).longest == Gap(1.0, 3.0)


def test_an_address_that_never_comes_back_is_silent_to_the_end() -> None:
    assert silences(0.1, 0.2, ended=9.2).longest == Gap(0.2, 9.2)


def test_an_address_that_never_answered_was_silent_all_the_time() -> None:
    found = silences(ended=4.0)
    assert (found.longest, found.successes) == (Gap(0.0, 4.0), 0)


def test_only_notable_silences_are_kept_as_gaps() -> None:
    assert silences(0.4, 0.8, 1.4, 1.5, ended=1.6).gaps == [Gap(0.8, 1.4)]


def test_a_success_tells_the_gap_that_it_ends() -> None:
    found = Silences(0.0, notable=0.5)
    assert found.success(0.1) is None
    assert found.success(0.7) == Gap(0.1, 0.7)


def test_the_longest_silence_is_known_even_if_none_is_notable() -> None:
    found = silences(0.1, 0.3, 0.4, ended=0.4)
    assert found.gaps == []
    assert found.longest == Gap(0.1, 0.3)


def test_gaps_beyond_those_kept_are_counted() -> None:
    found = silences(*map(float, range(1, KEPT + 4)), ended=KEPT + 3.0)
    assert (len(found.gaps), found.omitted) == (KEPT, 3)


def answers(*rounds: tuple[float, tuple[str, ...]]) -> Answers:
    found = Answers(pause=0.5)
    for at, macs in rounds:
        found.ask()
        for mac in macs:
            found.answer(at, mac)
    return found


def test_answers_of_one_without_a_pause_are_one_span() -> None:
    (span,) = answers((0.0, (A,)), (0.1, (A,)), (0.3, (A,))).spans
    assert (span.mac, span.first, span.last, span.answers) == (A, 0.0, 0.3, 3)


def test_a_pause_begins_another_span() -> None:
    assert [span.first for span in answers((0.0, (A,)), (0.1, (A,)), (0.6, (A,))).spans] == [0.0, 0.6]


def test_a_move_is_two_spans_and_no_double_answer() -> None:
    found = answers((0.0, (A,)), (0.1, (A,)), (0.2, ()), (0.3, (B,)), (0.4, (B,)))
    assert [(span.mac, span.first, span.last) for span in found.spans] == [(A, 0.0, 0.1), (B, 0.3, 0.4)]
    assert (found.asked, found.doubles) == (5, 0)


def test_the_longest_time_without_an_answer_is_between_two_answers_of_whoever() -> None:
    assert answers((0.0, (A,)), (0.1, (A,)), (0.2, ()), (0.3, (B,)), (0.4, (B,))).longest == Gap(0.1, 0.3)


def test_two_that_answer_at_once_are_two_spans_that_overlap_and_double_answers() -> None:
    found = answers((0.0, (A,)), (0.1, (A, B)), (0.2, (B, A)), (0.3, (B,)))
    assert [(span.mac, span.first, span.last) for span in found.spans] == [(A, 0.0, 0.2), (B, 0.1, 0.3)]
    assert found.doubles == 2


def test_two_answers_of_one_to_a_question_are_not_double() -> None:
    assert answers((0.0, (A, A))).doubles == 0


def test_a_question_that_three_answer_is_one_double_answer() -> None:
    assert answers((0.0, (A, B, "02:00:00:00:00:0c"))).doubles == 1


def test_only_what_begins_a_span_is_news() -> None:
    found = Answers(pause=0.5)
    assert [found.answer(0.0, A), found.answer(0.1, A), found.answer(0.2, B), found.answer(9.0, A)] == [
        True,
        False,
        True,
        True,
    ]


def test_spans_beyond_those_kept_are_counted() -> None:
    found = Answers(pause=0.5)
    for number in range(KEPT + 2):
        found.answer(float(number), A)
    assert (len(found.spans), found.omitted) == (KEPT, 2)
