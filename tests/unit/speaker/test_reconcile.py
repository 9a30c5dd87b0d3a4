"""The speaker over a cluster and an engine in memory, in virtual time: its table, its keys, its nodes."""

import pytest
from tests.unit.speaker.scene import (
    KEY,
    NAMESPACE,
    OTHER_KEY,
    Speaker,
    endpoints,
    node,
    secret,
    service,
    took,
    web,
    world,
)

from metalev.model.cluster import BEACON_SECRET
from metalev.model.errors import StartError
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.snapshot import KeysRead


def test_the_engine_gets_peers_keys_and_groups_in_one_table() -> None:
    [table] = Speaker(web(), KEY).engine.tables
    assert [peer.node for peer in table.peers] == ["node2"]
    assert table.keys == (KEY,)
    assert [str(group.key) for group in table.groups] == ["192.0.2.1"]


def test_the_table_is_set_once_while_nothing_changes() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.relist()
    speaker.put(node("node1"))
    speaker.notice(took("192.0.2.1"))
    assert len(speaker.engine.tables) == 1


def test_a_change_sets_the_whole_table_anew() -> None:
    speaker = Speaker(web(), KEY)
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert [str(group.key) for group in speaker.engine.tables[-1].groups] == ["192.0.2.1", "192.0.2.2"]


def test_a_service_that_is_gone_leaves_the_table() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.remove(ObjectKey(Kind.SERVICE, Name("shop", "web")))
    speaker.settle()
    assert speaker.engine.tables[-1].groups == ()


def test_the_reason_of_a_new_table_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    speaker = Speaker(web(), KEY)
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert "new table for the engine: added 192.0.2.2" in caplog.text


def test_without_a_key_there_is_no_table_and_the_speaker_is_not_ready() -> None:
    speaker = Speaker(web())
    assert speaker.engine.tables == []
    assert "create the Secret metallb-system/metalev-beacon" in speaker.reconciler.not_ready()


def test_other_keys_of_the_file_make_a_new_table() -> None:
    speaker = Speaker(web(), KEY)
    speaker.loop.inbox.put(KeysRead((OTHER_KEY, KEY)))
    speaker.settle()
    assert [table.keys for table in speaker.engine.tables] == [(KEY,), (OTHER_KEY, KEY)]


def test_the_keys_of_a_secret_win_over_those_that_a_file_has_later() -> None:
    speaker = Speaker(web())
    speaker.put(secret(KEY))
    speaker.loop.inbox.put(KeysRead((OTHER_KEY,)))
    speaker.settle()
    assert speaker.engine.tables[-1].keys == (KEY,)


def test_a_secret_that_is_gone_and_comes_again_is_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    speaker = Speaker(web())
    speaker.put(secret(KEY))
    speaker.cluster.remove(ObjectKey(Kind.SECRET, Name(NAMESPACE, BEACON_SECRET)))
    speaker.settle()
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    speaker.put(secret(KEY))
    assert {table.keys for table in speaker.engine.tables} == {(KEY,)}
    assert caplog.text.count("has no key any more; the last one stays in force") == 1
    assert caplog.text.count(f"over: the Secret {NAMESPACE}/{BEACON_SECRET} has a key again") == 1


def test_a_missing_key_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    speaker = Speaker(web())
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert len([record for record in caplog.records if "no key to sign beacons with" in record.message]) == 1


def test_a_key_that_comes_later_starts_the_announcing() -> None:
    speaker = Speaker(web())
    speaker.put(secret(KEY))
    assert speaker.engine.tables[0].keys == (KEY,)
    assert speaker.reconciler.not_ready() == ""


def test_the_secret_counts_for_more_than_the_key_file() -> None:
    assert Speaker(world(secret(OTHER_KEY)), KEY).engine.tables[0].keys == (OTHER_KEY,)


def test_a_secret_that_is_removed_leaves_its_last_key_in_force() -> None:
    speaker = Speaker(world(secret(KEY), service("web", "192.0.2.1"), endpoints("web")))
    speaker.cluster.remove(ObjectKey(Kind.SECRET, Name(NAMESPACE, BEACON_SECRET)))
    speaker.put(service("api", "192.0.2.2"), endpoints("api"))
    assert len(speaker.engine.tables[-1].groups) == 2
    assert speaker.engine.tables[-1].keys == (KEY,)


def test_a_node_that_the_cluster_does_not_have_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(StartError, match=r"^no Node is named node9; there are: node1, node2\."):
        Speaker(web().beside("node9"), KEY, named="node9")


def test_a_node_that_vanishes_later_ends_nothing() -> None:
    speaker = Speaker(web(), KEY)
    speaker.cluster.remove(ObjectKey(Kind.NODE, Name("", "node1")))
    speaker.settle()
    assert [candidate.node for candidate in speaker.engine.tables[-1].groups[0].candidates] == ["node2"]
