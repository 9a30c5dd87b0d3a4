"""How long a list or a text in MetalLB's resources may be: as long as with MetalLB, but where a rule has a budget.

The API server works out beforehand what a rule may cost at most, and takes no resource definition whose rules may cost
too much; so what a rule looks at item by item has a limit, as high as that budget lets it be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.kubernetes.installation import DEPLOY, ROOT, Asker, load
from tests.kubernetes.test_crds import manifest
from tests.kubernetes.wordings import BGP, L2, PEER, POOL

from metalev.lab.kubernetes.controlplane import ControlPlane

COMMUNITY = "Community"
KEYWORDS = ("maxItems", "maxLength", "maxProperties")
# MetalLB has these as well, the first in its webhook, the others in its definitions.
METALLBS = {
    (BGP, "spec.communities", 63),
    ("ConfigurationState", "status.conditions[].type", 316),
    ("ConfigurationState", "status.conditions[].reason", 1024),
    ("ConfigurationState", "status.conditions[].message", 32768),
}
# MetalLB refuses a selector whose labels no object can have, and Kubernetes' labels are no longer.
OF_LABELS = (("matchLabels{}", 63), ("matchExpressions[].key", 317), ("matchExpressions[].values[]", 63))
# What is left, and the number as docs/metallb-differences.md has it.
OURS = {
    (POOL, "spec.addresses", 8192): "8,192 ranges",
    (POOL, "spec.addresses[]", 100): "100 characters",
    (POOL, "spec.serviceAllocation.namespaces[]", 63): "63 or 253",
    (L2, "spec.ipAddressPools[]", 253): "63 or 253",
    (BGP, "spec.ipAddressPools[]", 253): "63 or 253",
    (BGP, "spec.peers[]", 253): "63 or 253",
    (BGP, "spec.communities[]", 1024): "1,024 characters",
    (COMMUNITY, "spec.communities", 4096): "4,096 aliases",
    (COMMUNITY, "spec.communities[].name", 1024): "1,024 characters",
    (COMMUNITY, "spec.communities[].value", 64): "64 characters",
}


def limits(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, int]]:
    """Where in a schema something has a limit, and which."""
    yield from ((path, schema[keyword]) for keyword in KEYWORDS if keyword in schema)
    for name, inner in schema.get("properties", {}).items():
        yield from limits(inner, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from limits(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from limits(schema["additionalProperties"], f"{path}{{}}")


def all_limits() -> set[tuple[str, str, int]]:
    """Those of MetalLB's kinds, in every version, but for what labels of Kubernetes cannot exceed."""
    definitions = [load(path)["spec"] for path in (DEPLOY / "crds").glob("metallb.io_*")]
    found = {
        (one["names"]["kind"], path, limit)
        for one in definitions
        for version in one["versions"]
        for path, limit in limits(version["schema"]["openAPIV3Schema"])
    }
    return {one for one in found if not any(one[1].endswith(end) and one[2] == most for end, most in OF_LABELS)}


def test_no_other_limits_are_there_than_metallbs_and_these() -> None:
    assert all_limits() == METALLBS | OURS.keys()


@pytest.mark.parametrize("number", sorted(set(OURS.values())))
def test_the_limits_are_told(number: str) -> None:
    rows = (ROOT / "docs" / "metallb-differences.md").read_text().splitlines()
    (row,) = (row for row in rows if row.startswith("| very long lists in a resource"))
    assert number in row


@pytest.fixture(scope="module")
def admin(installed: ControlPlane) -> Asker:
    return Asker(installed.kubeconfig())


def some(count: int, text: str) -> list[Any]:
    """As many of it, each with another number."""
    return [text.replace("N", str(number)) for number in range(count)]


def selectors(count: int) -> list[Any]:
    """By host name, as one writes them for as many nodes."""
    return [{"matchLabels": {"kubernetes.io/hostname": name}} for name in some(count, "node-N.example")]


RANGES = [f"203.{n // 256}.{n % 256}.101 - 203.{n // 256}.{n % 256}.250" for n in range(8192)]
MANY_VALUES = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": some(5000, "nN")}]}]
MANY_EXPRESSIONS = [{"matchExpressions": [{"key": key, "operator": "Exists"} for key in some(500, "example.com/N")]}]
MANY_LABELS = [{"matchLabels": dict.fromkeys(some(500, "example.com/N"), "true")}]
LONG: list[tuple[str, str, dict[str, Any]]] = [
    ("8192 ranges", POOL, {"addresses": RANGES}),
    ("3000 namespaces", POOL, {"serviceAllocation": {"namespaces": some(3000, "tenant-N")}}),
    ("3000 selectors of namespaces", POOL, {"serviceAllocation": {"namespaceSelectors": selectors(3000)}}),
    ("3000 selectors of Services", POOL, {"serviceAllocation": {"serviceSelectors": selectors(3000)}}),
    ("5000 pools", L2, {"ipAddressPools": some(5000, "pool-N")}),
    *(
        (f"3000 {field}", kind, {field: selectors(3000)})
        for kind in (L2, BGP)
        for field in ("nodeSelectors", "serviceSelectors", "ipAddressPoolSelectors")
    ),
    (
        "3000 preferences",
        L2,
        {"preferredNodeSelectors": [{"weight": 1, "preference": one} for one in selectors(3000)]},
    ),
    ("5000 values", L2, {"nodeSelectors": MANY_VALUES}),
    ("500 expressions", L2, {"nodeSelectors": MANY_EXPRESSIONS}),
    ("500 labels", L2, {"nodeSelectors": MANY_LABELS}),
    ("5000 peers", BGP, {"peers": some(5000, "peer-N")}),
    ("63 communities", BGP, {"communities": some(63, "N:1")}),
    ("3000 nodes of a peer", PEER, {"nodeSelectors": selectors(3000)}),
    ("a long password", PEER, {"password": "p" * 10000, "bfdProfile": "b" * 10000, "vrf": "v" * 10000}),
    ("4096 aliases", COMMUNITY, {"communities": [{"name": f"alias-{n}", "value": f"{n}:1"} for n in range(4096)]}),
]


@pytest.mark.parametrize(("kind", "spec"), [one[1:] for one in LONG], ids=[f"{one[1]}: {one[0]}" for one in LONG])
def test_it_may_be_as_long_as_this(admin: Asker, kind: str, spec: dict[str, Any]) -> None:
    one = manifest(kind, "addresses: [10.0.0.0/24]" if kind == POOL else "")
    assert admin.would_create(one | {"spec": one["spec"] | spec}) == ""


@pytest.mark.parametrize("most", [8192])
def test_a_pool_of_more_ranges_is_refused_in_words(admin: Asker, most: int) -> None:
    said = admin.would_create(manifest(POOL, "") | {"spec": {"addresses": [*RANGES[:most], "198.51.100.0/24"]}})
    assert f"must have at most {most} items" in said


TWICE = [
    (L2, "ipAddressPools", some(32, "pool-N")),
    (L2, "nodeSelectors", selectors(32)),
    (BGP, "peers", some(32, "peer-N")),
    (PEER, "nodeSelectors", selectors(32)),
]


@pytest.mark.parametrize(("kind", "field", "most"), TWICE, ids=[f"{kind}.{field}" for kind, field, _ in TWICE])
def test_what_is_twice_in_a_list_is_refused_in_one_of_32_and_taken_in_a_longer_one(
    admin: Asker, kind: str, field: str, most: list[Any]
) -> None:
    def said(items: list[Any]) -> str:
        one = manifest(kind, "")
        return admin.would_create(one | {"spec": one["spec"] | {field: items}})

    assert said(most) == ""
    assert f"duplicate definition of {field}" in said([*most[:-1], most[-2]])
    assert f"duplicate definition of {field}" in said([*most[:-1], most[0]])
    assert said([*most, most[0]]) == ""
