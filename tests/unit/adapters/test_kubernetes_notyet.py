"""What MetalLB's BGP resources are told while metalev does no BGP."""

from __future__ import annotations

import json

import pytest

from metalev.adapters.kubernetes.notyet import PATHS, NotYet, path_of
from metalev.model.snapshot import Change, Rejected


def peer(version: int) -> bytes:
    metadata = {"name": "tor", "namespace": "metallb-system", "resourceVersion": str(version)}
    return json.dumps({"metadata": metadata, "spec": {"myASN": 64512}}).encode()


def test_each_is_named_once_and_withdrawn_when_it_is_gone() -> None:
    told: list[Change] = []
    remarks = NotYet("BGPPeer", told.append)
    for version in (1, 2):
        remarks.take(peer(version))
    remarks.drop(peer(3))
    source = "BGPPeer metallb-system/tor"
    assert told == [
        Rejected(source, "not supported yet: it has no effect", serious=False),
        Rejected(source, "", serious=False),
    ]


@pytest.mark.parametrize("kind", PATHS)
def test_they_are_looked_for_in_our_own_namespace(kind: str) -> None:
    assert "/namespaces/lb/" in path_of(kind, "lb")
