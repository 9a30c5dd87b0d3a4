"""What the engine's facts add up to: the groups held, the peers heard, the interfaces in use and what is theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from metalev.model.ownership import Fact, FactKind

# Facts of each kind about what others do that are remembered: an attacker who varies its MAC address makes more.
TROUBLE_KEPT = 20


class FactLevels:
    """The level behind the facts, so that the rest of the program need not care about their order."""

    def __init__(self) -> None:
        self._held: dict[str, Fact] = {}
        self._unable: dict[str, Fact] = {}
        self._heard: set[tuple[str, str]] = set()
        self._addresses: dict[str, frozenset[str]] = {}
        self._gateways: dict[str, frozenset[str]] = {}
        # Also of the interfaces that carry nothing: docker0 and lo answer for their addresses, too.
        self._host_addresses: frozenset[str] = frozenset()
        self._host_gateways: frozenset[str] = frozenset()
        # Replaced, never changed: who looks at them sees by identity that they are the same.
        self._conflicts: Mapping[str, Fact] = {}
        self._witnessed: Mapping[str, Fact] = {}
        self._clean: frozenset[str] = frozenset()
        self._trouble: Mapping[tuple[str, str], Fact] = {}
        self._patience: Mapping[str, Fact] = {}

    def note(self, fact: Fact) -> None:
        """Take one fact into account; kinds that change no level (``overslept``, ...) pass by."""
        self._note_group(fact)
        self._note_link(fact)
        self._note_host(fact)
        self._note_others(fact)

    def _note_group(self, fact: Fact) -> None:
        match fact.kind:
            case FactKind.TOOK:
                self._held[str(fact.group)] = self._since(fact)
            case FactKind.YIELDED:
                self._held.pop(str(fact.group), None)
            case FactKind.UNABLE:
                self._unable[str(fact.group)] = fact
            case FactKind.ABLE:
                self._unable.pop(str(fact.group), None)
            case _:
                pass

    def _since(self, fact: Fact) -> Fact:
        """``fact``, with the time of the move if it only tells anew of what is held."""
        before = self._held.get(str(fact.group))
        return fact if before is None or before.term != fact.term else replace(fact, at=before.at)

    def _note_link(self, fact: Fact) -> None:
        match fact.kind:
            case FactKind.PEER_HEARD:
                self._heard.add(_path(fact))
            case FactKind.PEER_LOST:
                self._heard.discard(_path(fact))
            case FactKind.INTERFACE_UP:
                self._addresses[fact.interface] = _routable(fact)
            case FactKind.INTERFACE_DOWN:
                self._addresses.pop(fact.interface, None)
                self._gateways.pop(fact.interface, None)
                self._heard = {path for path in self._heard if path[1] != fact.interface}
            case FactKind.GATEWAYS:
                self._gateways[fact.interface] = _routable(fact)
            case FactKind.PATIENCE:
                self._patience = {**self._patience, fact.peer: fact}
            case FactKind.PATIENCE_OVER:
                self._patience = {peer: one for peer, one in self._patience.items() if peer != fact.peer}
            case _:
                pass

    def _note_host(self, fact: Fact) -> None:
        match fact.kind:
            case FactKind.HOST_ADDRESSES:
                self._host_addresses = _routable(fact)
            case FactKind.HOST_GATEWAYS:
                self._host_gateways = _routable(fact)
            case _:
                pass

    def _note_others(self, fact: Fact) -> None:
        """What others on the wire have and do."""
        addresses = frozenset(str(address) for address in fact.addresses)
        match fact.kind:
            case FactKind.CLEAN:
                self._clean |= addresses
            case FactKind.CONFLICT:
                self._conflicts = {**self._conflicts, **dict.fromkeys(addresses, fact)}
                self._clean -= addresses
            case FactKind.CONFLICT_OVER:
                self._conflicts = {key: one for key, one in self._conflicts.items() if key not in addresses}
            case FactKind.WITNESS:
                self._witnessed = {**self._witnessed, **dict.fromkeys(addresses, fact)}
            case FactKind.WITNESS_OVER:
                self._witnessed = {key: one for key, one in self._witnessed.items() if key not in addresses}
            case _:
                self._note_trouble(fact)

    def _note_trouble(self, fact: Fact) -> None:
        """What others do that concerns no address alone, or that is to be mended elsewhere."""
        address = min(map(str, fact.addresses), default="")
        match fact.kind:
            case FactKind.PROXY_ARP:
                self._begin((FactKind.PROXY_ARP, fact.mac), fact)
            case FactKind.PROXY_ARP_OVER:
                self._end((FactKind.PROXY_ARP, fact.mac))
            case FactKind.OWN_KERNEL:
                self._begin((FactKind.OWN_KERNEL, address), fact)
            case FactKind.OWN_KERNEL_OVER:
                self._end((FactKind.OWN_KERNEL, address))
            case FactKind.UNHEEDED if fact.peer:
                # Not of everybody: a state is read by all, and nobody is to have it written by varying a MAC address.
                self._begin((FactKind.UNHEEDED, _sender(fact)), fact)
            case FactKind.UNHEEDED_OVER:
                self._end((FactKind.UNHEEDED, _sender(fact)))
            case _:
                self._note_unsent(fact)

    def _note_unsent(self, fact: Fact) -> None:
        """What the kernel does not send, and on which way: a moment's refusal changes nothing."""
        match fact.kind:
            case FactKind.UNSENT_LASTS:
                self._begin((FactKind.UNSENT_LASTS, fact.interface), fact)
            case FactKind.UNSENT_OVER:
                self._end((FactKind.UNSENT_LASTS, fact.interface))
            case _:
                pass

    def _begin(self, key: tuple[str, str], fact: Fact) -> None:
        """Keep the newest of each kind; somebody may do the same under many names."""
        others = {one: told for one, told in self._trouble.items() if one != key}
        for forgotten in [one for one in others if one[0] == key[0]][: -TROUBLE_KEPT + 1]:
            del others[forgotten]
        self._trouble = {**others, key: fact}

    def _end(self, key: tuple[str, str]) -> None:
        self._trouble = {one: told for one, told in self._trouble.items() if one != key}

    def fields(self) -> Mapping[str, object]:
        """The fields of a snapshot that come from here; copies, so that a snapshot never changes."""
        return {
            "held": dict(self._held),
            # Liveness is per peer and interface; a peer heard on any of them is heard.
            "peers_heard": frozenset(peer for peer, _ in self._heard),
            "unable": dict(self._unable),
            "interfaces": frozenset(self._addresses),
            "conflicts": self._conflicts,
            "clean": self._clean,
            "witnessed": self._witnessed,
            "patience": self._patience,
            "trouble": frozenset(self._trouble.values()),
            "local_addresses": _union([self._host_addresses, *self._addresses.values()]),
            "gateways": _union([self._host_gateways, *self._gateways.values()]),
        }


def _path(fact: Fact) -> tuple[str, str]:
    """The peer and the path concerned: for UDP ``interface`` also tells where a beacon arrived, which may change."""
    return fact.peer, "udp" if fact.interface.startswith("udp (") else fact.interface


def _sender(fact: Fact) -> str:
    """Who it is that is not heeded, and why: one may send from several places."""
    return " ".join((fact.cause, fact.peer, fact.mac, *map(str, fact.addresses)))


def _routable(fact: Fact) -> frozenset[str]:
    """The addresses that a pool could have; every interface has link-local ones, and no pool has any."""
    return frozenset(str(address) for address in fact.addresses if not address.is_link_local)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)
