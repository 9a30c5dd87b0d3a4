"""What the speaker of one node should do, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from metalev.decide.announcements import Announcements
from metalev.decide.candidates import Why, preempt_of
from metalev.decide.groups import Grouping, Groups
from metalev.decide.probing import Outlook
from metalev.model.actions import Conflict, Holding, Patience, SpeakerState
from metalev.model.cluster import BEACON_SECRET, BeaconKey
from metalev.model.meta import Name
from metalev.model.ownership import Fact, OwnershipTable, Peer, Preempt, Probe, Probing
from metalev.model.pools import PREEMPT_ANNOTATION
from metalev.model.snapshot import Snapshot

# Groups that a node cannot announce and that its state spells out: with its link down, that is all of them.
NAMED = 20
# The engine's word for it.
_OFF_LINK = "off-link"


class SpeakerDesired(Struct, frozen=True):
    """What a speaker hands to its engine, and what stands behind it.

    By the key of a group as text: the Services that it carries, the nodes that are no candidates and why, and the
    groups that no node at all may own and why.
    """

    table: OwnershipTable = OwnershipTable()
    services_of_group: Mapping[str, tuple[Name, ...]] = {}
    reasons: Mapping[str, Mapping[str, Why]] = {}
    nobody: Mapping[str, str] = {}


class SpeakerDecider:
    """Works out what the speaker of ``node`` should do; remembers nothing but what it need not work out again.

    ``fallback_keys`` sign beacons until the Secret ``metalev-beacon`` has keys (embedded use: a key file); those that
    were read anew of the file count from then on. ``lb_class``
    is the one ``loadBalancerClass`` that is served, ``None`` serves the Services that name none. ``ignore_exclude_lb``
    lets nodes announce that carry the label to exclude them. ``preempt`` is for
    what no advertisement says otherwise of.
    """

    def __init__(
        self,
        node: str,
        fallback_keys: Sequence[BeaconKey] = (),
        lb_class: str | None = None,
        *,
        ignore_exclude_lb: bool = False,
        preempt: Preempt = Preempt.STICKY,
        probe: Probe = Probe.AHEAD,
    ) -> None:
        self._node = node
        self._fallback_keys = tuple(fallback_keys)
        self._announcements = Announcements(node, lb_class, ignore_exclude_lb=ignore_exclude_lb)
        self._groups = Groups(preempt)
        self._probe = probe
        self._outlook = Outlook()

    def desired(self, snapshot: Snapshot) -> SpeakerDesired:
        """The whole table for the engine: the same groups on every node that knows the same."""
        announcements = self._announcements.update(snapshot)
        holders = {name: snapshot.services[name].status.addresses for name in announcements}
        grouping = self._groups.form(holders, announcements)
        table = OwnershipTable(
            self._peers(snapshot), self._keys(snapshot), grouping.groups, probing=self._probing(snapshot)
        )
        return SpeakerDesired(table, _announced(grouping), grouping.excluded, grouping.nobody)

    def _probing(self, snapshot: Snapshot) -> Probing:
        if self._probe is Probe.OFF:
            return Probing()
        return Probing(self._outlook.next_free(snapshot), full=self._probe is Probe.FULL)

    def _peers(self, snapshot: Snapshot) -> tuple[Peer, ...]:
        """Every other node, also one that may own nothing now: it hears, and it may own something tomorrow."""
        nodes = sorted(snapshot.nodes.values(), key=lambda one: one.name)
        return tuple(Peer(one.name.name, one.addresses) for one in nodes if one.name.name != self._node)

    def _keys(self, snapshot: Snapshot) -> tuple[BeaconKey, ...]:
        secrets = (snapshot.secrets[name] for name in sorted(snapshot.secrets) if name.name == BEACON_SECRET)
        return next((secret.keys for secret in secrets if secret.keys), snapshot.file_keys or self._fallback_keys)


def _announced(grouping: Grouping) -> Mapping[str, tuple[Name, ...]]:
    """The Services for which each group is announced: not those that merely hold an address of it."""
    if not grouping.left_out:
        return grouping.services
    out = grouping.left_out
    return {key: tuple([name for name in names if name not in out]) for key, names in grouping.services.items()}


def speaker_state(
    snapshot: Snapshot, node: str, desired: SpeakerDesired, since: Callable[[Fact], int] = lambda fact: int(fact.at)
) -> SpeakerState:
    """What the speaker of ``node`` says of itself: what its engine holds and hears, and what is wrong.

    ``since`` tells when a fact was, in Unix time.
    """
    next_ones = frozenset(map(str, desired.table.probing.addresses))
    interfaces = {str(group.key): group.interfaces for group in desired.table.groups if group.interfaces}
    holdings = [
        Holding(
            group=key,
            addresses=tuple(str(address) for address in fact.addresses),
            services=tuple(str(name) for name in desired.services_of_group.get(key, ())),
            term=fact.term,
            cause=fact.cause,
            interfaces=interfaces.get(key, ()),
        )
        for key, fact in sorted(snapshot.held.items())
    ]
    return SpeakerState(
        name=Name("", node),
        holdings=tuple(holdings),
        peers_heard=tuple(sorted(snapshot.peers_heard)),
        interfaces=tuple(sorted(snapshot.interfaces)),
        local_addresses=tuple(sorted(snapshot.local_addresses)),
        gateways=tuple(sorted(snapshot.gateways)),
        problems=(
            *(f"{source}: {message}" for source, message in sorted(snapshot.problems.items())),
            *_unknown_policies(snapshot),
            *_disabilities(snapshot, node, desired),
            *sorted({fact.message for fact in snapshot.witnessed.values()})[:NAMED],
            *sorted({fact.message for fact in snapshot.trouble}),
        ),
        conflicts=tuple(
            Conflict(address, fact.mac, fact.interface, fact.cause, since(fact))
            for address, fact in sorted(snapshot.conflicts.items())
        ),
        clean=tuple(sorted(snapshot.clean & next_ones)),
        patience=tuple(
            Patience(node, round(fact.patience, 3), fact.cause)
            for node, fact in sorted(snapshot.patience.items())[:NAMED]
        ),
    )


def _unknown_policies(snapshot: Snapshot) -> list[str]:
    """Advertisements that want a policy for moves back that there is not."""
    words = f"{', '.join(Preempt)}"
    return [
        f"L2Advertisement {name}: {PREEMPT_ANNOTATION} is {one.preempt!r}, which has no effect: write one of {words}"
        for name, one in sorted(snapshot.l2_advertisements.items())
        if one.preempt and preempt_of(one) is None
    ]


def _disabilities(snapshot: Snapshot, node: str, desired: SpeakerDesired) -> list[str]:
    """Why this node cannot announce what it may; that others are in a better subnet is no problem."""
    if not snapshot.unable:
        return []
    mine = (group for group in desired.table.groups if any(one.node == node for one in group.candidates))
    facts = (snapshot.unable.get(str(group.key)) for group in mine)
    found = [fact.message for fact in facts if fact is not None and fact.cause != _OFF_LINK]
    more = [f"and {len(found) - NAMED} more of this kind"] if len(found) > NAMED else []
    return found[:NAMED] + more
