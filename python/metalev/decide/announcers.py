"""Who announces, by what the speakers say of themselves: also what a dead one said last."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from msgspec import Struct

from metalev.decide.announcements import foreign_speakers
from metalev.decide.findings import Finding, listed, mind, no, yes
from metalev.model.actions import Patience, SpeakerState
from metalev.model.address import IPAddress
from metalev.model.cluster import Heartbeat, SpeakerPod, speaker_lease
from metalev.model.ownership import Candidate
from metalev.model.snapshot import Snapshot


class Claim(Struct, frozen=True):
    """A speaker's word that its node announces an address, since which term."""

    node: str
    term: int


class Speakers:
    """The states of the speakers of all nodes, and which of them cannot be true any more.

    A state has no time: a node that loses its power leaves one behind in which it holds all that it held. But the
    others hear it no longer, while it says that it hears them. So a state is *old* if it names a peer that does not
    name its node. The same is so where beacons pass in one direction only. And it is old where the node's pod is known
    not to run, or where its speaker's Lease has ended and nobody hears it.
    """

    def __init__(self, snapshot: Snapshot, heartbeats: Mapping[str, Heartbeat] = {}) -> None:
        self._ended = _ended(heartbeats)
        self.nodes = tuple(sorted(name.name for name in snapshot.nodes))
        known = {name.name: state for name, state in snapshot.speakers.items()}
        self.states: Mapping[str, SpeakerState] = {node: known[node] for node in self.nodes if node in known}
        self.missing = tuple(node for node in self.nodes if node not in known)
        self.left_over = tuple(sorted(node for node in known if node not in set(self.nodes)))
        self.cut_off = tuple(node for node, state in self.states.items() if not state.interfaces)
        """The nodes without an interface that can carry addresses; what they heard before is no news."""
        self._heard = {
            node: frozenset(state.peers_heard if state.interfaces else ()) for node, state in self.states.items()
        }
        self.pods = {pod.node: pod for pod in snapshot.speaker_pods.values() if not pod.foreign}
        """The pods of metalev's speakers, by their node."""
        self.old: Mapping[str, str] = {node: why for node in self.states if (why := self._why_old(node))}
        """The nodes whose state is not believed, and why."""
        self.cut_from_api: Mapping[str, str] = dict(self._cut_from_api())
        """The nodes whose speaker lives, as others say, and writes nothing any more, and why that is."""
        self.metallb = frozenset(foreign_speakers(snapshot.speaker_pods.values()))
        """The nodes where a speaker of MetalLB answers."""
        self.coming_up: Mapping[str, SpeakerPod] = {
            pod.node: pod for pod in snapshot.speaker_pods.values() if pod.foreign and pod.running and not pod.ready
        }
        """The pods of MetalLB's speakers that run and are not ready, by their node."""
        self.parted = tuple(self._parted())
        """Pairs of nodes that do not hear each other at all."""
        self._claims: dict[str, list[Claim]] = {}
        for node, state in self.states.items():
            for holding in state.holdings:
                for address in holding.addresses:
                    self._claims.setdefault(address, []).append(Claim(node, holding.term))

    def claims(self, address: IPAddress) -> tuple[Claim, ...]:
        """Who says that it announces ``address``, and can be believed; the highest term first."""
        found = (one for one in self._claims.get(str(address), ()) if one.node not in self.old)
        return tuple(sorted(found, key=lambda one: (-one.term, one.node)))

    def stale_claims(self, address: IPAddress) -> tuple[Claim, ...]:
        """Who said so and is not heard any more."""
        return tuple(one for one in self._claims.get(str(address), ()) if one.node in self.old)

    def hear_each_other(self, one: str, other: str) -> bool:
        """Whether both say that they hear the other."""
        return other in self._heard.get(one, ()) and one in self._heard.get(other, ())

    def problems_about(self, node: str, addresses: Iterable[IPAddress]) -> tuple[str, ...]:
        """What the speaker of ``node`` says is wrong with any of ``addresses``, or with announcing at all."""
        wanted = set(map(str, addresses))
        problems = self.states[node].problems if node in self.states else ()
        return tuple(
            one for one in problems if wanted & set(one.replace(",", " ").split()) or one.startswith("no key to sign")
        )

    def waits(self, nodes: Container[str]) -> tuple[str, ...]:
        """Which of ``nodes`` are given up only after a longer silence than usual, by whom and why: a sentence each."""
        waited: dict[str, list[tuple[str, Patience]]] = {}
        for observer, state in self.states.items():
            for one in state.patience if observer not in self.old else ():
                if one.node in nodes:
                    waited.setdefault(one.node, []).append((observer, one))
        return tuple(_waited(node, found) for node, found in sorted(waited.items()))

    def why_missing(self, node: str) -> str:
        """Why ``node`` has no state."""
        pod = self.pods.get(node)
        if pod is not None:
            return f"no state yet from its pod {pod.name}" if pod.running else f"its pod {pod.name} does not run"
        return "a speaker of MetalLB runs on it" if node in self.metallb else "no speaker has written a state"

    def _why_old(self, node: str) -> str:
        pod = self.pods.get(node)
        if pod is not None and not pod.running:
            return f"its state is old, for its pod {pod.name} does not run"
        deaf = [peer for peer in sorted(self._heard[node]) if peer in self._heard and node not in self._heard[peer]]
        since = self._ended.get(speaker_lease(node))
        if not deaf and since and not self._hearers(node):
            return f"its state is old, for its speaker has not been heard since {since}: its Lease has ended"
        if not deaf:
            return ""
        return f"its state is old, for it is heard no more by {listed(deaf)}: dead, or its beacons are lost"

    def _hearers(self, node: str) -> list[str]:
        """Who says that it hears ``node``."""
        return [peer for peer, heard in self._heard.items() if node in heard]

    def _cut_from_api(self) -> Iterator[tuple[str, str]]:
        for node in self.states:
            since = self._ended.get(speaker_lease(node))
            if since and node not in self.old:
                heard = f"though it is heard by {listed(self._hearers(node))}"
                why = "it does not reach the API server, or its clock is wrong"
                yield node, f"its speaker has not renewed its Lease since {since}, {heard}: {why}"

    def _parted(self) -> Iterator[tuple[str, str]]:
        live = [node for node in self.states if node not in self.old and node not in self.cut_off]
        for place, one in enumerate(live):
            for other in live[place + 1 :]:
                if other not in self._heard[one] and one not in self._heard[other]:
                    yield one, other


def _waited(node: str, found: list[tuple[str, Patience]]) -> str:
    longest = max(one.seconds for _, one in found)
    if any(observer == node for observer, _ in found):
        why = "it asks for that, for its host has no time for its speaker"
    else:
        why = f"its beacons come late or get lost on the way to {listed(observer for observer, _ in found)}"
    return f"{node} is given up only after up to {longest:g} s of silence: {why}"


def _ended(heartbeats: Mapping[str, Heartbeat]) -> Mapping[str, str]:
    """The Leases that nobody holds any more, and when they were renewed last.

    Reckoned from whichever of them was renewed last: the time of day of whoever looks may be another one.
    """
    latest = max((one.renewed for one in heartbeats.values()), default=0.0)
    return {name: one.stamp for name, one in heartbeats.items() if not one.holder or latest - one.renewed > one.lasts}


def of_speakers(speakers: Speakers, candidates: Iterable[Candidate]) -> Finding:
    """Whether the speakers of those who may announce are there, and hear each other."""
    names = [one.node for one in candidates]
    if not speakers.states:
        text = "no speaker has written a state, so nobody answers"
        return no(
            "speakers",
            text,
            "start `metalev speaker` on every node; if they run, are they told of this very cluster or directory?",
        )
    details = [f"{node}: {speakers.why_missing(node)}" for node in names if node in speakers.missing]
    details += [f"{node}: {speakers.old[node]}" for node in names if node in speakers.old]
    details += [f"{node}: none of its interfaces can carry addresses" for node in names if node in speakers.cut_off]
    details += [f"{one} and {other} do not hear each other" for one, other in speakers.parted[:3]]
    if not details:
        text = f"of {listed(names)}" + (" hear each other" if len(names) > 1 else " runs")
        return yes("speakers", text, *speakers.waits(names)[:3])
    advice = "look at these speakers' logs, and at UDP 7946 and type 0x88B5 between the nodes"
    if len(details) == 1:
        return mind("speakers", details[0], advice)
    return mind("speakers", f"not all is well with the speakers of {listed(names)}", advice, *details)


def of_announcers(
    addresses: tuple[IPAddress, ...], candidates: tuple[Candidate, ...], speakers: Speakers
) -> tuple[Finding, tuple[str, ...]]:
    """Who answers for the addresses now, and the names of those nodes."""
    claims = {address: speakers.claims(address) for address in addresses}
    names = tuple(dict.fromkeys(claim.node for found in claims.values() for claim in found))
    for address, found in claims.items():
        if not found:
            return _nobody(address, addresses, candidates, speakers), names
        if len(found) > 1:
            return _several(address, found, speakers), names
    terms = [f"{node} (term {found[0].term})" for node, found in _by_node(claims)]
    stale = speakers.stale_claims(addresses[0])
    before = [f"{claim.node} said so before (term {claim.term}), and is heard no more" for claim in stale]
    return yes("announced", f"by {' and '.join(terms)}", *before), names


def _by_node(claims: Mapping[IPAddress, tuple[Claim, ...]]) -> list[tuple[str, tuple[Claim, ...]]]:
    return list({found[0].node: found for found in claims.values()}.items())


def _several(address: IPAddress, found: tuple[Claim, ...], speakers: Speakers) -> Finding:
    one, other = found[0].node, found[1].node
    terms = listed([f"{claim.node} (term {claim.term})" for claim in found])
    if speakers.hear_each_other(one, other):
        text = f"both {one} and {other} say that they answer for {address}, and they are settling it"
        return no("announced", text, "look again in a second; if it stays so, report both logs", terms)
    text = f"{len(found)} nodes answer for {address}, for {one} and {other} do not hear each other"
    advice = "look for what parts them: a switch, a firewall (UDP 7946, type 0x88B5), different keys"
    return no("announced", text, advice, terms)


def _nobody(
    address: IPAddress, addresses: tuple[IPAddress, ...], candidates: tuple[Candidate, ...], speakers: Speakers
) -> Finding:
    details = [f"{one.node}: {_why_not(one.node, addresses, speakers)}" for one in candidates]
    text = f"nobody answers for {address}, though {listed([one.node for one in candidates])} may"
    reasons = {problem for one in candidates for problem in speakers.problems_about(one.node, addresses)}
    if len(reasons) == 1:
        text += f": {reasons.pop()}"
    return no("announced", text, _advice(details), *details[:10])


def _why_not(node: str, addresses: tuple[IPAddress, ...], speakers: Speakers) -> str:
    if node in speakers.missing:
        return speakers.why_missing(node)
    if node in speakers.old:
        return speakers.old[node]
    said = speakers.problems_about(node, addresses)
    return "; ".join(said) or "its speaker says nothing of it"


def _advice(details: list[str]) -> str:
    text = " ".join(details)
    if "no interface may carry it" in text:
        return "look at the link, at --interface and at the interfaces of the L2Advertisement"
    if "it is an address of this node" in text or "default gateway" in text:
        return "take the address out of the pool"
    if "no key to sign" in text:
        return "create the Secret metalev-beacon, or give every speaker the same --key-file"
    if "no speaker has written" in text or "heard no more" in text or "does not run" in text:
        return "start these speakers, or look at their logs"
    return "look again in a second; then look at these speakers' logs"
