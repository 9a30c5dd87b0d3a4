"""Versions of objects, in whatever order they come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.contract.harness import Recorder

from metalev.adapters.codec import Codec
from metalev.adapters.kubernetes.mirror import Mirror
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.services import Service
from metalev.model.snapshot import Deleted, Listed, Rejected, Synced, Upserted

WEB = ObjectKey(Kind.SERVICE, Name("shop", "web"))
POOL = "metallb.io/ip-allocated-from-pool"


def raw(version: int, *held: str, uid: str = "u1", kind: str = "LoadBalancer", pool: str = "", port: int = 80) -> bytes:
    metadata: dict[str, Any] = {"name": "web", "namespace": "shop", "resourceVersion": str(version), "uid": uid}
    if pool:
        metadata["annotations"] = {POOL: pool}
    status = {"loadBalancer": {"ingress": [{"ip": address} for address in held]}}
    return json.dumps(
        {"metadata": metadata, "spec": {"type": kind, "ports": [{"port": port}]}, "status": status}
    ).encode()


class Watched:
    """A mirror, what it told, and the Services that left."""

    def __init__(self) -> None:
        self.seen, self.left = Recorder(), list[Name]()
        self.mirror = Mirror(Codec("metallb-system"), [Kind.SERVICE], controller=True)
        self.mirror.open(self.seen, self.left.append)

    def take(self, content: bytes) -> None:
        self.mirror.take(Kind.SERVICE, content)

    def drop(self, content: bytes) -> None:
        self.mirror.drop(Kind.SERVICE, content)

    def version(self) -> str:
        found = self.seen.objects.get(WEB)
        return found.version if isinstance(found, Service) else ""


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_an_older_version_never_follows_a_newer_one(watched: Watched) -> None:
    watched.take(raw(7, "192.0.2.1"))  # the answer to our own write
    watched.take(raw(6))  # the watch, late
    watched.take(raw(7, "192.0.2.1"))
    assert [change for change in watched.seen.changes if isinstance(change, Upserted)] == watched.seen.changes[:1]
    assert watched.version() == "7"


def test_an_answer_that_comes_after_the_delete_brings_nothing_back(watched: Watched) -> None:
    watched.take(raw(5))
    watched.drop(raw(8))
    watched.take(raw(7, "192.0.2.1"))
    assert watched.version() == ""


def test_another_one_under_the_same_name_is_another_one(watched: Watched) -> None:
    watched.take(raw(5, uid="u1"))
    watched.drop(raw(8, uid="u1"))
    watched.take(raw(9, uid="u2"))
    assert watched.version() == "9"
    known = watched.mirror.get(WEB)
    assert known is not None
    assert known.uid == "u2"


def test_a_delete_that_comes_late_takes_nothing_from_the_next_one_of_that_name(watched: Watched) -> None:
    watched.take(raw(5, uid="u1"))
    watched.take(raw(9, uid="u2"))
    watched.drop(raw(8, uid="u1"))
    assert watched.version() == "9"


def test_a_list_does_not_take_away_what_was_written_since_it_was_made(watched: Watched) -> None:
    watched.take(raw(12))
    watched.mirror.listed(Kind.SERVICE, [], "10")
    assert watched.version() == "12"
    assert watched.seen.changes[-2:] == [Listed(Kind.SERVICE, frozenset({WEB.name})), Synced()]
    watched.mirror.listed(Kind.SERVICE, [], "13")
    assert Deleted(WEB) in watched.seen.changes


def test_a_list_that_is_older_than_a_delete_brings_nothing_back(watched: Watched) -> None:
    watched.take(raw(5))
    watched.drop(raw(8))
    watched.take(raw(5))
    watched.mirror.listed(Kind.SERVICE, [WEB], "7")
    assert watched.version() == ""
    assert Listed(Kind.SERVICE, frozenset()) in watched.seen.changes


def test_what_cannot_be_read_leaves_what_was_good(watched: Watched) -> None:
    watched.take(raw(5))
    watched.take(raw(6).replace(b'"port": 80', b'"port": 99999'))
    assert watched.version() == "5"
    assert list(watched.seen.problems) == ["Service shop/web"]
    watched.take(raw(7))
    assert (watched.version(), watched.seen.problems) == ("7", {})


def test_one_that_left_the_list_is_looked_up_if_something_of_ours_was_on_it(watched: Watched) -> None:
    watched.take(raw(5, "192.0.2.1"))
    watched.drop(raw(8, "192.0.2.1"))
    assert watched.left == [WEB.name]
    watched.take(raw(9))
    watched.drop(raw(10))
    assert watched.left == [WEB.name]


def test_one_that_is_still_there_is_told_until_it_is_cleared(watched: Watched) -> None:
    watched.take(raw(5, "192.0.2.1", pool="main"))
    watched.drop(raw(8, "192.0.2.1", pool="main"))
    watched.mirror.note_left(WEB.name, raw(8, kind="ClusterIP", pool="main"))
    assert watched.version() == "8"
    watched.take(raw(9, kind="ClusterIP"))  # the answer to the write that cleared it
    assert watched.version() == ""
    assert watched.left == [WEB.name]


def test_one_that_was_deleted_or_is_back_is_not_told(watched: Watched) -> None:
    watched.take(raw(5, "192.0.2.1"))
    watched.drop(raw(8, "192.0.2.1"))
    watched.mirror.note_left(WEB.name, None)
    assert watched.version() == ""
    watched.take(raw(12))
    watched.mirror.note_left(WEB.name, raw(9, kind="ClusterIP", pool="main"))
    assert watched.version() == "12"


def test_one_that_goes_before_it_is_cleared_is_told_to_be_gone(watched: Watched) -> None:
    watched.take(raw(5, "192.0.2.1", pool="main"))
    watched.drop(raw(8, "192.0.2.1", pool="main"))
    watched.mirror.note_left(WEB.name, raw(8, kind="ClusterIP", pool="main"))
    watched.mirror.note_left(WEB.name, None)
    assert watched.version() == ""


def test_after_a_restored_store_lower_versions_are_newer(watched: Watched) -> None:
    watched.take(raw(100, "192.0.2.1"))
    watched.mirror.restored(Kind.SERVICE)
    watched.take(raw(40))
    watched.mirror.listed(Kind.SERVICE, [WEB], "50")
    assert watched.version() == "40"
    watched.mirror.restored(Kind.SERVICE)
    watched.mirror.listed(Kind.SERVICE, [], "30")
    assert watched.version() == ""


CONFIG = ObjectKey(Kind.CONFIG_MAP, Name("metallb-system", "config"))
POOLS = "address-pools: [{name: default, protocol: layer2, %s: [192.0.2.0/24]}]"


def config(version: int, text: str) -> bytes:
    metadata = {"name": "config", "namespace": "metallb-system", "resourceVersion": str(version), "uid": "u1"}
    return json.dumps({"metadata": metadata, "data": {"config": text}}).encode()


def test_an_old_config_map_that_is_broken_at_the_start_is_a_problem_until_its_pools_are_told() -> None:
    seen, mirror = Recorder(), Mirror(Codec("metallb-system"), [Kind.CONFIG_MAP], controller=True)
    mirror.open(seen)
    mirror.take(Kind.CONFIG_MAP, config(1, POOLS % "adresses"))
    mirror.listed(Kind.CONFIG_MAP, [CONFIG], "1")
    assert (CONFIG in seen.objects, seen.serious) == (False, {"ConfigMap metallb-system/config"})
    mirror.take(Kind.CONFIG_MAP, config(2, POOLS % "addresses"))
    told, withdrawn = seen.changes[-2:]
    assert (type(told), withdrawn) == (Upserted, Rejected("ConfigMap metallb-system/config", ""))


def test_an_old_config_map_that_is_removed_is_gone_before_its_problem_is() -> None:
    seen, mirror = Recorder(), Mirror(Codec("metallb-system"), [Kind.CONFIG_MAP], controller=True)
    mirror.open(seen)
    mirror.take(Kind.CONFIG_MAP, config(1, POOLS % "addresses"))
    mirror.take(Kind.CONFIG_MAP, config(2, POOLS % "adresses"))
    mirror.drop(Kind.CONFIG_MAP, config(3, POOLS % "adresses"))
    assert seen.changes[-2:] == [Deleted(CONFIG), Rejected("ConfigMap metallb-system/config", "")]
