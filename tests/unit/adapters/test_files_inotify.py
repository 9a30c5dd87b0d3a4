"""What the kernel is asked to tell of files, and what becomes of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from metalev.adapters.files.inotify import Inotify, Notices

PATIENCE_SECONDS = 60.0


class Listener:
    """Hears what is told of one folder, but nothing of hidden ones."""

    def __init__(self, folder: Path) -> None:
        self.bell = os.eventfd(0)
        self.inotify = Inotify([folder], lambda path: not path.name.startswith("."))

    def close(self) -> None:
        self.inotify.close()
        os.close(self.bell)

    def until(self, path: Path) -> set[Path]:
        """Everything that is told until ``path`` is."""
        heard: set[Path] = set()
        end = time.monotonic() + PATIENCE_SECONDS
        while path not in heard:
            assert self.inotify.wait(self.bell, end - time.monotonic()), f"only {heard}"
            heard |= self.inotify.read().paths
        return heard

    def until_lost(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while self.inotify.wait(self.bell, end - time.monotonic()):
            if self.inotify.read().lost:
                return
        raise AssertionError("it never said so")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.fixture
def listener(folder: Path) -> Iterator[Listener]:
    (folder / "old").mkdir()
    (folder / ".hidden").mkdir()
    (folder.parent / "elsewhere").write_text("1")
    (folder / "link.yaml").symlink_to(folder.parent / "elsewhere")
    made = Listener(folder)
    yield made
    made.close()


def test_a_file_is_told_of_once_its_writer_is_done_with_it(folder: Path, listener: Listener) -> None:
    with (folder / "a.yaml").open("w") as file:
        file.write("half")
        file.flush()
        (folder / "b.yaml").write_text("whole")
        assert folder / "a.yaml" not in listener.until(folder / "b.yaml")
    listener.until(folder / "a.yaml")


def test_a_second_name_of_a_file_is_told_of(folder: Path, listener: Listener) -> None:
    (folder / "hard.yaml").hardlink_to(folder.parent / "elsewhere")
    (folder / "soft.yaml").symlink_to(folder.parent / "elsewhere")
    assert folder / "hard.yaml" in listener.until(folder / "soft.yaml")


def test_removal_and_a_change_of_rights_are_told_of(folder: Path, listener: Listener) -> None:
    (folder / "old/a.yaml").write_text("a")
    listener.until(folder / "old/a.yaml")
    (folder / "old/a.yaml").chmod(0o600)
    listener.until(folder / "old/a.yaml")
    (folder / "old/a.yaml").unlink()
    listener.until(folder / "old/a.yaml")


def test_folders_that_come_are_watched_with_all_that_is_in_them(folder: Path, listener: Listener) -> None:
    deep = folder.parent / "made/deeper"
    deep.mkdir(parents=True)
    deep.parent.rename(folder / "new")
    listener.until(folder / "new")
    (folder / "new/deeper/a.yaml").write_text("a")
    listener.until(folder / "new/deeper/a.yaml")


def test_folders_that_went_are_watched_no_more(folder: Path, listener: Listener) -> None:
    (folder / "old").rename(folder.parent / "away")
    listener.until(folder / "old")
    (folder.parent / "away/a.yaml").write_text("a")
    (folder / "last.yaml").write_text("last")
    assert folder / "old/a.yaml" not in listener.until(folder / "last.yaml")


def test_a_folder_that_got_another_name_is_told_of_under_that_one(folder: Path, listener: Listener) -> None:
    (folder / "old").rename(folder / "young")
    listener.until(folder / "young")
    (folder / "young/a.yaml").write_text("a")
    assert folder / "old/a.yaml" not in listener.until(folder / "young/a.yaml")


def test_folders_that_nobody_wants_are_not_watched(folder: Path, listener: Listener) -> None:
    (folder / ".hidden/a.yaml").write_text("a")
    (folder / "last.yaml").write_text("last")
    assert folder / ".hidden/a.yaml" not in listener.until(folder / "last.yaml")


def test_the_file_that_a_link_leads_to_is_watched(folder: Path, listener: Listener) -> None:
    (folder.parent / "elsewhere").write_text("2")
    listener.until(folder / "link.yaml")


def test_a_file_that_took_the_place_of_what_a_link_led_to_is_watched(folder: Path, listener: Listener) -> None:
    for content in ("2", "3"):
        (folder.parent / "another").write_text(content)
        (folder.parent / "another").rename(folder.parent / "elsewhere")
        listener.until(folder / "link.yaml")
    (folder.parent / "elsewhere").write_text("4")
    listener.until(folder / "link.yaml")


def test_links_to_one_file_are_all_told_of(folder: Path, listener: Listener) -> None:
    (folder / "second.yaml").symlink_to(folder.parent / "elsewhere")
    listener.until(folder / "second.yaml")
    (folder.parent / "elsewhere").write_text("2")
    assert folder / "link.yaml" in listener.until(folder / "second.yaml")


def test_a_watched_folder_that_is_replaced_is_said_to_be_lost(folder: Path, listener: Listener) -> None:
    folder.rename(folder.with_name("away"))
    listener.until_lost()


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "later")
    (tmp_path / "something else").mkdir()
    (tmp_path / "later").mkdir()
    listener.until_lost()
    listener.close()


def test_a_folder_that_cannot_come_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Inotify([tmp_path / "no/where"], lambda _: True)


def test_a_queue_that_overflowed_is_said_to_be_lost(folder: Path, listener: Listener) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    path, names = folder / "old", ("a", "b")
    for index in range(most + 2):
        (path / names[index % 2]).touch()  # events that differ from the last one are not merged
    listener.until_lost()


def test_nothing_happened_where_nothing_is_told(listener: Listener) -> None:
    assert listener.inotify.read() == Notices()


def test_a_bell_ends_the_waiting(listener: Listener) -> None:
    os.eventfd_write(listener.bell, 1)
    assert not listener.inotify.wait(listener.bell, PATIENCE_SECONDS)
