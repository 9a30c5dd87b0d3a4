"""A cable in a namespace of its own, for tests that start a speaker at one end of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from metalev.lab.namespace import Namespace


@contextmanager
def cable(name: str) -> Iterator[Namespace]:
    """A namespace of this name with a cable from ``eth0``, where the speaker is, to ``far0``."""
    namespace = Namespace(name)
    namespace.create()
    try:
        namespace.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far0"])
        namespace.run(["ip", "link", "set", "eth0", "up"])
        namespace.run(["ip", "link", "set", "far0", "up"])
        yield namespace
    finally:
        namespace.remove()
