"""What the API server says to MetalLB's resources by the schemas and rules in ``deploy/crds``.

What it must take is what MetalLB takes; what it refuses, it refuses in MetalLB's words where MetalLB has some. What
spans objects (overlapping pools, unknown profiles) cannot be said there and is the controller's to report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.kubernetes.installation import DEPLOY, NAMESPACE, Asker, load, metallb
from tests.kubernetes.wordings import BASE, BGP, PEER, POOL, REFUSED, TAKEN

from metalev.lab.kubernetes.controlplane import ControlPlane


@pytest.fixture(scope="module")
def admin(installed: ControlPlane) -> Asker:
    return Asker(installed.kubeconfig())


def manifest(kind: str, spec: str, name: str = "it") -> dict[str, Any]:
    """An object of the kind with this spec, on top of what the kind needs at least."""
    version = "v1beta2" if kind == PEER else "v1beta1"
    fields = yaml.safe_load(f"{{{BASE.get(kind, '')}}}") | yaml.safe_load(f"{{{spec}}}")
    return metallb(version, kind, name, "") | {"spec": fields}


@pytest.mark.parametrize(("kind", "spec"), TAKEN, ids=[f"{kind}: {spec[:60]}" for kind, spec in TAKEN])
def test_what_metallb_takes_is_taken(admin: Asker, kind: str, spec: str) -> None:
    assert admin.would_create(manifest(kind, spec)) == ""


@pytest.mark.parametrize(("kind", "spec", "said"), REFUSED, ids=[f"{kind}: {spec[:60]}" for kind, spec, _ in REFUSED])
def test_what_is_wrong_is_refused_in_metallbs_words(admin: Asker, kind: str, spec: str, said: str) -> None:
    assert said in admin.would_create(manifest(kind, spec))


def test_a_pool_may_have_many_ranges(admin: Asker) -> None:
    ranges = [f"10.{n // 256}.{n % 256}.10-10.{n // 256}.{n % 256}.250" for n in range(2048)]
    assert admin.would_create(metallb("v1beta1", POOL, "large", "") | {"spec": {"addresses": ranges}}) == ""


@pytest.fixture
def stored(admin: Asker) -> Iterator[Any]:
    """Stores objects for the time of a test."""
    made: list[dict[str, Any]] = []

    def store(manifest: dict[str, Any]) -> dict[str, Any]:
        assert admin.create(manifest) == ""
        made.append(manifest)
        return manifest

    yield store
    for one in made:
        assert admin.delete(one) == ""


def test_defaults_are_metallbs(installed: ControlPlane, stored: Any) -> None:
    for kind, spec in ((POOL, "addresses: [10.0.0.0/24]"), (BGP, ""), (PEER, "")):
        stored(manifest(kind, spec, "defaults"))
    get = (
        "get",
        "-n",
        NAMESPACE,
        "ipaddresspool/defaults",
        "bgpadvertisement/defaults",
        "bgppeer/defaults",
        "-o",
        "json",
    )
    pool, advertisement, peer = (item["spec"] for item in json.loads(installed.kubectl(*get))["items"])
    assert (pool["autoAssign"], pool["avoidBuggyIPs"]) == (True, False)
    assert (advertisement["aggregationLength"], advertisement["aggregationLengthV6"]) == (32, 128)
    assert (peer["peerPort"], peer["disableMP"], peer["dualStackAddressFamily"]) == (179, False, False)


def test_graceful_restart_cannot_be_changed(admin: Asker, stored: Any) -> None:
    peer = stored(manifest(PEER, "enableGracefulRestart: true", "restarts"))
    said = admin.patch(peer, {"spec": {"enableGracefulRestart": False}})
    assert "EnableGracefulRestart cannot be changed after creation" in said


@pytest.mark.parametrize("kind", ["ServiceL2Status", "ServiceBGPStatus"])
def test_whose_status_it_is_cannot_be_changed(admin: Asker, stored: Any, kind: str) -> None:
    one = stored(metallb("v1beta1", kind, "l2-x", ""))
    status = {"node": "a", "serviceName": "web", "serviceNamespace": "default"}
    assert admin.patch(one, {"status": status}, "status") == ""
    for field in status:
        assert "Value is immutable" in admin.patch(one, {"status": {field: "b"}}, "status")


def test_a_peer_that_was_written_as_v1beta1_is_read_as_v1beta2_and_back(installed: ControlPlane, stored: Any) -> None:
    spec = f"spec: {{{BASE[PEER]}, holdTime: 90s, nodeSelectors: [{{matchLabels: {{rack: a}}}}], bfdProfile: fast}}"
    stored(metallb("v1beta1", PEER, "old", spec))
    stored(manifest(PEER, "vrf: red, connectTime: 10s", "new"))
    read = {}
    for version in ("v1beta1", "v1beta2"):
        text = installed.kubectl("get", "-n", NAMESPACE, f"bgppeers.{version}.metallb.io", "-o", "json")
        read[version] = {item["metadata"]["name"]: item["spec"] for item in json.loads(text)["items"]}
    assert read["v1beta1"] == read["v1beta2"]
    assert read["v1beta2"]["old"]["nodeSelectors"] == [{"matchLabels": {"rack": "a"}}]
    assert read["v1beta1"]["new"]["vrf"] == "red"


def test_whoever_uses_v1beta1_of_a_peer_is_warned(installed: ControlPlane) -> None:
    peer = metallb("v1beta1", PEER, "old", f"spec: {{{BASE[PEER]}}}")
    done = installed.try_kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(peer))
    assert "v1beta1 is deprecated, please use v1beta2" in done.stderr


@pytest.mark.parametrize(
    ("plural", "columns"),
    [
        ("ipaddresspools", ["NAME", "AUTO ASSIGN", "AVOID BUGGY IPS", "ADDRESSES"]),
        ("l2advertisements", ["NAME", "IPADDRESSPOOLS", "IPADDRESSPOOL SELECTORS", "INTERFACES", "NODE SELECTORS"]),
        ("bgpadvertisements", ["NAME", "IPADDRESSPOOLS", "IPADDRESSPOOL SELECTORS", "PEERS", "NODE SELECTORS"]),
        ("bgppeers", ["NAME", "ADDRESS", "ASN", "BFD PROFILE", "MULTI HOPS"]),
        ("bfdprofiles", ["NAME", "PASSIVE MODE", "TRANSMIT INTERVAL", "RECEIVE INTERVAL", "MULTIPLIER"]),
        ("communities", ["NAME", "AGE"]),
        ("servicel2statuses", ["NAME", "ALLOCATED NODE", "SERVICE NAME", "SERVICE NAMESPACE"]),
        ("servicebgpstatuses", ["NAME", "NODE", "SERVICE NAME", "SERVICE NAMESPACE"]),
        ("configurationstates", ["NAME", "RESULT", "ERRORSUMMARY", "AGE"]),
        ("speakerstates", ["NAME", "HEARS", "INTERFACES", "PROBLEMS", "AGE"]),
        ("drills", ["NAME", "ADDRESS", "MODE", "NODES", "SECONDS", "AGE"]),
    ],
)
def test_kubectl_get_shows_these_columns(installed: ControlPlane, plural: str, columns: list[str]) -> None:
    group = "metalev.io" if plural in {"speakerstates", "drills"} else "metallb.io"
    definition = load(DEPLOY / "crds" / f"{group}_{plural}.yaml")
    storage = next(version for version in definition["spec"]["versions"] if version["storage"])
    named = [column["name"].upper() for column in storage.get("additionalPrinterColumns", [{"name": "age"}])]
    assert ["NAME", *named] == columns
    said = installed.try_kubectl("get", "-n", NAMESPACE, f"{plural}.{group}")
    assert said.returncode == 0, said.stderr


def test_a_pools_status_takes_what_the_controller_writes(installed: ControlPlane, admin: Asker, stored: Any) -> None:
    pool = stored(manifest(POOL, "addresses: [10.0.0.0/24]", "counted"))
    resting = [{"address": "10.0.0.7", "service": "default/web", "until": "2026-01-01T00:00:00Z"}]
    status = {
        "assignedIPv4": 1,
        "assignedIPv6": 0,
        "availableIPv4": 255,
        "availableIPv6": 2**63 - 1,
        "resting": resting,
    }
    assert admin.patch(pool, {"status": status}, "status") == ""
    read = json.loads(installed.kubectl("get", "-n", NAMESPACE, "ipaddresspool", "counted", "-o", "json"))
    assert read["status"] == status


def test_a_speakers_state_takes_what_a_speaker_writes(installed: ControlPlane, admin: Asker, stored: Any) -> None:
    state = stored({"apiVersion": "metalev.io/v1alpha1", "kind": "SpeakerState", "metadata": {"name": "node1"}})
    held = {
        "group": "10.0.0.1",
        "addresses": ["10.0.0.1"],
        "services": ["default/web"],
        "term": 7,
        "cause": "vacant",
        "interfaces": ["eth0"],
    }
    status = {
        "holdings": [held],
        "conflicts": [{"address": "10.0.0.1", "mac": "02:00:00:00:00:01", "interface": "eth0"}],
        "peersHeard": ["node2"],
        "interfaces": ["eth0"],
        "problems": ["10.0.0.2: no interface"],
        "localAddresses": ["10.0.0.200"],
        "gateways": ["10.0.0.254"],
        "patience": [{"node": "node2", "seconds": 0.75, "cause": "late-beacons"}],
    }
    assert admin.patch(state, {"status": status | {"else": 1}}, "status") == ""
    assert json.loads(installed.kubectl("get", "speakerstate", "node1", "-o", "json"))["status"] == status


def test_a_configuration_state_takes_what_metallb_and_metalev_write(admin: Asker, stored: Any) -> None:
    state = stored(metallb("v1beta1", "ConfigurationState", "controller", ""))
    condition = {
        "type": "poolReconcilerValid",
        "status": "False",
        "reason": "ConfigurationError",
        "message": "overlap",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {"result": "Invalid", "errorSummary": "overlap", "conditions": [condition]}
    assert admin.patch(state, {"status": status}, "status") == ""
    assert "Unsupported value" in admin.patch(state, {"status": {"result": "Maybe"}}, "status")


def selectors(schema: Any) -> Iterator[Any]:
    """Every schema of a label selector in a schema, without what it is for."""
    if isinstance(schema, dict):
        if "matchExpressions" in schema.get("properties", {}):
            yield {key: value for key, value in schema.items() if key != "description"}
        for inner in schema.values():
            yield from selectors(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from selectors(inner)


def test_a_label_selector_is_the_same_everywhere() -> None:
    found = [one for path in (DEPLOY / "crds").iterdir() for one in selectors(load(path))]
    assert len(found) > 10
    assert all(one == found[0] for one in found)


def test_every_field_is_described() -> None:
    def bare(schema: dict[str, Any], path: str) -> Iterator[str]:
        for name, inner in schema.get("properties", {}).items():
            if "description" not in inner and (path, name) != ("", "metadata"):
                yield f"{path}.{name}"
            yield from bare(inner, f"{path}.{name}")
        if "items" in schema:
            yield from bare(schema["items"], path)

    for path in (DEPLOY / "crds").iterdir():
        for version in load(path)["spec"]["versions"]:
            assert list(bare(version["schema"]["openAPIV3Schema"], "")) == [], path.name
