"""What becomes of answers."""

import pytest

from metalev.lab.census import Record

ONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"


def recorded(*questions: tuple[float, list[str]]) -> Record:
    record = Record()
    for at, macs in questions:
        record.add(at, macs)
    return record


def test_questions_that_one_answers_are_a_span() -> None:
    (span,) = recorded((1.00, [ONE]), (1.01, [ONE]), (1.02, [ONE])).spans
    assert (span.mac, span.first, span.last, span.answers) == (ONE, 1.00, 1.02, 3)


def test_another_who_answers_begins_a_span_and_so_does_a_pause() -> None:
    assert [span.mac for span in recorded((1.00, [ONE]), (1.01, [OTHER]), (1.02, [ONE])).spans] == [ONE, OTHER, ONE]
    assert [span.mac for span in recorded((1.00, [ONE]), (1.20, [ONE])).spans] == [ONE, ONE]


def test_a_question_that_two_answer_is_a_double() -> None:
    (double,) = recorded((1.00, [ONE]), (1.01, [ONE, OTHER])).doubles
    assert (double.at, double.macs) == (1.01, (ONE, OTHER))


def test_the_longest_silence_is_between_two_answered_questions() -> None:
    record = recorded((1.00, [ONE]), (1.01, []), (1.25, [ONE]), (1.26, [ONE]))
    assert record.longest_silence_ms == pytest.approx(250)
    assert record.silence_began == 1.00
