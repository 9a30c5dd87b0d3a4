"""Kubernetes' JSON to model values and back, once, at the edge.

``Codec.decode`` reads what metalev needs of an object and nothing else: a field that it does not know never reaches the
model. What is wrong is a ``BadInput`` that names the field; a kind that metalev does not read is an ``UnreadKind``.
"""

from metalev.adapters.codec.decode import Codec, UnreadKind, unpack
from metalev.adapters.codec.fields import BadField

__all__ = ["BadField", "Codec", "UnreadKind", "unpack"]
