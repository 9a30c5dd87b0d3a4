"""Two candidates for one Lease, in virtual time: each request takes as long as the test says."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metalev.adapters.kubernetes.api import Api
from metalev.adapters.kubernetes.errors import ApiError, Unreachable
from metalev.adapters.kubernetes.lease import DURATION_SECONDS, RENEW_SECONDS, KubernetesLease
from metalev.model.errors import Unavailable
from metalev.model.meta import Name

NAME = Name("metallb-system", "metalev-controller")


class LeaseServer:
    """An API server with one Lease and a clock: a request takes ``there`` seconds to it, and its answer ``back``."""

    def __init__(self) -> None:
        self.time = 100.0
        self.there = self.back = 0.0
        self.down = self.lost = False
        self.lease: dict[str, Any] | None = None
        self.timeout = self.write_timeout = 3.0
        self.meanwhile: Callable[[], None] = lambda: None
        self._version = 0

    def now(self) -> float:
        return self.time

    def get(self, _path: str) -> bytes:
        return self._ask(self._read)

    def post(self, _path: str, body: Mapping[str, Any]) -> bytes:
        return self._ask(lambda: self._store(body, expected=None))

    def put(self, _path: str, body: Mapping[str, Any]) -> bytes:
        return self._ask(lambda: self._store(body, expected=body["metadata"].get("resourceVersion")))

    def _ask(self, what: Callable[[], bytes]) -> bytes:
        if self.down:
            self.time += self.timeout
            raise Unreachable("nobody answers")
        self.time += self.there
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        answer = what()
        self.time += self.back
        if self.lost:
            raise Unreachable("the answer is lost")
        return answer

    def _read(self) -> bytes:
        if self.lease is None:
            raise ApiError(404, "NotFound", "no such lease")
        return json.dumps(self.lease).encode()

    def _store(self, body: Mapping[str, Any], expected: str | None) -> bytes:
        if expected != (self.lease["metadata"]["resourceVersion"] if self.lease else None):
            raise ApiError(409, "Conflict", "it has changed")
        self._version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        return json.dumps(self.lease).encode()


class Candidate(KubernetesLease):
    """Attempts when it is told to, and keeps what it was told. Its clock may be off by ``ahead`` seconds."""

    def __init__(
        self,
        server: LeaseServer,
        identity: str,
        *,
        ahead: float = 0.0,
        settled: bool = True,
        owner: Callable[[], Mapping[str, str] | None] | None = None,
    ) -> None:
        self.told: list[tuple[bool, bool]] = []
        super().__init__(
            cast("Api", server),
            NAME,
            identity,
            changed=lambda held, clean: self.told.append((held, clean)),
            settled=lambda: settled,
            owner=owner,
            now=lambda: server.now() + ahead,
        )

    def sure(self) -> bool:
        return self.remaining() > 0


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer()


def test_the_first_one_has_it_and_the_second_one_waits(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other")
    one.attempt()
    other.attempt()
    assert (one.told, other.told) == ([(True, True)], [])
    assert one.remaining() == DURATION_SECONDS


def test_it_is_made_once_it_is_known_what_it_goes_with(server: LeaseServer) -> None:
    owner: list[dict[str, str]] = []
    one = Candidate(server, "one", owner=lambda: owner[0] if owner else None)
    one.attempt()
    assert (server.lease, one.told) == (None, [])
    assert one.pause() < 1.0
    owner.append({"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "uid-1"})
    one.attempt()
    assert one.told == [(True, True)]
    for _ in range(2):
        assert server.lease is not None
        assert server.lease["metadata"]["ownerReferences"] == owner
        one.attempt()


def test_one_whose_owner_is_gone_is_not_made_again(server: LeaseServer) -> None:
    def gone() -> None:
        raise Unavailable("the Node node1 is gone")

    one = Candidate(server, "one", owner=gone)
    one.attempt()
    assert (server.lease, one.told) == (None, [])


def test_a_crash_is_taken_over_after_the_duration_on_the_waiters_own_clock(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other", ahead=3600.0)
    one.attempt()
    other.attempt()
    server.time += DURATION_SECONDS
    other.attempt()
    assert other.told == []
    server.time += 0.1
    other.attempt()
    assert other.told == [(True, False)]  # and not clean: a write may be on its way


def test_who_waits_tries_as_soon_as_it_has_ended(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other")
    one.attempt()
    killed = server.time
    server.time += 0.5
    other.attempt()
    while not other.sure():
        server.time += other.pause()
        other.attempt()
    assert server.time - killed < 0.5 + DURATION_SECONDS + 0.2
    assert other.pause() == RENEW_SECONDS


def test_what_was_lost_and_is_held_again_is_told_once_each(
    server: LeaseServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = Candidate(server, "one")
    one.attempt()
    server.down = True
    for _ in range(20):
        one.attempt()
    server.down = False
    one.attempt()
    assert [record.getMessage() for record in caplog.records] == [
        f"the lease {NAME} is lost: it could not be renewed in time",
        f"the lease {NAME} is held again",
    ]


def test_one_that_is_renewed_is_not_taken_over_whatever_the_clocks_say(server: LeaseServer) -> None:
    one, other = Candidate(server, "one", ahead=-3600.0), Candidate(server, "other", ahead=3600.0)
    for _ in range(20):
        one.attempt()
        other.attempt()
        server.time += 2.0
    assert one.sure()
    assert other.told == []


def test_what_is_given_back_is_free_at_once(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other")
    one.attempt()
    other.attempt()
    one.release()
    other.attempt()
    assert not one.sure()
    assert other.told == [(True, True)]


def test_one_that_somebody_deleted_is_not_free_before_its_holder_knows(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other")
    one.attempt()
    other.attempt()
    server.lease = None
    server.time += RENEW_SECONDS
    other.attempt()
    assert (one.sure(), other.told) == (True, [])
    server.time += DURATION_SECONDS
    other.attempt()
    assert (one.sure(), other.told) == (False, [(True, False)])


def test_who_holds_one_that_somebody_deleted_makes_it_anew(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other")
    one.attempt()
    other.attempt()
    server.lease = None
    server.time += RENEW_SECONDS
    one.attempt()
    other.attempt()
    assert one.remaining() == DURATION_SECONDS
    assert (one.told, other.told) == ([(True, True)], [])


def test_it_is_not_given_back_while_a_write_may_be_on_its_way(server: LeaseServer) -> None:
    one, other = Candidate(server, "one", settled=False), Candidate(server, "other")
    one.attempt()
    one.release()
    other.attempt()
    assert other.told == []
    server.time += DURATION_SECONDS + 0.1
    other.attempt()
    assert other.told == [(True, False)]


def test_without_the_server_it_ends_before_anybody_else_can_have_it(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other")
    one.attempt()
    other.attempt()
    server.down = True
    while one.sure():
        server.time += 1.0
    one.attempt()
    assert one.told == [(True, True), (False, False)]
    server.down = False
    other.attempt()
    assert other.told == [(True, False)]


def test_whoever_regains_what_nobody_else_had_need_not_wait(server: LeaseServer) -> None:
    one = Candidate(server, "one")
    one.attempt()
    server.time += DURATION_SECONDS
    server.down = True
    one.attempt()
    server.down = False
    one.attempt()
    assert one.told == [(True, True), (False, False), (True, True)]


def test_a_renewal_that_a_slow_answer_hides_counts_from_when_it_was_read(server: LeaseServer) -> None:
    one, other = Candidate(server, "one"), Candidate(server, "other")
    one.attempt()
    server.there = 4.0  # the question of the other one is long on its way, and the holder renews meanwhile

    def renew() -> None:
        server.there, server.back = 0.0, 0.0
        one.attempt()

    server.meanwhile = renew
    other.attempt()
    assert one.remaining() == DURATION_SECONDS
    server.time += DURATION_SECONDS
    other.attempt()
    assert other.told == []  # 4 s too early by its own question


def test_an_answer_that_is_lost_is_found_out_by_the_next_attempt(server: LeaseServer) -> None:
    one = Candidate(server, "one")
    server.lease = {"metadata": {"name": "x", "resourceVersion": "9"}, "spec": {"holderIdentity": ""}}
    one.attempt()
    server.lost = True
    one.attempt()
    assert one.sure()  # by the renewal before
    server.lost = False
    one.attempt()
    assert one.remaining() == DURATION_SECONDS
    assert one.told == [(True, True)]


def test_rubbish_for_an_answer_ends_no_attempts(server: LeaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Candidate(server, "one")
    with monkeypatch.context() as patched:
        patched.setattr(server, "get", lambda _path: b"<html>a proxy's error page</html>")
        one.attempt()
    one.attempt()
    assert one.sure()


def test_who_has_stopped_takes_no_office(server: LeaseServer) -> None:
    one = Candidate(server, "one")
    one.release()
    one.attempt()
    assert one.told == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["attempt", "attempt", "attempt", "release", "down", "up", "lose", "keep", "wait"]),
        st.integers(0, 2),
        st.floats(0, 6),
        st.floats(0, 5),
    ),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=400, deadline=None)
def test_two_never_hold_it(steps: list[tuple[str, int, float, float]]) -> None:
    server = LeaseServer()
    candidates = [Candidate(server, f"c{number}", ahead=number * 1000.0) for number in range(3)]
    nested: list[Callable[[], None]] = []

    def check() -> None:
        assert sum(one.sure() for one in candidates) <= 1

    for what, who, there, back in steps:
        server.there, server.back = there, back
        match what:
            case "attempt":
                # While one asks, another one does.
                nested[:] = [candidates[(who + 1) % 3].attempt]
                server.meanwhile = nested[0]
                candidates[who].attempt()
            case "release":
                candidates[who].release()
                candidates[who] = Candidate(server, f"c{who} again at {server.time}")
            case "down" | "up":
                server.down = what == "down"
            case "lose" | "keep":
                server.lost = what == "lose"
            case "wait":
                server.time += 3 * there
        check()
