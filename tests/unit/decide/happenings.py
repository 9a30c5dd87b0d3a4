"""What may happen to Services and pools: the wishes, pools and edits that random histories are made of.

They are drawn from a generator with a seed: the same histories on each run, and many times as many in the same time as
by hypothesis.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from random import Random
from typing import Any

from metalev.model.actions import Conflict, SpeakerState
from metalev.model.address import AddressRange, Family
from metalev.model.cluster import Namespace, Node
from metalev.model.meta import Expression, LabelSelector, Name, Operator
from metalev.model.pools import Pool, ServiceAllocation
from metalev.model.services import FamilyPolicy, Port, Service, TrafficPolicy

NAMES = [Name("shop", "a"), Name("shop", "b"), Name("shop", "c"), Name("bank", "d"), Name("bank", "e")]


def pool(name: str, *ranges: str, **fields: Any) -> Pool:
    return Pool(Name("metallb-system", name), ranges=tuple(map(AddressRange.parse, ranges)), **fields)


GOLD = LabelSelector({"tier": "gold"})
NOT_BANK = LabelSelector(match_expressions=(Expression("kubernetes.io/metadata.name", Operator.NOT_IN, ("bank",)),))
WEB = LabelSelector({"app": "web"})
FOR_SHOP = ServiceAllocation(priority=1, namespaces=("shop",))
MAINS = [
    pool("main", "10.0.0.0/30", "fd00::/127"),
    pool("main", "10.0.0.0/31"),
    pool("main", "10.0.0.2-10.0.0.4", "10.0.0.0/31", "fd00::/126"),
    pool("main", "10.0.0.0/30", avoid_buggy_ips=True),
    pool("renamed", "10.0.0.0/30", "fd00::/127"),
]
SIDES = [
    pool("side", "10.0.1.0/30", auto_assign=False),
    pool("side", "10.0.1.0/31", "fd00:1::/127"),
    pool("side", "10.0.1.0/32", "fd00:1::/127", allocation=FOR_SHOP),
    pool("side", "10.0.1.0/31", allocation=ServiceAllocation(namespaces=("bank",))),
    pool("side", "10.0.1.0/31", allocation=ServiceAllocation(namespaces=("bank",), namespace_selectors=(GOLD,))),
    pool("side", "10.0.1.0/31", "fd00:1::/127", allocation=ServiceAllocation(namespace_selectors=(NOT_BANK, GOLD))),
    pool("side", "10.0.1.0/31", allocation=ServiceAllocation(priority=2, service_selectors=(WEB,))),
    pool("side", "10.0.1.0/32", allocation=ServiceAllocation(namespaces=("shop",), service_selectors=(WEB, GOLD))),
]
FAMILIES: list[tuple[tuple[Family, ...], FamilyPolicy]] = [
    ((4,), FamilyPolicy.SINGLE),
    ((4,), FamilyPolicy.SINGLE),
    ((6,), FamilyPolicy.SINGLE),
    ((4, 6), FamilyPolicy.PREFER),
    ((6, 4), FamilyPolicy.PREFER),
    ((4, 6), FamilyPolicy.REQUIRE),
    ((4,), FamilyPolicy.REQUIRE),
    ((4, 4), FamilyPolicy.SINGLE),
    ((6, 6), FamilyPolicy.PREFER),
]
WISHES = ["", "", "", "10.0.0.1", "10.0.0.2", "10.0.1.0", "fd00::1", "10.0.0.1, fd00::1", "10.9.9.9", "please"]
# What stands in ``spec.loadBalancerIP``: one address at most.
SPEC_WISHES = [""] * 8 + ["10.0.0.1", "fd00::1", "10.0.0.1,fd00::1", "please"]
# How somebody writes an annotation: now, as before 0.14.9, or both, of which the newer one counts, even if it is empty.
SPELLINGS = [("metallb.io/",)] * 3 + [("metallb.universe.tf/",), ("metallb.io/", "metallb.universe.tf/")]
CLASSES = [None] * 8 + ["of-somebody-else"]
KEYS = ["", "", "k", "k", "l"]
ADDRESSES = ["10.0.0.0", "10.0.0.1", "10.0.0.3", "10.0.1.0", "fd00::", "fd00::1"]
LABELS: list[dict[str, str]] = [{}, {}, {"app": "web"}, {"tier": "gold"}]


Draw = Callable[[Random], Any]


def any_history_keeps(
    run: Callable[[Sequence[Any]], None], drawn: Sequence[Draw], *, histories: int, longest: int
) -> None:
    """Let ``run`` judge so many histories of up to ``longest`` steps; one that fails is told as short as it can be."""
    for seed in range(histories):
        chance = Random(seed)
        steps = [chance.choice(drawn)(chance) for _ in range(chance.randint(1, longest))]
        if _fails(run, steps):
            steps = _shortest(run, steps)
            sys.stdout.write(
                "\n".join([f"the history of seed {seed}, without what does not matter:", *map(str, steps)])
            )
            run(steps)


def _fails(run: Callable[[Sequence[Any]], None], steps: Sequence[Any]) -> bool:
    try:
        run(steps)
    except Exception:  # noqa: BLE001  (whatever it is, it is told when the shortest history has been found)
        return True
    return False


def _shortest(run: Callable[[Sequence[Any]], None], steps: list[Any]) -> list[Any]:
    """``steps`` without those that it fails without, too."""
    for place in reversed(range(len(steps))):
        fewer = steps[:place] + steps[place + 1 :]
        if _fails(run, fewer):
            steps = fewer
    return steps


def spec(chance: Random) -> Service:
    """A Service as its owner writes it."""
    families, policy = chance.choice(FAMILIES)
    kind = chance.choice(["LoadBalancer"] * 5 + ["ClusterIP"])
    balancer = chance.choice(CLASSES)
    return Service(
        chance.choice(NAMES),
        type=kind,
        families=families,
        family_policy=policy,
        load_balancer_ip=chance.choice(SPEC_WISHES),
        load_balancer_class=balancer if kind == "LoadBalancer" else None,
        traffic_policy=chance.choice([TrafficPolicy.CLUSTER, TrafficPolicy.CLUSTER, TrafficPolicy.LOCAL]),
        selector=chance.choice([{"app": "x"}, {"app": "x"}, {"app": "y"}]),
        ports=tuple(Port("TCP", port) for port in chance.choice([(80,), (81,), (80, 81), (82,)])),
        labels=chance.choice(LABELS),
        annotations=_annotations(chance),
    )


def _annotations(chance: Random) -> dict[str, str]:
    """What a Service asks for, in any spelling."""
    wish, named, key = chance.choice(WISHES), chance.choice(["", "", "main", "side"]), chance.choice(KEYS)
    found: dict[str, str] = {}
    for name, text in {"loadBalancerIPs": wish, "address-pool": named, "allow-shared-ip": key}.items():
        first, *older = chance.choice(SPELLINGS)
        if text or older:
            found[first + name] = text
        if older:
            found[older[0] + name] = {"loadBalancerIPs": "10.0.0.3", "address-pool": "side"}.get(name, "l")
    return found


def network(chance: Random) -> tuple[str, Node, SpeakerState]:
    """A node and what its speaker sees: the node's address, a gateway, what others have and what nobody has."""
    own, gateway = (chance.choice(["", "", "10.0.0.1", "10.0.0.3", "10.0.1.0", "fd00::1"]) for _ in range(2))
    foreign = chance.sample(ADDRESSES, chance.randint(0, 2))
    cause = chance.choice(["probe", "probe", "held-before"])
    name = Name("", "node-a")
    state = SpeakerState(
        name,
        gateways=(gateway,) if gateway else (),
        conflicts=tuple(Conflict(one, "02:00:00:00:00:09", "eth0", cause) for one in foreign),
        clean=tuple(one for one in chance.sample(ADDRESSES, chance.randint(0, 3)) if one not in foreign),
    )
    return "network", Node(name, addresses=(ip_address(own),) if own else ()), state


def relabelling(chance: Random) -> tuple[str, Namespace]:
    """A namespace gets other labels."""
    return "labels", Namespace(Name("", chance.choice(["shop", "bank"])), labels=chance.choice([{}, {"tier": "gold"}]))


def pools(chance: Random) -> tuple[str, Pool | None, Pool | None]:
    """The pools are others now."""
    return "pools", chance.choice([None, *MAINS]), chance.choice([None, *SIDES])


def edit(chance: Random) -> tuple[str, Name, tuple[str, ...]]:
    """What somebody makes of a status by hand: nothing, an address of a pool, one of none, two of a family."""
    return "edit", chance.choice(NAMES), chance.choice(BY_HAND)


BY_HAND = [(), (), ("10.0.0.1",), ("10.0.1.0",), ("10.9.9.9",), ("10.0.0.2", "10.0.0.3"), ("10.0.0.1", "fd00::1")]


def of(what: str, *each: Sequence[Any]) -> Draw:
    """A step that is called ``what``, with one of ``each``."""
    return lambda chance: (what, *map(chance.choice, each))
