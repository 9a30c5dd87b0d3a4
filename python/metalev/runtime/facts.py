"""What the engine's facts add up to: the groups held, the peers heard and the interfaces in use."""

from __future__ import annotations

from collections.abc import Mapping

from metalev.model.ownership import Fact, FactKind


class FactLevels:
    """The level behind the facts, so that the rest of the program need not care about their order."""

    def __init__(self) -> None:
        self._held: dict[str, Fact] = {}
        self._heard: set[tuple[str, str]] = set()
        self._interfaces: set[str] = set()

    def note(self, fact: Fact) -> None:
        """Take one fact into account; kinds that change no level (``overslept``, ...) pass by."""
        match fact.kind:
            case FactKind.TOOK:
                self._held[str(fact.group)] = fact
            case FactKind.YIELDED:
                self._held.pop(str(fact.group), None)
            case FactKind.PEER_HEARD:
                self._heard.add(_path(fact))
            case FactKind.PEER_LOST:
                self._heard.discard(_path(fact))
            case FactKind.INTERFACE_UP:
                self._interfaces.add(fact.interface)
            case FactKind.INTERFACE_DOWN:
                self._interfaces.discard(fact.interface)
            case _:
                pass

    def fields(self) -> Mapping[str, object]:
        """The three fields of a snapshot; copies, so that a snapshot never changes."""
        return {
            "held": dict(self._held),
            # Liveness is per peer and interface; a peer heard on any of them is heard.
            "peers_heard": frozenset(peer for peer, _ in self._heard),
            "interfaces": frozenset(self._interfaces),
        }


def _path(fact: Fact) -> tuple[str, str]:
    """The peer and the path concerned: for UDP ``interface`` also tells where a beacon arrived, which may change."""
    return fact.peer, "udp" if fact.interface.startswith("udp (") else fact.interface
