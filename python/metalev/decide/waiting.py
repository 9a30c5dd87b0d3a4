"""Who waits for an address."""

from __future__ import annotations

from metalev.model.meta import Name


class Waiting:
    """The Services without an address, in the order in which they began to wait.

    An address that becomes free and a pool that grows wake these and nobody else.
    """

    def __init__(self) -> None:
        self._names: dict[Name, None] = {}

    def __len__(self) -> int:
        return len(self._names)

    def add(self, service: Name) -> None:
        """Let ``service`` wait; who waits already keeps its place."""
        self._names.setdefault(service)

    def discard(self, service: Name) -> None:
        """``service`` waits no longer."""
        self._names.pop(service, None)

    def in_order(self) -> tuple[Name, ...]:
        """Everybody who waits, longest first."""
        return tuple(self._names)
