"""Manifests that cannot be used, in front of the real controller: each is named, and nothing else suffers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.programs.program import Program, until_stale
from tests.programs.test_controller import API, ingress

POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: {name}, namespace: metallb-system}}
spec:
  addresses:
  - {addresses}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: bad, namespace: default}}
spec:
  type: {type}
  ports: {ports}
"""

# What is written to wrong.yaml, and what is said of it: by line, object, field, and what is right.
MISTAKES = {
    "no YAML": ('kind: "Service\n', r"wrong\.yaml:2: cannot be read as YAML: "),
    "no object": ("- 7\n", r"wrong\.yaml:1: expected a mapping, got a list"),
    "a wrong type": (
        SERVICE.format(type="LoadBalancer", ports="[{port: http}]"),
        r"wrong\.yaml:6: Service default/bad: spec\.ports\[0\]\.port: expected a whole number, got a string",
    ),
    "an unknown word": (
        SERVICE.format(type="Loadbalancer", ports="[{port: 80}]"),
        r"wrong\.yaml:5: Service default/bad: spec\.type: invalid enum value 'Loadbalancer': write ClusterIP or ",
    ),
    "a missing field": ("apiVersion: v1\nkind: Service\n", r"wrong\.yaml:1: metadata: is missing"),
    "a range that ends before it starts": (
        POOL.format(name="bad", addresses="10.9.0.9-10.9.0.1"),
        r"wrong\.yaml:6: IPAddressPool metallb-system/bad: spec\.addresses\[0\]: invalid IP range .* is after the end",
    ),
    "an address that is none": (
        POOL.format(name="bad", addresses="10.9.0.300/32"),
        r"wrong\.yaml:6: IPAddressPool metallb-system/bad: spec\.addresses\[0\]: invalid CIDR .*: write a network",
    ),
    "ranges that overlap": (
        POOL.format(name="zzz", addresses="192.0.2.201/32"),
        r'wrong\.yaml:6: IPAddressPool metallb-system/zzz: spec\.addresses\[0\]: .* in pool "zzz" overlaps with ',
    ),
    "a name given twice": (
        POOL.format(name="main", addresses="10.9.0.0/24"),
        r"wrong\.yaml:1: IPAddressPool metallb-system/main is given by world\.yaml:1 already: remove one of the two",
    ),
    "a pool outside of its namespace": (
        POOL.format(name="bad", addresses="10.9.0.0/24").replace("metallb-system", "default"),
        r"wrong\.yaml:1: IPAddressPool default/bad: resource must be created in metallb-system namespace",
    ),
    "a Node's address that is none": (
        "apiVersion: v1\nkind: Node\nmetadata: {name: n9}\nstatus: {addresses: [{type: InternalIP, address: here}]}\n",
        r'wrong\.yaml:4: Node n9: status\.addresses\[0\]\.address: "here" is no IP address',
    ),
}


@pytest.fixture
def controller(manifests: Path) -> Iterator[Program]:
    options = ("--metrics-address", "127.0.0.1:0", "--log-level", "debug")
    with Program("controller", "--manifests", manifests, *options) as program:
        yield program


@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_is_named_everything_else_goes_on_and_mending_it_is_noticed(
    controller: Program, manifests: Path, mistake: str
) -> None:
    text, complaint = MISTAKES[mistake]
    port = controller.metrics_port()
    controller.wait_for("default/web: Assigned IP")
    wrong = manifests / "wrong.yaml"
    wrong.write_text(text)
    controller.wait_for(complaint)
    until_stale(port, expected=True)
    (manifests / "api.yaml").write_text(API)
    controller.wait_for(r"default/api: Assigned IP")
    assert ingress(manifests, "web") == [{"ip": "192.0.2.200"}]
    wrong.unlink()
    controller.wait_for("nothing is wrong there any more")
    until_stale(port, expected=False)


def test_the_last_good_pool_stays_in_force(controller: Program, manifests: Path) -> None:
    port = controller.metrics_port()
    controller.wait_for("default/web: Assigned IP")
    world = manifests / "world.yaml"
    good = world.read_text()
    world.write_text(good.replace("192.0.2.200-192.0.2.201", "192.0.2.200-192.0.2.2O1"))
    controller.wait_for(r"world\.yaml:4: IPAddressPool metallb-system/main: spec\.addresses\[0\]: invalid IP range")
    until_stale(port, expected=True)
    (manifests / "api.yaml").write_text(API)
    controller.wait_for(r'default/api: Assigned IP \["192\.0\.2\.201"\]')
    world.write_text(good)
    controller.wait_for(r"world\.yaml:4: nothing is wrong there any more")
    until_stale(port, expected=False)


def test_an_object_of_an_unknown_kind_is_named_and_no_mistake(controller: Program, manifests: Path) -> None:
    port = controller.metrics_port()
    controller.wait_for("default/web: Assigned IP")
    (manifests / "gizmo.yaml").write_text("apiVersion: example.com/v1\nkind: Gizmo\nmetadata: {name: g}\n")
    controller.wait_for(r'gizmo\.yaml:1: kind "Gizmo" \(apiVersion example\.com/v1\) is not read by metalev')
    until_stale(port, expected=False)


def test_a_cluster_of_excluded_nodes_is_told_the_label_and_the_option(controller: Program, manifests: Path) -> None:
    controller.wait_for("default/web: Assigned IP")
    label = "node.kubernetes.io/exclude-from-external-load-balancers"
    world = manifests / "world.yaml"
    world.write_text(world.read_text().replace("{name: node1}", f'{{name: node1, labels: {{{label}: ""}}}}'))
    said = controller.wait_for(r'default/web: no node may announce \["192\.0\.2\.200"\]: .*')[0]
    assert "nodeLabeledExcludeBalancers: node1" in said
    assert f"remove the label {label} from a node" in said
    assert "--ignore-exclude-lb" in said
