"""What the benchmarks count of questions and answers."""

import socket

from bench.questions import BATCH, Answers, Batch


def test_answers_are_counted_per_second() -> None:
    assert Answers(answered=90, lost=10, seconds=2.0).per_second == 45


def test_a_batch_is_sent_and_taken_whole_and_nothing_is_taken_when_the_time_is_over() -> None:
    near, far = socket.socketpair(type=socket.SOCK_DGRAM)
    with near, far:
        far.setblocking(False)
        assert Batch(b"question").send(near) == BATCH
        assert Batch(bytes(8)).receive(far) == BATCH
        assert Batch(bytes(8)).receive(far) == 0
