"""MetalLB's resources that metalev does not act upon yet: silence would let their user believe that it does."""

from __future__ import annotations

from collections.abc import Mapping

from metalev.adapters.codec import wire
from metalev.adapters.codec.decode import Json
from metalev.adapters.codec.fields import parse
from metalev.adapters.codec.kinds import METALLB, NOT_YET
from metalev.model.meta import ObjectKey
from metalev.model.snapshot import Rejected
from metalev.ports.cluster import ChangeSink

PATHS: Mapping[str, str] = {
    "BGPPeer": "v1beta2/namespaces/{namespace}/bgppeers",
    "BGPAdvertisement": "v1beta1/namespaces/{namespace}/bgpadvertisements",
    "BFDProfile": "v1beta1/namespaces/{namespace}/bfdprofiles",
    "Community": "v1beta1/namespaces/{namespace}/communities",
}


def path_of(kind: str, namespace: str) -> str:
    """Where the objects of ``kind`` are listed."""
    return f"/apis/{METALLB}/{PATHS[kind].format(namespace=namespace)}"


class NotYet:
    """Names every object of one such kind, for as long as it is there (:class:`.reflector.Reflection`)."""

    def __init__(self, kind: str, tell: ChangeSink) -> None:
        """``tell`` is told a remark about each, and that it is withdrawn."""
        self._kind = kind
        self._tell = tell
        self._named: set[str] = set()

    def take(self, raw: Json) -> ObjectKey | None:
        """One is there."""
        source = self._source(raw)
        if source not in self._named:
            self._named.add(source)
            self._tell(Rejected(source, f"{NOT_YET[METALLB, self._kind]}: it has no effect", serious=False))
        return None

    def drop(self, raw: Json) -> None:
        """One is gone."""
        source = self._source(raw)
        self._named.discard(source)
        self._tell(Rejected(source, "", serious=False))

    def listed(self, seen: object, version: str) -> None:
        """What went unseen stays named until the program starts again: a remark does no harm."""

    def restored(self) -> None:
        """Its name is all that counts."""

    def _source(self, raw: Json) -> str:
        metadata = parse(raw, wire.Stamped).metadata
        return f"{self._kind} {metadata.namespace}/{metadata.name}"
