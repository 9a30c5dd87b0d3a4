"""Everything on one screen: which addresses are answered for and by whom, the pools, the nodes, what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from metalev.decide.candidates import ADVICE, Why
from metalev.decide.findings import Chain, listed
from metalev.decide.freelist import FAMILIES
from metalev.decide.why import Inquiry
from metalev.decide.whyaddress import START_CONTROLLER
from metalev.model.cluster import EXCLUDE_LABEL
from metalev.model.meta import Name, any_matches
from metalev.model.pools import L2Advertisement, Pool

RUNS = "runs"
NO_NODE = "no such Node"
# On a starved machine there is one for every node.
REMARKS = 5


class PoolRow(Struct, frozen=True):
    """A pool: by family, how many addresses it has, how many are held and how many could be given out.

    ``advertised`` names the L2Advertisements for it, whichever Services these are for.
    """

    name: str
    usage: Mapping[int, tuple[int, int, int]]
    advertised: tuple[str, ...]
    resting: int = 0


class NodeRow(Struct, frozen=True):
    """A node: what is with its speaker, how many addresses it announces, and how many of the others it hears."""

    name: str
    speaker: str
    announces: int = 0
    hears: int = 0

    @property
    def runs(self) -> bool:
        """Whether there is anything to say of its speaker but that it does not."""
        return self.speaker == RUNS


class Overview(Struct, frozen=True):
    """The whole cluster. ``chains`` are those of our Services, what is wrong first; ``foreign`` are of other classes.

    ``problems`` are what somebody has to do something about, besides the Services that have no traffic; ``remarks`` are
    what is good to know, and nothing is wrong because of it.
    """

    chains: tuple[Chain, ...]
    foreign: tuple[Name, ...]
    pools: tuple[PoolRow, ...]
    nodes: tuple[NodeRow, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def others(self) -> int:
        """How many other nodes each node could hear."""
        return max(sum(one.speaker != NO_NODE for one in self.nodes) - 1, 0)

    @property
    def broken(self) -> tuple[Chain, ...]:
        """The Services without traffic."""
        return tuple(one for one in self.chains if not one.healthy)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.broken and not self.problems

    @property
    def verdict(self) -> str:
        """The one sentence to remember."""
        total, broken = len(self.chains), len(self.broken)
        problems = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}" if self.problems else ""
        if broken:
            text = f"{broken} of {total} Services without traffic"
            return f"{text}, and {problems}" if problems else text
        served = f"all {total} Services are answered for" if total else "there is no Service of type LoadBalancer"
        return f"{problems}; {served}" if problems else f"all is well: {served}"


def overview(inquiry: Inquiry, namespace: str = "") -> Overview:
    """The cluster as ``inquiry`` sees it; of the Services, those in ``namespace`` if one is given."""
    services = inquiry.snapshot.services
    names = [name for name in sorted(services) if namespace in {"", name.namespace} and services[name].wants_address]
    chains = [inquiry.chain(name) for name in names]
    ours = [one for one in chains if one.ours]
    return Overview(
        chains=tuple(sorted(ours, key=lambda one: (one.healthy, one.brief == "", one.brief))),
        foreign=tuple(one.service for one in chains if not one.ours),
        pools=tuple(_pool(pool, inquiry) for _, pool in sorted(inquiry.snapshot.pools.items())),
        nodes=(
            *sorted((_node(name, inquiry) for name in inquiry.speakers.nodes), key=lambda one: (one.runs, one.name)),
            *(NodeRow(name, NO_NODE) for name in inquiry.speakers.left_over),
        ),
        problems=tuple(dict.fromkeys(_problems(inquiry))),
        remarks=inquiry.speakers.waits(inquiry.speakers.nodes)[:REMARKS],
    )


def _pool(pool: Pool, inquiry: Inquiry) -> PoolRow:
    name = pool.name.name
    usage = {family: inquiry.ledger.usage(name, family) for family in FAMILIES}
    found = (one for _, one in sorted(inquiry.snapshot.l2_advertisements.items()))
    status = inquiry.snapshot.pool_statuses.get(pool.name)
    return PoolRow(
        name=name,
        usage={family: one for family, one in usage.items() if one[0]},
        advertised=tuple(one.name.name for one in found if _is_for(one, pool)),
        resting=len(status.resting) if status else 0,
    )


def _is_for(one: L2Advertisement, pool: Pool) -> bool:
    if not one.pools and not one.pool_selectors:
        return True
    by_label = bool(one.pool_selectors) and any_matches(one.pool_selectors, pool.labels)
    return pool.name.name in one.pools or by_label


def _node(name: str, inquiry: Inquiry) -> NodeRow:
    speakers = inquiry.speakers
    state = speakers.states.get(name)
    if state is None:
        return NodeRow(name, "MetalLB's" if name in speakers.metallb else "no state")
    if name in speakers.old:
        return NodeRow(name, "old state")
    if name in speakers.cut_off:
        return NodeRow(name, "no interface")
    announced = sum(len(holding.addresses) for holding in state.holdings)
    return NodeRow(name, RUNS, announced, len(state.peers_heard))


def _absent(speakerless: Mapping[str, str]) -> Iterable[str]:
    """One line for all nodes of which the same is to be said: after the installation it may be every node."""
    nodes: dict[str, list[str]] = {}
    for node, why in speakerless.items():
        nodes.setdefault(why, []).append(node)
    for why, names in nodes.items():
        place = "there" if len(names) == 1 else "on each of them"
        yield (
            f"{listed(names)}: {why}: start `metalev speaker` {place}, or keep load balancers away by the label "
            f"{EXCLUDE_LABEL}, or by nodeSelectors of the L2Advertisements"
        )


def _barred(inquiry: Inquiry) -> Iterable[str]:
    """A label that bars every node, though whoever announces something goes on: clusters of one node often carry it."""
    nodes = inquiry.snapshot.nodes.values()
    if nodes and not inquiry.ignore_exclude_lb and all(node.excluded for node in nodes):
        everybody = "every node carries" if len(nodes) > 1 else "the only node carries"
        yield f"{everybody} the label {EXCLUDE_LABEL}, so nothing is announced anew: {ADVICE[Why.EXCLUDED]}"


def _mistakes_in_pools(inquiry: Inquiry) -> Iterable[str]:
    """But for those that stand with their line among the problems of the input."""
    said = "; ".join(inquiry.snapshot.problems.values())
    for name, problem in sorted(inquiry.desired.pool_problems.items()):
        if problem.partition("; ")[0] not in said:  # where one stands with its line, all do
            yield f"pool {name.name}: {problem}"


def _problems(inquiry: Inquiry) -> Iterable[str]:
    snapshot, desired, speakers = inquiry.snapshot, inquiry.desired, inquiry.speakers
    if not (snapshot.services or snapshot.pools or snapshot.nodes):
        yield "nothing is here, no Service, no IPAddressPool and no Node: is it the right place?"
    if snapshot.services and not inquiry.controller_wrote and any(map(inquiry.is_ours, snapshot.services.values())):
        yield f"no controller has written here: {START_CONTROLLER}"
    yield from (f"{source}: {message}" for source, message in sorted(snapshot.problems.items()))
    yield from _mistakes_in_pools(inquiry)
    yield from (f"{key}: {why}" for key, why in sorted(desired.superseded.items()))
    for pool in snapshot.pools.values():
        if not any(_is_for(one, pool) for one in snapshot.l2_advertisements.values()):
            yield f"pool {pool.name.name}: no L2Advertisement is for it, so nobody announces its addresses"
    yield from _barred(inquiry)
    yield from _absent(inquiry.speakerless())
    yield from (f"{node}: {why}" for node, why in {**speakers.old, **speakers.cut_from_api}.items())
    yield from (f"{node}: none of its interfaces can carry addresses: look at its links" for node in speakers.cut_off)
    yield from (f"{one} and {other}: they do not hear each other" for one, other in speakers.parted[:5])
    said: dict[str, list[str]] = {}
    for node, state in speakers.states.items():
        for problem in state.problems if node not in speakers.old else ():
            # What a speaker cannot read stands above if this program cannot read it either.
            if not any(problem.startswith(source) for source in snapshot.problems):
                said.setdefault(problem, []).append(node)
    yield from (f"{listed(nodes)}: {problem}" for problem, nodes in said.items())
