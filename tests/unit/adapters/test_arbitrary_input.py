"""Whatever is written in a manifest, what comes of it is an object or a complaint; nothing is ever raised."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from metalev.adapters.codec import Codec, unpack
from metalev.adapters.codec.kinds import API_VERSION
from metalev.adapters.files.manifest import Manifest, read_manifest
from metalev.model.errors import BadInput
from metalev.model.legacy import LegacyConfig
from metalev.model.meta import Kind, Name
from metalev.model.snapshot import Object, key_of

CODEC = Codec("metallb-system", default_families=(4,))
# Every key that some reader asks for, so that what is generated gets past the first of them.
_KEYS = """
metadata name namespace labels annotations resourceVersion creationTimestamp spec status data stringData config
addresses autoAssign avoidBuggyIPs serviceAllocation priority namespaces namespaceSelectors serviceSelectors
ipAddressPools ipAddressPoolSelectors nodeSelectors interfaces preferredNodeSelectors weight preference
matchLabels matchExpressions key operator values type ports port targetPort protocol clusterIP clusterIPs
ipFamilies ipFamilyPolicy loadBalancerIP loadBalancerClass loadBalancer ingress ip conditions address endpoints
addressType nodeName ready serving address-pools auto-assign avoid-buggy-ips cidr bgp-advertisements peers my-asn
peer-asn peer-address hold-time node-selectors match-labels match-expressions bgp-communities bfd-profiles
items holdings resting until service
"""
KEYS = _KEYS.split()
WORDS = (
    "LoadBalancer",
    "layer2",
    "bgp",
    "10.0.0.0/24",
    "10.0.0.9-10.0.0.1",
    "10.0.0.1",
    "fd00::/64",
    "In",
    "Exists",
    "IPv4",
    "TCP",
    "default",
    "",
    "None",
    "2026-01-01T00:00:00Z",
    "90s",
    "a" * 300,
    "../..",
    "MTIzNDU2Nzg5MDEyMzQ1Ng==",
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
    | st.binary(max_size=4)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | scalars, inner, max_size=4),
    max_leaves=12,
)
mappings = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)


def decoded(document: object) -> Object | None:
    """What the codec makes of it; nothing, if that is a complaint."""
    with suppress(BadInput):
        return CODEC.decode(document)
    return None


@st.composite
def objects(draw: st.DrawFn) -> dict[Any, Any]:
    """An object of some kind that metalev reads, with anything below."""
    kind = draw(st.sampled_from(list(Kind)))
    names = {Kind.CONFIG_MAP: "config", Kind.SECRET: "metalev-beacon"}
    metadata: dict[Any, Any] = {"name": names.get(kind, "x"), "namespace": "metallb-system"}
    extra = draw(st.dictionaries(st.sampled_from(["labels", "annotations", "creationTimestamp"]), values, max_size=2))
    return {"apiVersion": API_VERSION[kind], "kind": str(kind), **draw(mappings), "metadata": metadata | extra}


@given(values)
def test_any_value_is_an_object_or_bad_input(document: object) -> None:
    for _, item in unpack(document):
        decoded(item)
        CODEC.identify(item)


@given(objects())
def test_anything_in_an_object_is_an_object_or_bad_input(document: dict[Any, Any]) -> None:
    found = decoded(document)
    about = CODEC.identify(document)
    assert about is not None
    assert found is None or key_of(found) == about


@given(mappings | st.text(max_size=60))
def test_anything_in_the_old_config_map_is_a_configuration_or_bad_input(inner: object) -> None:
    text = inner if isinstance(inner, str) else yaml.safe_dump(inner)
    metadata = {"name": "config", "namespace": "metallb-system"}
    found = decoded({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": text}})
    assert found is None or isinstance(found, LegacyConfig)


@given(mappings)
def test_any_pools_alone_are_a_configuration_or_bad_input(inner: dict[str, object]) -> None:
    found = decoded({"address-pools": [], **inner})
    assert found is None or found.name == Name("metallb-system", "config")


@given(objects() | mappings, st.booleans())
def test_any_file_gives_objects_or_complaints(document: dict[Any, Any], as_json: bool) -> None:
    text = json.dumps(document, default=str, skipkeys=True) if as_json else yaml.dump(document)
    manifest = read_manifest("x.json" if as_json else "x.yaml", text.encode(errors="replace"), None, CODEC)
    lines = text.count("\n") + 1
    assert all(complaint.message and 1 <= complaint.line <= lines for complaint in manifest.complaints)


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))
HOSTILE = {
    "an alias to itself": ("kind: &a [*a]\n", "leads back to where it stands"),
    "an alias in a mapping of itself": ("&a {kind: *a}\n", "leads back to where it stands"),
    "aliases of aliases of aliases": (BOMB, "aliases (*) make it more than 1000000 parts"),
    "lists in lists in lists": ("[" * 3000 + "]" * 3000, "too deep"),
    "ten thousand times deeper": ("[" * 10_000_000, "too deep"),
    "dashes in a line": ("- " * 200_000 + "x\n", "too deep"),
    "question marks in a line": ("? " * 200_000 + "x\n", "too deep"),
    "dashes after a line's other end": ("a: 1\r" + "- " * 200_000 + "x\n", ""),
    "dashes after a byte order mark": ("\ufeff\ufeff" + "- " * 200_000 + "x\n", ""),
    "ever deeper lines": ("".join(" " * level + "a:\n" for level in range(2000)), "too deep"),
    "a tag that is not true": ("kind: !!bool maybe\n", "does not suit its tag"),
    "a number that is none": ("kind: !!int ''\n", "does not suit its tag"),
    "a date that is none": ("kind: !!timestamp never\n", "does not suit its tag"),
    "a tag of Python's": ("kind: !!python/object/apply:os.getpid []\n", "could not determine a constructor"),
    "a mapping as a key": ("? {a: b}\n: c\n", "unhashable"),
    "a character that is not allowed": ("kind: \x07\n", "control characters are not allowed"),
}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_one_complaint(text: str) -> None:
    content, message = HOSTILE[text]
    before = Manifest()
    (complaint,) = read_manifest("x.yaml", content.encode(), before, CODEC).complaints
    assert message in complaint.message


@pytest.mark.parametrize("text", ["an alias to itself", "aliases of aliases of aliases", "lists in lists in lists"])
def test_a_hostile_text_inside_of_the_config_map_is_one_complaint(text: str) -> None:
    content, message = HOSTILE[text]
    metadata = {"name": "config", "namespace": "metallb-system"}
    with pytest.raises(BadInput) as caught:
        CODEC.decode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": content}})
    assert message in str(caught.value)


def test_aliases_that_only_save_typing_are_read() -> None:
    text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: &l {a: b}\n  annotations: *l\n"
    assert not read_manifest("x.yaml", text.encode(), None, CODEC).complaints


def test_json_that_is_too_deep_is_one_complaint() -> None:
    (complaint,) = read_manifest("x.json", b"[" * 100_000 + b"]" * 100_000, None, CODEC).complaints
    assert complaint.message
