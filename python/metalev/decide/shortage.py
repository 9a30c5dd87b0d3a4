"""Why no pool has an address for a Service, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metalev.decide.ledger import Ledger
from metalev.decide.words import quoted
from metalev.model.address import Family
from metalev.model.pools import Pool
from metalev.model.services import Service

# Pools that are spelled out in one message.
NAMED = 3


def shortage(service: Service, pools: Sequence[Pool], ledger: Ledger) -> str:
    """What to add to MetalLB's ``no available IPs``: ``pools`` are those that ``service`` may take an address from.

    It speaks of what is exhausted only, so it stays the same for as long as the Service has to wait.
    """
    if not pools:
        return f" (no pool is for this Service: {_listed(_reserved(pool) for pool in ledger.pools.values())})"
    found = _listed(f"pool {quoted(pool.name.name)} {_lack(pool, service.families, ledger)}" for pool in pools)
    return f" ({found}; make a pool larger, or free an address)"


def _lack(pool: Pool, families: Iterable[Family], ledger: Ledger) -> str:
    lacking = (_lack_of(pool, family, ledger) for family in families)
    return " and ".join(text for text in lacking if text) or "has none to share on these terms"


def _lack_of(pool: Pool, family: Family, ledger: Ledger) -> str:
    total, held, free = ledger.usage(pool.name.name, family)
    if free:
        return ""
    if not total:
        return f"has no IPv{family} addresses"
    if held == total:
        return f"has all of its {total} IPv{family} addresses in use"
    return f"has {held} of its {total} IPv{family} addresses in use and the others kept back"


def _reserved(pool: Pool) -> str:
    """Why a Service that names no pool gets nothing out of this one."""
    name = quoted(pool.name.name)
    if not pool.auto_assign:
        return f"{name} has autoAssign: false, so the Service has to ask for it by metallb.io/address-pool"
    return f"the serviceAllocation of {name} is for others"


def _listed(texts: Iterable[str]) -> str:
    found = list(texts)
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return "; ".join(found[:NAMED]) + more
