"""What MetalLB's versions stored, of every kind and version, once metalev's resource definitions replaced MetalLB's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.kubernetes.installation import NAMESPACE, Asker, install
from tests.kubernetes.stored import LEFT_OVER, OBJECTS, ODD, OLD_PEER, PEER, PLURALS, definition, in_etcd, path

from metalev.lab.kubernetes.controlplane import ControlPlane


@pytest.fixture(scope="module")
def replaced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster that had MetalLB since BGPPeer was v1beta1, after ``kubectl apply -k deploy``."""
    with ControlPlane(tmp_path_factory.mktemp("stored")) as plane:
        plane.kubectl("create", "namespace", NAMESPACE)
        define(plane, definition(PEER, "v1beta1"), definition("AddressPool", "v1beta1", "v1alpha1"))
        others = [kind for kind in PLURALS if kind not in {PEER, "AddressPool"}]
        define(plane, *(definition(kind, "v1beta1") for kind in others))
        store(plane, OLD_PEER, LEFT_OVER, *(one for one in ODD if one["kind"] == PEER))
        define(plane, definition(PEER, "v1beta1", "v1beta2"))
        store(plane, *OBJECTS, *(one for one in ODD if one["kind"] != PEER))
        # MetalLB's webhook converts them, and is gone with MetalLB.
        define(
            plane,
            definition(PEER, "v1beta1", "v1beta2", webhook=True),
            definition("AddressPool", "v1beta1", "v1alpha1", webhook=True),
        )
        install(plane)
        yield plane


def define(plane: ControlPlane, *definitions: dict[str, Any]) -> None:
    """As ``kubectl apply`` of MetalLB's manifests does it."""
    items = {"apiVersion": "v1", "kind": "List", "items": definitions}
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(items))
    names = [f"crd/{one['metadata']['name']}" for one in definitions]
    plane.kubectl("wait", "--for=condition=Established", "--timeout=90s", *names)


def store(plane: ControlPlane, *objects: dict[str, Any]) -> None:
    """Under MetalLB's definitions, in the version that each is written in."""
    admin = Asker(plane.kubeconfig())
    for one in objects:
        # What is established is served a moment later, and a new version replaces the former a moment later.
        assert admin.until(lambda: in_version(admin.create(one), plane, one)), one  # noqa: B023  (called at once)
        if "status" in one:
            admin.patch(one, {"status": one["status"]}, "status")


def in_version(refusal: str, plane: ControlPlane, one: dict[str, Any]) -> bool:
    """Whether an object was stored, and in its own version."""
    if refusal:
        return False
    if in_etcd(plane, one)["apiVersion"] == one["apiVersion"]:
        return True
    assert Asker(plane.kubeconfig()).delete(one) == ""
    return False


@pytest.fixture(scope="module")
def admin(replaced: ControlPlane) -> Asker:
    return Asker(replaced.kubeconfig())


EVERY = [*OBJECTS, OLD_PEER]
READ = [(one, version) for one in EVERY for version in (["v1beta2", "v1beta1"] if one["kind"] == PEER else ["v1beta1"])]
every_version = pytest.mark.parametrize(
    ("one", "version"), READ, ids=[f"{one['kind']} {one['metadata']['name']} as {version}" for one, version in READ]
)


def content(one: dict[str, Any]) -> dict[str, Any]:
    """What an object says; an empty status says nothing."""
    return {part: one[part] for part in ("spec", "status") if one.get(part)}


def has(found: dict[str, Any], one: dict[str, Any]) -> bool:
    """Whether everything is there that was stored; defaults may have come."""
    return all(found.get(part, {}).items() >= fields.items() for part, fields in content(one).items())


def test_the_old_peer_is_stored_in_its_old_version_still(replaced: ControlPlane) -> None:
    """What the other tests say of it is said of an object whose stored version is not the one that is written now."""
    assert in_etcd(replaced, ODD[0])["apiVersion"] == "metallb.io/v1beta1"
    found = json.loads(replaced.kubectl("get", "crd", "bgppeers.metallb.io", "-o", "json"))
    assert sorted(found["status"]["storedVersions"]) == ["v1beta1", "v1beta2"]
    assert found["spec"]["conversion"] == {"strategy": "None"}


@every_version
def test_it_is_read_as_it_was_stored(admin: Asker, one: dict[str, Any], version: str) -> None:
    found = json.loads(admin.api.get(path(one, version, one["metadata"]["name"])))
    assert found["apiVersion"] == f"metallb.io/{version}"
    assert has(found, one)


@every_version
def test_it_is_listed(admin: Asker, one: dict[str, Any], version: str) -> None:
    items = json.loads(admin.api.get(path(one, version)))["items"]
    (found,) = (item for item in items if item["metadata"]["name"] == one["metadata"]["name"])
    assert has(found, one)


@every_version
def test_it_is_patched_and_loses_nothing(admin: Asker, one: dict[str, Any], version: str) -> None:
    as_version = one | {"apiVersion": f"metallb.io/{version}"}
    assert admin.patch(as_version, {"metadata": {"labels": {"edited-as": version}}}) == ""
    found = json.loads(admin.api.get(path(one, version, one["metadata"]["name"])))
    assert found["metadata"]["labels"] == {"edited-as": version}
    assert has(found, one)


def test_a_peer_that_is_written_again_is_stored_in_the_new_version(replaced: ControlPlane, admin: Asker) -> None:
    assert admin.patch(OLD_PEER, {"metadata": {"annotations": {"written": "again"}}}) == ""
    stored = in_etcd(replaced, OLD_PEER)
    assert stored["apiVersion"] == "metallb.io/v1beta2"
    assert has(stored, OLD_PEER)


CHANGES: dict[str, dict[str, Any]] = {
    "IPAddressPool": {"addresses": ["192.168.1.240-192.168.1.251"]},
    "L2Advertisement": {"interfaces": ["eth1"]},
    "BGPAdvertisement": {"localPref": 200},
    PEER: {"bfdProfile": "slow"},
    "BFDProfile": {"detectMultiplier": 5},
    "Community": {"communities": [{"name": "vpn", "value": "64512:2"}]},
}


@pytest.mark.parametrize(
    "one", [one for one in EVERY if one["kind"] in CHANGES], ids=lambda one: one["metadata"]["name"]
)
def test_its_spec_can_be_changed(admin: Asker, one: dict[str, Any]) -> None:
    change = CHANGES[one["kind"]]
    assert admin.patch(one, {"spec": change}) == ""
    back = {field: one["spec"].get(field) for field in change}
    assert admin.patch(one, {"spec": back}) == ""


@pytest.mark.parametrize("one", ODD, ids=lambda one: one["metadata"]["name"])
def test_what_would_be_refused_today_stays_and_can_be_edited_elsewhere(admin: Asker, one: dict[str, Any]) -> None:
    new = one | {"metadata": {"name": "another", "namespace": NAMESPACE}}
    assert "422" in admin.would_create(new)
    found = json.loads(admin.api.get(path(one, "v1beta1", one["metadata"]["name"])))
    assert has(found, one)
    assert admin.patch(one, {"metadata": {"labels": {"edited": "true"}}}) == ""


def test_the_status_of_a_pool_that_would_be_refused_today_can_be_written(admin: Asker) -> None:
    (pool,) = (one for one in ODD if one["kind"] == "IPAddressPool")
    assert admin.patch(pool, {"status": {"assignedIPv4": 1}}, "status") == ""


def test_metalev_reads_what_metallb_stored(replaced: ControlPlane) -> None:
    """Beside a resource definition of MetalLB 0.13 that nobody converts any more."""
    argv = [sys.executable, "-m", "metalev", "status", "-o", "json", "--kubeconfig", str(replaced.kubeconfig())]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)
    assert said.returncode == 1, said.stderr  # no speaker runs here
    assert [pool["name"] for pool in json.loads(said.stdout)["pools"]] == ["first"]
    assert "odd-pool" in said.stdout  # and why it does not count
