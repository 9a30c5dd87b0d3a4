"""What metalev writes reads back as what it meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml

from metalev.adapters.codec import BadField, Codec, encode
from metalev.model.actions import Configuration, Conflict, Event, EventType, Holding, Patience, SpeakerState
from metalev.model.meta import Kind, Name, ObjectKey
from metalev.model.pools import PoolStatus, Resting
from metalev.model.services import Condition, ConditionStatus, Service, ServiceStatus

CRD = Path(__file__).parents[3] / "deploy/crds/metallb.io_configurationstates.yaml"
CODEC = Codec("metallb-system")
WEB = Name("shop", "web")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def status(reason: str = "Assigned", message: str = "") -> ServiceStatus:
    condition = Condition("metalev.io/AddressAssigned", ConditionStatus.TRUE, reason, message)
    return ServiceStatus((ip_address("192.0.2.1"), ip_address("2001:db8::1")), "first", (condition,))


def transition_time(document: encode.Encoded) -> object:
    return document["status"]["conditions"][0]["lastTransitionTime"]


def test_service_status_reads_back() -> None:
    document = encode.service_status(WEB, status(message="Grüße"), NOON)
    assert CODEC.decode_service_status(document) == (WEB, status(message="Grüße"))


def test_empty_service_status_reads_back() -> None:
    document = encode.service_status(WEB, ServiceStatus(), NOON)
    assert CODEC.decode_service_status(document) == (WEB, ServiceStatus())


def test_condition_that_only_changed_its_message_keeps_its_transition_time() -> None:
    before = encode.service_status(WEB, status(message="a"), NOON)
    after = encode.service_status(WEB, status(message="b"), LATER, before)
    assert transition_time(after) == "2026-01-02T12:00:00Z"


def test_condition_with_another_reason_gets_a_new_transition_time() -> None:
    before = encode.service_status(WEB, status("Assigned"), NOON)
    after = encode.service_status(WEB, status("Moved"), LATER, before)
    assert transition_time(after) == "2026-01-02T13:00:00Z"


def test_the_pools_name_is_written_in_the_newer_spelling_and_the_older_one_is_removed() -> None:
    assert encode.service_status(WEB, status(), NOON)["metadata"]["annotations"] == {
        "metallb.io/ip-allocated-from-pool": "first"
    }
    patch = encode.service_patch(Service(WEB, status=ServiceStatus(pool="older")), status(), NOON)
    assert patch["metadata"]["annotations"] == {
        "metallb.io/ip-allocated-from-pool": "first",
        "metallb.universe.tf/ip-allocated-from-pool": None,
    }


def test_the_address_and_the_name_of_its_pool_are_written_in_one_update() -> None:
    patch = encode.service_patch(Service(WEB, version="7"), status(), NOON)
    assert patch["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]
    assert patch["metadata"]["annotations"]["metallb.io/ip-allocated-from-pool"] == "first"
    assert patch["metadata"]["resourceVersion"] == "7"


def test_time_is_written_in_utc() -> None:
    assert encode.timestamp(datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-02T10:00:00Z"


def test_pool_status_has_metallbs_fields() -> None:
    document = encode.pool_status(Name("metallb-system", "first"), PoolStatus(1, 2, 3, 4))
    assert document["status"] == {"assignedIPv4": 1, "assignedIPv6": 2, "availableIPv4": 3, "availableIPv6": 4}


def test_pool_status_reads_back_with_what_rests() -> None:
    name = Name("metallb-system", "first")
    resting = (Resting(ip_address("192.0.2.1"), WEB, 1767355200), Resting(ip_address("2001:db8::1"), WEB, 1767355201))
    document = encode.pool_status(name, PoolStatus(1, 2, 3, 4, resting))
    first = {"address": "192.0.2.1", "service": "shop/web", "until": "2026-01-02T12:00:00Z"}
    assert document["status"]["resting"][0] == first
    assert CODEC.decode_pool_status(document) == (name, PoolStatus(1, 2, 3, 4, resting))


def test_resting_address_that_is_none_is_named() -> None:
    document = encode.pool_status(Name("metallb-system", "first"), PoolStatus())
    document["status"]["resting"] = [{"address": "x", "service": "shop/web", "until": "2026-01-02T12:00:00Z"}]
    with pytest.raises(BadField, match=r'status\.resting\[0\]\.address: "x" is no IP address'):
        CODEC.decode_pool_status(document)


def test_speaker_state_reads_back() -> None:
    state = SpeakerState(
        Name("", "node1"),
        holdings=(Holding("192.0.2.1", ("192.0.2.1",), ("shop/web",), 2, "first-candidate"),),
        peers_heard=("node2",),
        interfaces=("eth0",),
        problems=("no carrier on eth1",),
        conflicts=(Conflict("192.0.2.7", "02:00:00:00:09:09", "eth0", "probe", 1_767_355_200),),
        clean=("192.0.2.8",),
        patience=(Patience("node2", 0.75, "late-beacons"),),
    )
    assert CODEC.decode(encode.speaker_state(state)) == state


def test_more_mistakes_than_a_condition_can_hold_are_counted() -> None:
    problems = tuple(f"Service shop/web{number}: {'x' * 100}" for number in range(1000))
    said = encode.configuration("controller", Configuration(problems), NOON)["status"]
    message = said["conditions"][0]["message"]
    assert said["errorSummary"] == message
    assert len(message) <= longest_message()
    first, *others, last = message.splitlines()
    assert first == problems[0]
    assert others == list(problems[1 : len(others) + 1])
    assert last == f"... and {len(problems) - len(others) - 1} more"


def test_a_mistake_longer_than_a_condition_can_hold_is_cut() -> None:
    said = encode.configuration("controller", Configuration(("x" * 50_000, "y")), NOON)["status"]
    assert len(said["errorSummary"]) <= longest_message()
    assert said["errorSummary"].endswith("x\n... and 1 more")


def longest_message() -> int:
    """What the CRD lets a ConfigurationState's condition hold."""
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    longest: int = status["conditions"]["items"]["properties"]["message"]["maxLength"]
    return longest


def test_event_names_its_object_and_its_source() -> None:
    event = Event(ObjectKey(Kind.SERVICE, WEB), EventType.NORMAL, "IPAllocated", "Assigned", "metallb-controller")
    document = encode.event(event, "web.1", 2, "a", "b")
    assert document["involvedObject"] == {"apiVersion": "v1", "kind": "Service", "namespace": "shop", "name": "web"}
    assert document["source"] == {"component": "metallb-controller"}
    assert (document["count"], document["firstTimestamp"], document["lastTimestamp"]) == (2, "a", "b")


def test_event_on_an_object_without_a_namespace_is_in_default() -> None:
    event = Event(ObjectKey(Kind.NODE, Name("", "node1")), EventType.WARNING, "r", "m", "metallb-speaker")
    assert encode.event(event, "node1.1", 1, "a", "a")["metadata"] == {"namespace": "default", "name": "node1.1"}
