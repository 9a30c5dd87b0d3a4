"""What is done of what was decided, and what must not begin any more."""

from __future__ import annotations

import pytest
from msgspec import Struct
from tests.fakes.cluster import FakeCluster

from metalev.model.actions import Action, CreateBeaconKey, WritePoolStatus, WriteServiceStatus
from metalev.model.cluster import BeaconKey
from metalev.model.errors import StartError, Unavailable
from metalev.model.meta import Name
from metalev.model.pools import Pool, PoolStatus
from metalev.model.services import Service, ServiceStatus
from metalev.runtime.effects import Effects

MARGIN = 3.0
WRITES: list[Action] = [
    WriteServiceStatus(Service(Name("shop", "web")), ServiceStatus(), reason="a test writes it"),
    WritePoolStatus(Pool(Name("metallb-system", "main")), PoolStatus(), reason="a test writes it"),
    CreateBeaconKey(BeaconKey(1, b"k" * 32), reason="a test makes it"),
]


class Lease(Struct):
    """A right to write that lasts for ``left`` seconds, where a write may take ``margin``."""

    left: float
    margin: float = MARGIN
    fenced: bool = False

    def remaining(self) -> float:
        return self.left

    def acquire(self) -> None: ...

    def release(self) -> None: ...


class Cluster(FakeCluster):
    """Notes what is written and keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write_service_status(self, _service: Service, _status: ServiceStatus) -> None:
        self.written.append("WriteServiceStatus")

    def write_pool_status(self, _pool: Pool, _status: PoolStatus) -> None:
        self.written.append("WritePoolStatus")

    def create_beacon_key(self, _key: BeaconKey) -> None:
        self.written.append("CreateBeaconKey")


@pytest.mark.parametrize("left", [0.0, MARGIN])
@pytest.mark.parametrize("write", WRITES, ids=lambda one: type(one).__name__)
def test_a_write_that_might_outlast_the_lease_does_not_begin(write: Action, left: float) -> None:
    cluster = Cluster()
    with pytest.raises(Unavailable, match="may end before a write does"):
        Effects(cluster, lease=Lease(left)).carry_out(write)
    assert cluster.written == []


@pytest.mark.parametrize("write", WRITES, ids=lambda one: type(one).__name__)
def test_a_write_that_ends_before_the_lease_is_done(write: Action) -> None:
    cluster = Cluster()
    Effects(cluster, lease=Lease(MARGIN + 0.001)).carry_out(write)
    assert cluster.written == [type(write).__name__]


def test_without_the_right_for_good_the_program_has_to_be_started_again() -> None:
    cluster = Cluster()
    with pytest.raises(StartError, match="start it again"):
        Effects(cluster, lease=Lease(0.0, fenced=True)).carry_out(WRITES[0])
    assert cluster.written == []
