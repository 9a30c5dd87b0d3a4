"""What the benchmarks count of questions and answers."""

from bench.questions import Answers


def test_answers_are_counted_per_second_and_per_question() -> None:
    answers = Answers(answered=90, lost=10, seconds=2.0)
    assert answers.per_second == 45
    assert answers.part == 0.9
