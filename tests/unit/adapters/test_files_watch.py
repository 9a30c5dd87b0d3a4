"""What is noticed by itself, and what the slow look makes up for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.harness import FixedClock, Recorder, service_key

from metalev.adapters.files import FilesCluster
from metalev.adapters.files import cluster as clustering
from metalev.adapters.files import watch as watching
from metalev.adapters.files.inotify import Inotify, Notices
from metalev.adapters.files.watch import Watcher

WEB = service_key("web")
SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]}}"

Open = Callable[[Path, float], Recorder]


@pytest.fixture
def open_cluster() -> Iterator[Open]:
    opened: list[FilesCluster] = []

    def start(folder: Path, relist_seconds: float) -> Recorder:
        seen = Recorder()
        cluster = FilesCluster(folder, FixedClock(), state=folder.with_name("state"), relist_seconds=relist_seconds)
        opened.append(cluster)
        cluster.start(seen)
        return seen

    yield start
    for cluster in opened:
        cluster.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    return path


def test_file_in_a_new_folder_is_noticed(folder: Path, open_cluster: Open) -> None:
    seen = open_cluster(folder, 3600)
    (folder / "new").mkdir()
    (folder / "new/web.yaml").write_text(SERVICE)
    seen.until(lambda: WEB in seen.objects)


def test_folder_moved_away_takes_its_objects_with_it(folder: Path, open_cluster: Open) -> None:
    (folder / "shop").mkdir()
    (folder / "shop/web.yaml").write_text(SERVICE)
    seen = open_cluster(folder, 3600)
    (folder / "shop").rename(folder.with_name("elsewhere"))
    seen.until(lambda: WEB not in seen.objects)


def test_files_of_a_config_map_volume_are_noticed(folder: Path, open_cluster: Open) -> None:
    for version, text in (("..1", "# nothing yet"), ("..2", SERVICE)):
        (folder / version).mkdir()
        (folder / version / "web.yaml").write_text(text)
    (folder / "..data").symlink_to("..1")
    (folder / "web.yaml").symlink_to("..data/web.yaml")
    seen = open_cluster(folder, 3600)
    (folder / "..data_tmp").symlink_to("..2")
    (folder / "..data_tmp").rename(folder / "..data")
    seen.until(lambda: WEB in seen.objects)


def test_folder_that_was_replaced_is_watched_again(folder: Path, open_cluster: Open) -> None:
    seen = open_cluster(folder, 3600)
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    (folder / "web.yaml").write_text(SERVICE)
    seen.until(lambda: WEB in seen.objects)
    (folder / "web.yaml").unlink()
    seen.until(lambda: WEB not in seen.objects)


def test_slow_look_finds_what_the_kernel_did_not_tell(
    folder: Path, open_cluster: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> Inotify:
        raise OSError(os.strerror(28))

    monkeypatch.setattr(watching, "Inotify", refuse)
    seen = open_cluster(folder, 0.05)
    (folder / "web.yaml").write_text(SERVICE)
    seen.until(lambda: WEB in seen.objects)
    assert "the kernel does not report changes" in caplog.text


def test_slow_look_finds_what_a_kernel_that_says_nothing_did_not_tell(
    folder: Path, open_cluster: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Inotify.read
    monkeypatch.setattr(Inotify, "read", lambda inotify: (read(inotify), Notices())[1])
    seen = open_cluster(folder, 0.01)
    (folder / "web.yaml").write_text(SERVICE)
    seen.until(lambda: WEB in seen.objects)


def test_everything_is_looked_at_when_the_kernel_had_more_to_tell_than_it_could(
    folder: Path, open_cluster: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Inotify.read
    monkeypatch.setattr(Inotify, "read", lambda inotify: (read(inotify), Notices(lost=True))[1])
    seen = open_cluster(folder, 3600)
    (folder / "web.yaml").write_text(SERVICE)
    seen.until(lambda: WEB in seen.objects)


def test_what_happens_between_the_start_and_the_first_look_is_noticed(
    folder: Path, open_cluster: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Watcher.start

    def late(watcher: Watcher) -> None:
        (folder / "web.yaml").write_text(SERVICE)
        start(watcher)

    monkeypatch.setattr(Watcher, "start", late)
    seen = open_cluster(folder, 3600)
    seen.until(lambda: WEB in seen.objects)


def mounted(folder: Path, kind: str) -> Path:
    """What proc(5) says if ``folder`` is on a file system of this kind."""
    device = folder.stat().st_dev
    path = folder.with_name(f"mounts-{kind}")
    other = "21 1 999:7 / /elsewhere rw,relatime shared:1 - nfs server:/ rw\n"
    path.write_text(f"{other}22 1 {os.major(device)}:{os.minor(device)} / / rw shared:2 - {kind} /dev/vda1 rw\n")
    return path


@pytest.mark.parametrize(("kind", "local"), [("ext4", True), ("overlay", True), ("nfs4", False), ("fuse.sshfs", False)])
def test_a_file_system_that_others_may_write_is_told_from_one_that_is_ours(
    folder: Path, kind: str, *, local: bool
) -> None:
    assert watching.is_local(folder, mounted(folder, kind)) == local


def test_what_is_not_known_of_a_file_system_may_change_untold(folder: Path) -> None:
    assert not watching.is_local(folder, folder / "none")
    assert not watching.is_local(folder / "none", mounted(folder, "ext4"))
    mounts = folder.with_name("mounts")
    mounts.write_text("21 1 999:7 / /elsewhere rw - ext4 /dev/vda1 rw\n")
    assert not watching.is_local(folder, mounts)


class Stuck:
    """A watcher whose first look does not end until it is told to."""

    def __init__(self, folder: Path) -> None:
        self.looking, self.told = threading.Event(), threading.Event()
        self.watcher = Watcher(
            [folder],
            changed=lambda _: None,
            relist=self._look,
            relist_seconds=3600,
            concerns=lambda _: True,
            stop_seconds=0.01,
        )

    def _look(self) -> None:
        self.looking.set()
        self.told.wait()


@pytest.fixture
def stuck(folder: Path) -> Iterator[Stuck]:
    made = Stuck(folder)
    yield made
    made.told.set()
    made.watcher.stop()


def test_a_look_that_does_not_end_shows(stuck: Stuck) -> None:
    assert stuck.watcher.alive(0)  # it has not begun
    stuck.watcher.start()
    assert stuck.looking.wait(10)
    assert stuck.watcher.alive(3600)
    assert not stuck.watcher.alive(0)


def test_nobody_waits_for_a_look_that_does_not_end(stuck: Stuck, caplog: pytest.LogCaptureFixture) -> None:
    stuck.watcher.start()
    assert stuck.looking.wait(10)
    stuck.watcher.stop()
    assert "a look at the manifests does not end; not waiting for it" in caplog.text


def test_a_cluster_that_is_stuck_stops_all_the_same_and_delivers_nothing_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clustering, "STOP_SECONDS", 0.01)
    delivering, told = threading.Event(), threading.Event()
    delivered: list[object] = []

    def sink(change: object) -> None:
        delivered.append(change)
        if len(delivered) > before:
            delivering.set()
            told.wait()

    cluster, before = FilesCluster(folder, FixedClock(), state=folder.with_name("state"), watch=False), 10**6
    cluster.start(sink)
    before = len(delivered)
    (folder / "web.yaml").write_text(SERVICE)
    relist = threading.Thread(target=cluster.relist)
    relist.start()
    assert delivering.wait(10)
    cluster.stop()
    told.set()
    relist.join()
    assert len(delivered) == before + 1


def test_a_cluster_that_watches_is_alive(folder: Path, open_cluster: Open) -> None:
    cluster = FilesCluster(folder, FixedClock(), state=folder.with_name("state"))
    cluster.start(lambda _: None)
    assert cluster.alive(60)
    cluster.stop()
    assert cluster.alive(0)  # that it was asked to end is no trouble
