"""What the speaker tells of what its engine does."""

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.fakes.cluster import FakeCluster
from tests.unit.speaker.scene import KEY, NAMESPACE, Speaker, able, service, took, unable, web

from metalev.model.meta import Name
from metalev.model.ownership import Fact, FactKind
from metalev.model.pools import L2Advertisement
from metalev.model.snapshot import Noticed


def test_a_takeover_is_published_and_told_to_the_service() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    assert speaker.holdings() == ["192.0.2.1"]
    assert speaker.assigned() == [("shop/web", 'announcing from node "node1" with protocol "layer2"')]


def test_a_takeover_is_told_once() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(took("192.0.2.1"))
    speaker.put(replace(service("web", "192.0.2.1"), labels={"a": "b"}))
    speaker.settle(within=60)
    assert len(speaker.assigned()) == 1


LACKING = (
    """the interfaces specified by LB IP "192.0.2.1" doesn't exist in assigned node "node1" with protocol "layer2\""""
)


def on_interfaces(*names: str) -> FakeCluster:
    cluster = web()
    cluster.put(L2Advertisement(Name(NAMESPACE, "all"), interfaces=names))
    return cluster


def test_a_service_is_told_that_the_node_lacks_the_interfaces_of_its_advertisement() -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.notice(unable("192.0.2.1"))
    assert speaker.assigned() == [("shop/web", LACKING)]
    assert [event.reason for event in speaker.cluster.events] == ["announceFailed"]


def test_missing_interfaces_are_told_once_until_they_were_there() -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.notice(unable("192.0.2.1"))
    speaker.put(replace(service("web", "192.0.2.1"), labels={"a": "b"}))
    speaker.notice(unable("192.0.2.1"))
    assert len(speaker.assigned()) == 1
    speaker.notice(able("192.0.2.1"))
    speaker.notice(unable("192.0.2.1"))
    assert len(speaker.assigned()) == 2


@pytest.mark.parametrize("cause", ["own-address", "gateway", "off-link"])
def test_another_reason_not_to_announce_is_no_missing_interface(cause: str) -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.notice(unable("192.0.2.1", cause))
    assert speaker.assigned() == []


def test_a_link_that_is_down_is_no_missing_interface() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(unable("192.0.2.1"))
    assert speaker.assigned() == []


def test_missing_interfaces_are_told_when_the_cluster_answers_again() -> None:
    speaker = Speaker(on_interfaces("lan7"), KEY)
    speaker.cluster.unavailable = "connection refused"
    speaker.notice(unable("192.0.2.1"))
    speaker.cluster.unavailable = ""
    speaker.settle(within=60)
    assert speaker.assigned() == [("shop/web", LACKING)]


KERNEL = Fact(FactKind.OWN_KERNEL, 1.0, "frame", "a kernel answers", addresses=(ip_address("192.0.2.1"),), peer="node2")
KERNEL_OVER = replace(KERNEL, kind=FactKind.OWN_KERNEL_OVER, message="it answers no longer")


def trouble_of(speaker: Speaker) -> list[str]:
    return sorted(
        f"{one.regarding.name.name} {one.reason}" for one in speaker.cluster.events if "a kernel answers" in one.message
    )


def test_a_kernel_that_answers_is_told_once_and_so_is_its_end_and_again_when_it_begins_anew() -> None:
    speaker = Speaker(web(), KEY)
    begun, ended = ["node2 KernelAnswers", "web KernelAnswers"], ["node2 KernelAnswersOver", "web KernelAnswersOver"]
    speaker.notice(Noticed(KERNEL))
    speaker.notice(Noticed(replace(KERNEL, at=20.0)))
    assert trouble_of(speaker) == begun
    speaker.notice(Noticed(KERNEL_OVER))
    speaker.settle(within=60)
    assert trouble_of(speaker) == sorted([*begun, *ended])
    speaker.notice(Noticed(KERNEL))
    speaker.settle(within=60)
    assert trouble_of(speaker) == sorted([*begun, *begun, *ended])


def test_an_end_that_could_not_be_told_is_told_later() -> None:
    speaker = Speaker(web(), KEY)
    speaker.notice(Noticed(KERNEL))
    speaker.settle(within=60)
    speaker.cluster.unavailable = "connection refused"
    speaker.notice(Noticed(KERNEL_OVER))
    speaker.settle(within=1)
    speaker.cluster.unavailable = ""
    speaker.settle(within=120)
    assert len([one for one in trouble_of(speaker) if one.endswith("Over")]) == 2
