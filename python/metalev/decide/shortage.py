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

    It stays the same for as long as the Service has to wait for the same thing: what the Service still holds counts as
    free, for it gives that up, and a family that a pool does not have at all is all that is said of that pool.
    """
    if not pools:
        return f" (no pool is for this Service: {_listed(_reserved(pool) for pool in ledger.pools.values())})"
    found = _listed(f"pool {quoted(pool.name.name)} {_lack(pool, service, ledger)}" for pool in pools)
    return f" ({found}; make a pool larger, or free an address)"


def _lack(pool: Pool, service: Service, ledger: Ledger) -> str:
    name = pool.name.name
    absent = [family for family in service.families if not ledger.usage(name, family)[0]]
    if absent:
        return f"has no {' and no '.join(f'IPv{family}' for family in absent)} addresses"
    lacking = [family for family in service.families if not _has_room(pool, family, service, ledger)]
    return " and ".join(_exhausted(pool, family, ledger) for family in lacking) or "has none on these terms"


def _has_room(pool: Pool, family: Family, service: Service, ledger: Ledger) -> bool:
    """Whether an address of ``family`` is free, or will be once the Service gives up what it has."""
    own = (one for one in ledger.addresses_of(service.name) if ledger.holders(one) == (service.name,))
    return ledger.usage(pool.name.name, family)[2] > 0 or any(one.version == family and one in pool for one in own)


def _exhausted(pool: Pool, family: Family, ledger: Ledger) -> str:
    total, held, _ = ledger.usage(pool.name.name, family)
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
