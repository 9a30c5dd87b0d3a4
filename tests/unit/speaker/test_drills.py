"""A speaker that is told of drills, over a cluster and an engine in memory, in virtual time."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from tests.fakes.cluster import FakeCluster
from tests.unit.speaker.scene import KEY, NAMESPACE, Speaker, web

from metalev.model.drills import Drill, DrillMode
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.ownership import Silence

NAME = Name(NAMESPACE, "drill-1")


def drill(mode: DrillMode, seconds: int = 5) -> Drill:
    return Drill(NAME, address=ip_address("192.0.2.1"), nodes=("node1",), mode=mode, seconds=seconds)


def candidates(speaker: Speaker) -> list[str]:
    return [one.node for one in speaker.engine.tables[-1].groups[0].candidates]


@pytest.fixture
def cluster() -> FakeCluster:
    return web()


def test_a_drill_is_in_the_table_until_its_seconds_are_over(cluster: FakeCluster) -> None:
    speaker = Speaker(cluster, KEY)
    everybody = candidates(speaker)
    speaker.put(drill(DrillMode.MOVE))
    assert candidates(speaker) == ["node2"]
    speaker.settle(within=5.1)
    assert candidates(speaker) == everybody


def test_a_drill_that_is_removed_is_out_of_the_table_at_once(cluster: FakeCluster) -> None:
    speaker = Speaker(cluster, KEY)
    speaker.put(drill(DrillMode.CRASH))
    assert speaker.engine.tables[-1].silence == Silence(str(NAME), 5.0)
    cluster.remove(ObjectKey(Kind.DRILL, NAME))
    speaker.settle()
    assert speaker.engine.tables[-1].silence is None


def test_a_silence_is_in_the_log(cluster: FakeCluster, caplog: pytest.LogCaptureFixture) -> None:
    Speaker(cluster, KEY).put(drill(DrillMode.CRASH))
    assert f"drill {NAME}: silent for 5 s, as if this node had died" in caplog.text


def test_a_drill_that_somebody_left_behind_silences_no_speaker_that_starts(cluster: FakeCluster) -> None:
    cluster.put(drill(DrillMode.CRASH))
    assert [table.silence for table in Speaker(cluster, KEY).engine.tables] == [None]
