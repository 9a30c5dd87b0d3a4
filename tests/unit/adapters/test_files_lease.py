"""One controller per state folder."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from tests.contract.harness import FixedClock

from metalev.adapters.files import FilesLease
from metalev.model.errors import StartError


def lease(state: Path, host: str = "alpha") -> FilesLease:
    return FilesLease(state, FixedClock(), host)


def test_second_controller_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = lease(tmp_path)
    first.acquire()
    with pytest.raises(StartError) as caught:
        lease(tmp_path).acquire()
    expected = f"the controller already runs on alpha as process {os.getpid()} ({tmp_path}/controller/lock)"
    assert str(caught.value).startswith(expected)
    first.release()


def test_released_lease_can_be_taken_by_another_host(tmp_path: Path) -> None:
    first, second = lease(tmp_path, "alpha"), lease(tmp_path, "beta")
    first.acquire()
    first.release()
    first.release()
    second.acquire()
    assert "host: beta" in (tmp_path / "controller/lock").read_text()
    second.release()


def test_name_that_another_host_left_counts_as_held(tmp_path: Path) -> None:
    (tmp_path / "controller").mkdir()
    path = tmp_path / "controller/lock"
    path.write_text("host: beta\npid: 7\nsince: 2026-01-01T00:00:00Z\n")
    with pytest.raises(StartError, match=r"on beta as process 7, since 2026.*if that host is gone, remove this file"):
        lease(tmp_path).acquire()
    path.unlink()
    taken = lease(tmp_path)
    taken.acquire()
    taken.release()


def test_what_a_crashed_controller_of_this_host_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "controller").mkdir()
    (tmp_path / "controller/lock").write_text("host: alpha\npid: 7\nsince: 2026-01-01T00:00:00Z\n")
    taken = lease(tmp_path)
    taken.acquire()
    assert f"pid: {os.getpid()}" in (tmp_path / "controller/lock").read_text()
    taken.release()


def test_lease_may_be_acquired_twice_by_its_holder(tmp_path: Path) -> None:
    held = lease(tmp_path)
    held.acquire()
    held.acquire()
    held.release()


def test_lock_ends_with_its_process_and_not_by_the_clock(tmp_path: Path) -> None:
    held = lease(tmp_path)
    held.acquire()
    assert held.fenced
    assert held.remaining() == math.inf
    held.release()


def test_folder_that_cannot_be_written_is_a_start_error(tmp_path: Path) -> None:
    (tmp_path / "controller").write_text("in the way")
    with pytest.raises(StartError, match=r"cannot lock .*controller/lock: "):
        lease(tmp_path).acquire()


def test_a_lock_that_was_removed_is_a_right_that_was_lost(tmp_path: Path) -> None:
    first, second = lease(tmp_path), lease(tmp_path)
    first.acquire()
    assert first.remaining() == math.inf
    (tmp_path / "controller/lock").unlink()
    assert first.remaining() == 0
    second.acquire()
    assert first.remaining() == 0
    assert second.remaining() == math.inf
    first.release()
    second.release()


def test_a_right_that_was_given_back_is_none(tmp_path: Path) -> None:
    first = lease(tmp_path)
    first.acquire()
    first.release()
    assert first.remaining() == 0
