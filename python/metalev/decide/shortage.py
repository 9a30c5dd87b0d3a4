"""Why no pool has an address for a Service, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metalev.decide.ledger import Ledger
from metalev.decide.words import quoted
from metalev.model.pools import Pool
from metalev.model.services import FamilyPolicy, Service

# Pools that are spelled out in one message.
NAMED = 3


def shortage(service: Service, pools: Sequence[Pool], ledger: Ledger) -> str:
    """What to add to MetalLB's ``no available IPs``: ``pools`` are those that ``service`` may take an address from.

    It names no figure that changes while the Service waits: it would be told anew each time, or be wrong.
    """
    if not pools:
        return f" (no pool is for this Service: {_listed(_reserved(pool) for pool in ledger.pools.values())})"
    found = _listed(f"pool {quoted(pool.name.name)} {_lack(pool, service, ledger)}" for pool in pools)
    return f" ({found}; make a pool larger, or free an address)"


def _lack(pool: Pool, service: Service, ledger: Ledger) -> str:
    totals = {family: ledger.usage(pool.name.name, family)[0] for family in service.families}
    needs_all = service.family_policy is not FamilyPolicy.PREFER
    absent = [family for family, total in totals.items() if not total]
    if absent and (len(absent) == len(totals) or needs_all):
        return f"has no {' and no '.join(f'IPv{family}' for family in absent)} addresses"
    left = [f"{total} IPv{family}" for family, total in totals.items() if total]
    if len(left) > 1 and needs_all:
        return f"has no pair left of its {' and '.join(left)} addresses"
    return f"has none left of its {' and '.join(left)} addresses"


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
