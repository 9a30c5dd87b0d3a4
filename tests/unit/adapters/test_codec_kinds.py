"""Which kinds are read, which are named, and which are nobody's concern."""

from __future__ import annotations

import pytest

from metalev.adapters.codec import BadField, Codec, UnreadKind, unpack
from metalev.model.errors import BadInput
from metalev.model.meta import Kind, Name, ObjectKey

CODEC = Codec("metallb-system")


def decode(api_version: str, kind: str, name: str = "x", namespace: str = "") -> object:
    return CODEC.decode({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}})


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("v1", "Pod"),
        ("v1", "ConfigMap"),
        ("networking.k8s.io/v1", "Ingress"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("metallb.io/v1beta1", "ServiceL2Status"),
    ],
)
def test_what_every_tutorial_contains_is_passed_over_in_silence(api_version: str, kind: str) -> None:
    assert decode(api_version, kind) is None


@pytest.mark.parametrize("kind", ["BGPPeer", "BGPAdvertisement", "BFDProfile", "Community"])
def test_metallb_kinds_to_come_are_named_as_not_supported_yet(kind: str) -> None:
    with pytest.raises(UnreadKind, match=rf'^kind "{kind}" \(apiVersion metallb.io/v1beta2\) is not supported yet$'):
        decode("metallb.io/v1beta2", kind)


def test_unknown_kind_is_named() -> None:
    with pytest.raises(UnreadKind, match=r'^kind "Gizmo" \(apiVersion example.com/v1\) is not read by metalev$'):
        decode("example.com/v1", "Gizmo")


@pytest.mark.parametrize(
    ("kind", "nearest"),
    [
        ("IPAddressPol", "IPAddressPool (metallb.io/v1beta1)"),
        ("L2Advertisment", "L2Advertisement (metallb.io/v1beta1)"),
        ("Servise", "Service (v1)"),
    ],
)
def test_misspelt_kind_is_told_the_nearest(kind: str, nearest: str) -> None:
    name, _, version = nearest.partition(" ")
    with pytest.raises(UnreadKind) as caught:
        decode(version.strip("()"), kind)
    assert str(caught.value).endswith(f'is not read by metalev: did you mean "{name}" {version}?')


def test_known_kind_in_a_wrong_group_is_told_its_right_one() -> None:
    with pytest.raises(UnreadKind, match=r"Service is in v1$"):
        decode("apps/v1", "service")


def test_unknown_version_of_a_known_kind_is_told_the_right_one() -> None:
    with pytest.raises(BadField, match=r'^apiVersion: "metallb.io/v9" is not read: write metallb.io/v1beta1$'):
        decode("metallb.io/v9", "IPAddressPool")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "Web", "", "-web", "x" * 254, "web\n"])
def test_name_that_could_not_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(BadField, match=r"^metadata.name: "):
        decode("v1", "Node", name)


def test_namespace_that_leads_out_of_a_folder_is_refused() -> None:
    with pytest.raises(BadField, match=r"^metadata.namespace: "):
        decode("v1", "Service", "web", "..")


@pytest.mark.parametrize("document", ["text", 7, [], {}, {"kind": "Service"}, {"apiVersion": "v1", "kind": "Service"}])
def test_what_is_no_object_is_bad_input_and_nothing_worse(document: object) -> None:
    assert CODEC.identify(document) is None
    with pytest.raises(BadInput):
        CODEC.decode(document)


def test_broken_object_can_still_say_what_it_is() -> None:
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": 7}, "spec": []}
    assert CODEC.identify(document) == ObjectKey(Kind.SERVICE, Name("default", "web"))


def test_list_is_unpacked_with_the_place_of_each_item() -> None:
    items = [{"kind": "Node"}, "text"]
    unpacked = list(unpack({"apiVersion": "v1", "kind": "List", "items": items}))
    assert unpacked == [("items[0]", {"kind": "Node"}), ("items[1]", "text")]


def test_items_of_a_typed_list_get_its_kind() -> None:
    document = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "items": [{"a": 1}]}
    assert list(unpack(document)) == [
        ("items[0]", {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "a": 1})
    ]


def test_what_is_no_list_is_itself() -> None:
    assert list(unpack({"kind": "Node"})) == [("", {"kind": "Node"})]
