"""Fields of MetalLB's resources that nobody reads: each is named with its place and the nearest that there is."""

from __future__ import annotations

import pytest
from tests.contract.harness import Recorder
from tests.unit.adapters.folder import Folder

POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: first, uid: 7, generation: 2}
spec:
  addresses: [192.0.2.0/24]
"""
ADVERTISEMENT = """\
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: all}
spec:
  ipAddressPools: [first]
"""


def said(folder: Folder, text: str) -> dict[str, str]:
    folder.write("metallb.yaml", text)
    return dict(_opened(folder).problems)


def _opened(folder: Folder) -> Recorder:
    return folder.open()[1]


ALLOCATION = POOL + "  serviceAllocation:\n    priority: 5\n"
FIELDS_OF_ADVERTISEMENT = (
    "interfaces, ipAddressPoolSelectors, ipAddressPools, nodeSelectors, preferredNodeSelectors, serviceSelectors"
)


@pytest.mark.parametrize(
    ("text", "line", "field", "hint"),
    [
        (POOL + "  autoassign: false\n", 6, "spec.autoassign", 'did you mean "autoAssign"?'),
        (POOL + "  avoid-buggy-ips: true\n", 6, "spec.avoid-buggy-ips", 'did you mean "avoidBuggyIPs"?'),
        (ALLOCATION + "    namespace: [a]\n", 8, "spec.serviceAllocation.namespace", 'did you mean "namespaces"?'),
        (
            ALLOCATION + "    serviceSelectors:\n    - matchLabel: {tier: web}\n",
            9,
            "spec.serviceAllocation.serviceSelectors[0].matchLabel",
            'did you mean "matchLabels"?',
        ),
        (POOL + "sepc: {}\n", 6, "sepc", 'did you mean "spec"?'),
        (ADVERTISEMENT + "  colour: red\n", 6, "spec.colour", f"there are {FIELDS_OF_ADVERTISEMENT}"),
    ],
)
def test_an_unknown_field_is_named_with_its_place_and_the_nearest_spelling(
    folder: Folder, text: str, line: int, field: str, hint: str
) -> None:
    about = "IPAddressPool metallb-system/first" if text.startswith(POOL) else "L2Advertisement metallb-system/all"
    message = f"{about}: {field}: unknown field, it has no effect: {hint}"
    assert said(folder, text) == {f"metallb.yaml:{line}": message}


def test_it_is_only_a_note_and_the_rest_of_the_object_counts(folder: Folder) -> None:
    folder.write("metallb.yaml", POOL + "  autoassign: false\n")
    seen = _opened(folder)
    assert seen.serious == set()
    assert [key.name.name for key in seen.objects] == ["first"]


def test_a_misspelt_field_that_is_needed_is_named_beside_the_one_that_is_missing(folder: Folder) -> None:
    messages = said(folder, POOL.replace("addresses", "adresses"))
    assert messages == {
        "metallb.yaml:4": "IPAddressPool metallb-system/first: spec.addresses: is missing",
        "metallb.yaml:5": "IPAddressPool metallb-system/first: spec.adresses: unknown field, it has no effect: "
        'did you mean "addresses"?',
    }


SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: metalev-beacon, namespace: metallb-system}
stringData:
  key-1: a key of more than sixteen bytes
  current: "1"
"""


def test_an_entry_of_the_beacons_secret_that_is_no_key_is_named(folder: Folder) -> None:
    hint = "unknown entry, it has no effect: there are key-1, key-2... and current"
    assert said(folder, SECRET + "  key2: another key of more than sixteen bytes\n") == {
        "metallb.yaml:7": f"Secret metallb-system/metalev-beacon: stringData.key2: {hint}"
    }


ANNOTATED = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    example.com/anything: goes
    {key}: {value}
spec: {{ports: [{{port: 80}}]}}
"""


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("metallb.io/loadbalancerips", 'did you mean "metallb.io/loadBalancerIPs"?'),
        ("metallb.io/adress-pool", 'did you mean "metallb.io/address-pool"?'),
        ("metallb.universe.tf/allow_shared_ip", 'did you mean "metallb.universe.tf/allow-shared-ip"?'),
        (
            "metallb.io/colour",
            "there are address-pool, loadBalancerIPs, allow-shared-ip, ip-allocated-from-pool",
        ),
    ],
)
def test_an_annotation_of_metallbs_that_means_nothing_is_named_with_the_nearest(
    folder: Folder, key: str, hint: str
) -> None:
    message = f'Service default/web: metadata.annotations["{key}"]: unknown annotation, it has no effect: {hint}'
    assert said(folder, ANNOTATED.format(key=key, value="x")) == {"metallb.yaml:7": message}


def test_an_annotation_that_is_no_string_is_named_by_its_key(folder: Folder) -> None:
    message = 'Service default/web: metadata.annotations["metallb.io/allow-shared-ip"]: expected a string, '
    message += "got a whole number; put it in quotes"
    assert said(folder, ANNOTATED.format(key="metallb.io/allow-shared-ip", value="7")) == {"metallb.yaml:7": message}


@pytest.mark.parametrize(
    "text",
    [
        ANNOTATED.format(key="metallb.universe.tf/ip-allocated-from-pool", value="first"),
        ANNOTATED.format(key="metallb.io/loadBalancerIPs", value="192.0.2.1"),
        POOL + "status: {assignedIPv4: 3}\n",
        POOL + "  serviceAllocation:\n    namespaceSelectors:\n    - matchLabels: {whatever: there-is}\n",
        ADVERTISEMENT + "  nodeSelectors:\n  - matchExpressions:\n    - {key: rack, operator: In, values: [a]}\n",
        ADVERTISEMENT + "  preferredNodeSelectors:\n  - weight: 3\n    preference: {matchLabels: {rack: a}}\n",
        SECRET,
        SECRET.replace("metalev-beacon", "somebody-elses").replace("key-1", "password"),
        "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {podCIDR: 10.244.0.0/24}\n",
    ],
)
def test_what_belongs_there_and_what_is_kubernetes_own_is_no_news(folder: Folder, text: str) -> None:
    assert said(folder, text) == {}
