"""Addresses that the network itself uses, and that no Service may be given: nodes', interfaces', routers', others'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address

from metalev.decide.words import quoted
from metalev.model.actions import SpeakerState
from metalev.model.address import IPAddress, sort_key
from metalev.model.cluster import Node
from metalev.model.meta import Name

# Addresses that are spelled out in one message; a person needs an example and the number.
NAMED = 5


def addresses_in_use(
    nodes: Mapping[Name, Node], speakers: Mapping[Name, SpeakerState], living: Iterable[SpeakerState]
) -> Mapping[IPAddress, str]:
    """What must not be handed out, and whose it is; the first thing that is known of an address says it.

    What a speaker said of its own node outlives it, so it counts while the node exists; where no node is known, it
    counts anyway. What it said of others counts as long as it is ``living``.
    """
    found: dict[IPAddress, str] = {}
    states = [state for state in speakers.values() if not nodes or state.name in nodes]
    for address, whose in (*_of_nodes(nodes.values()), *_of_speakers(states), *_of_others(living)):
        found.setdefault(address, whose)
    return found


def skipped(pool: str, addresses: Iterable[IPAddress], whose: Mapping[IPAddress, str]) -> str:
    """What to tell of the addresses of ``pool`` that are not handed out."""
    ordered = sorted(addresses, key=sort_key)
    named = ", ".join(f"{one} ({whose[one]})" for one in ordered[:NAMED])
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return f"pool {quoted(pool)} has addresses that are in use and are not handed out: {named}{more}"


def _of_nodes(nodes: Iterable[Node]) -> Iterator[tuple[IPAddress, str]]:
    for node in sorted(nodes, key=lambda one: one.name):
        for address in (*node.addresses, *node.other_addresses):
            yield address, f"of node {quoted(node.name)}"


def _of_speakers(speakers: Iterable[SpeakerState]) -> Iterator[tuple[IPAddress, str]]:
    for state in sorted(speakers, key=lambda one: one.name):
        for address in _parsed(state.gateways):
            yield address, f"of a gateway of node {quoted(state.name)}"
        for address in _parsed(state.local_addresses):
            yield address, f"on an interface of node {quoted(state.name)}"


def clean_addresses(living: Iterable[SpeakerState]) -> frozenset[IPAddress]:
    """The free addresses that nobody answered for when a speaker asked."""
    return frozenset(address for state in living for address in _parsed(state.clean))


def conflicts(living: Iterable[SpeakerState]) -> Mapping[IPAddress, frozenset[str]]:
    """The addresses that somebody else has, with how that came out, as each speaker says."""
    found: dict[IPAddress, frozenset[str]] = {}
    for state in living:
        for one in state.conflicts:
            for address in _parsed([one.address]):
                found[address] = found.get(address, frozenset()) | {one.cause}
    return found


def _of_others(speakers: Iterable[SpeakerState]) -> Iterator[tuple[IPAddress, str]]:
    """What hosts have that are none of ours; the node that saw it says where to look."""
    for state in sorted(speakers, key=lambda one: one.name):
        for one in state.conflicts:
            for address in _parsed([one.address]):
                yield address, f"in use by {one.mac} (seen on {one.interface} by node {quoted(state.name)})"


def _parsed(texts: Iterable[str]) -> Iterator[IPAddress]:
    """The addresses among ``texts``, without prefix length or zone; a speaker of another version may say more."""
    for text in texts:
        try:
            yield ip_address(text.partition("/")[0].partition("%")[0])
        except ValueError:
            continue
